//! What a command answers: lines for people, as the official shell prints them, or with `--json` one document for programs.
//!
//! A document is an object on a line: `command`, what has been found out under names of its own, and `error` with `message`
//! and, where the server refuses, `code`. Data are `data` (base64, as in the other tools) and, where they are text, `text`;
//! `stat` has the names that `oxkeeper snapshot show --json` has.

use super::{Terminal, print};
use crate::tools::{acl::acls, dates::Dates};
use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use oxkeeper_codec::{
    Code,
    records::{Acl, Stat},
};
use serde_json::{Map, Value, json};
use std::{fmt::Display, io};

/// The answer to one command.
pub(super) struct Answer<'a, 't> {
    terminal: &'a mut Terminal<'t>,
    /// `None`: lines.
    document: Option<Map<String, Value>>,
}

impl<'a, 't> Answer<'a, 't> {
    pub(super) fn new(terminal: &'a mut Terminal<'t>, as_json: bool) -> Self {
        Self { terminal, document: as_json.then(Map::new) }
    }

    /// A line, or a value in the document.
    pub(super) fn say(&mut self, name: &str, value: impl Into<Value>, line: impl Display) -> io::Result<()> {
        match &mut self.document {
            Some(document) => {
                document.insert(name.to_owned(), value.into());
                Ok(())
            }
            None => writeln!(self.terminal.out, "{line}"),
        }
    }

    /// A line that is said as soon as it is known, or one value more in a list of the document.
    pub(super) fn say_each(&mut self, name: &str, value: &str) -> io::Result<()> {
        match &mut self.document {
            Some(document) => {
                let list = document.entry(name).or_insert_with(|| json!([]));
                list.as_array_mut().into_iter().for_each(|list| list.push(value.into()));
                Ok(())
            }
            None => writeln!(self.terminal.out, "{value}"),
        }
    }

    /// What a znode has: `line`, or both forms in the document.
    pub(super) fn data(&mut self, data: Option<&[u8]>, line: impl FnOnce() -> String) -> io::Result<()> {
        match &mut self.document {
            Some(document) => {
                document.insert("data".to_owned(), data.map(|data| BASE64.encode(data)).into());
                if let Some(text) = data.and_then(|data| str::from_utf8(data).ok()) {
                    document.insert("text".to_owned(), text.into());
                }
                Ok(())
            }
            None => writeln!(self.terminal.out, "{}", line()),
        }
    }

    /// How a znode is: lines only where they are asked for.
    pub(super) fn stat(&mut self, stat: &Stat, is_asked: bool) -> io::Result<()> {
        match &mut self.document {
            Some(document) => {
                document.insert("stat".to_owned(), object(stat));
                Ok(())
            }
            None if is_asked => print::stat(stat, self.terminal.out),
            None => Ok(()),
        }
    }

    /// Who may do what.
    pub(super) fn acl(&mut self, acl: &[Acl]) -> io::Result<()> {
        match &mut self.document {
            Some(document) => {
                document.insert("acl".to_owned(), acls(acl).into());
                Ok(())
            }
            None => acl.iter().try_for_each(|entry| print::acl(entry, self.terminal.out)),
        }
    }

    /// A line that officially is a complaint, or a value in the document.
    pub(super) fn tell(&mut self, name: &str, value: impl Into<Value>, line: impl Display) -> io::Result<()> {
        match &mut self.document {
            Some(_) => self.say(name, value, line),
            None => self.warn(line),
        }
    }

    /// A complaint that documents do not have.
    pub(super) fn remark(&mut self, line: impl Display) -> io::Result<()> {
        if self.document.is_none() { self.warn(line) } else { Ok(()) }
    }

    /// A complaint that changes nothing.
    pub(super) fn warn(&mut self, line: impl Display) -> io::Result<()> {
        writeln!(self.terminal.err, "{line}")
    }

    /// It is complete: says the document, if it is to be one.
    pub(super) fn end(self, command: &str) -> io::Result<()> {
        let Some(found) = self.document else { return Ok(()) };
        let mut document = Map::from_iter([("command".to_owned(), command.into())]);
        document.extend(found);
        writeln!(self.terminal.out, "{}", Value::Object(document))
    }

    /// The command did not succeed. `reason`: why the session has ended.
    pub(super) fn fail(
        self,
        command: Option<&String>,
        text: &str,
        refused: Option<Code>,
        reason: Option<&str>,
    ) -> io::Result<()> {
        if self.document.is_none() {
            self.terminal.out.flush()?;
            writeln!(self.terminal.err, "{text}")?;
            // Officially this is in the log alone.
            return reason.map_or(Ok(()), |reason| writeln!(self.terminal.err, "{reason}"));
        }
        let mut error = Map::from_iter([("message".to_owned(), text.into())]);
        error.extend(refused.map(|code| ("code".to_owned(), code.0.into())));
        error.extend(reason.map(|reason| ("reason".to_owned(), reason.into())));
        writeln!(self.terminal.out, "{}", json!({"command": command, "error": error}))
    }
}

fn object(stat: &Stat) -> Value {
    json!({
        "czxid": stat.czxid.to_string(), "mzxid": stat.mzxid.to_string(), "pzxid": stat.pzxid.to_string(),
        "ctime": Dates::iso(stat.ctime), "mtime": Dates::iso(stat.mtime), "version": stat.version, "cversion": stat.cversion,
        "aversion": stat.aversion, "ephemeral_owner": format!("0x{:x}", stat.ephemeral_owner), "data_length": stat.data_length,
        "num_children": stat.num_children,
    })
}
