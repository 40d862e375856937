//! The audit log: who has changed what, and with which outcome (`AuditHelper`, `ZKAuditProvider`).
//!
//! Promise: a line for each create, delete, setData and setACL that a client of this server has asked for, whether it was
//! done or not, for each part of a multi that was done, for each ephemeral that goes with its session, and for start and
//! stop. A line is `key=value` parted by tabs, in the order and with the words of the official server, but that control
//! characters are escaped: no client can write a line of its own. Nobody waits for the file; lines that it does not take are
//! counted, and told in the log.

use crate::{
    config::AuditTo,
    line_queue::{LineQueue, Taken},
    server::owner::user_name,
    topics,
};
use jiff::{Timestamp, tz::TimeZone};
use oxkeeper_codec::SessionId;
use std::{
    fmt::{self, Write as _},
    fs::{File, OpenOptions},
    io::{self, Write as _},
    net::IpAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

/// Bytes that may wait for the file.
const ROOM_BYTES: usize = 16 << 20;
/// How long the end of the process waits for what is left to be written.
const PATIENCE: Duration = Duration::from_secs(2);

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Success,
    Failure,
    /// It has begun, and nobody will know more.
    Invoked,
}

/// One line. What is `None` is left out.
#[derive(Debug, Clone)]
pub(crate) struct Audited<'a> {
    pub(crate) session: Option<SessionId>,
    /// Whom the connection has proven to be, parted by commas.
    pub(crate) user: Option<&'a str>,
    pub(crate) ip: Option<IpAddr>,
    pub(crate) operation: &'static str,
    pub(crate) znode: Option<&'a str>,
    pub(crate) znode_type: Option<&'static str>,
    pub(crate) acl: Option<&'a str>,
    pub(crate) outcome: Outcome,
}

impl Outcome {
    const fn name(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failure => "failure",
            Self::Invoked => "invoked",
        }
    }
}

impl Audited<'_> {
    /// All keys with their values, in order.
    fn pairs(&self) -> impl Iterator<Item = (&'static str, String)> {
        let text = |text: &str| text.to_owned();
        [
            ("session", self.session.map(|session| session.to_string())),
            ("user", self.user.map(text)),
            ("ip", self.ip.map(|ip| ip.to_string())),
            ("operation", Some(self.operation.to_owned())),
            ("znode", self.znode.map(text)),
            ("znode_type", self.znode_type.map(text)),
            ("acl", self.acl.map(text)),
            ("result", Some(self.outcome.name().to_owned())),
        ]
        .into_iter()
        .filter_map(|(key, value)| Some((key, value?)))
    }
}

impl fmt::Display for Audited<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, (key, value)) in self.pairs().enumerate() {
            if number > 0 {
                f.write_char('\t')?;
            }
            write!(f, "{key}=")?;
            for c in value.chars() {
                // The others end a line for some readers, or change the direction of writing.
                if c.is_control() || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}') {
                    write!(f, "{}", c.escape_default())?
                } else {
                    f.write_char(c)?
                }
            }
        }
        Ok(())
    }
}

/// The audit log of a server.
#[derive(Debug)]
pub(crate) struct Audit {
    json: bool,
    /// Who runs the server.
    user: String,
    /// `None`: lines go where all others do.
    file: Option<Arc<AuditFile>>,
}

impl Audit {
    /// Opens it.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(crate) fn open(to: &AuditTo) -> io::Result<Self> {
        let file = to.file.as_deref().map(AuditFile::open).transpose()?;
        Ok(Self { json: to.json, user: user_name(), file })
    }

    /// Writes a line.
    pub(crate) fn write(&self, audited: &Audited<'_>) {
        let line = if self.json {
            let pairs = audited.pairs().map(|(key, value)| (key.to_owned(), serde_json::Value::from(value)));
            serde_json::Value::Object(pairs.collect()).to_string()
        } else {
            audited.to_string()
        };
        let failed = audited.outcome == Outcome::Failure;
        match &self.file {
            Some(file) => file.leave(self.json, failed, &line),
            None if failed => tracing::error!(target: topics::AUDIT, "{line}"),
            None => tracing::info!(target: topics::AUDIT, "{line}"),
        }
    }

    /// Writes what the server does by itself.
    pub(crate) fn of_server(
        &self,
        operation: &'static str,
        ephemeral: Option<(SessionId, &str)>,
        outcome: Outcome,
    ) {
        let user = Some(&*self.user).filter(|user| !user.is_empty());
        let (session, znode) = (ephemeral.map(|(session, _)| session), ephemeral.map(|(_, znode)| znode));
        self.write(&Audited {
            session,
            user,
            ip: None,
            operation,
            znode,
            znode_type: None,
            acl: None,
            outcome,
        });
    }

    /// Begins the file anew, under its name: whoever rotates it has moved the old one.
    pub(crate) fn reopen(&self) {
        if let Some(file) = &self.file {
            file.waiting.wake();
        }
    }

    /// Waits until what was left is written, for a short while at most.
    pub(crate) fn flush(&self) {
        if let Some(file) = &self.file {
            file.waiting.flush(PATIENCE);
        }
    }
}

/// A file of its own, with a thread that writes it.
#[derive(Debug)]
struct AuditFile {
    path: PathBuf,
    waiting: LineQueue,
}

impl AuditFile {
    fn open(path: &Path) -> io::Result<Arc<Self>> {
        let file = appending(path)?;
        let audit = Arc::new(Self { path: path.to_owned(), waiting: LineQueue::new(ROOM_BYTES) });
        let writer = Arc::clone(&audit);
        std::thread::Builder::new().name("audit".to_owned()).spawn(move || writer.run(file))?;
        Ok(audit)
    }

    fn leave(&self, json: bool, failed: bool, line: &str) {
        let now = Timestamp::now();
        let level = if failed { "ERROR" } else { "INFO" };
        let mut text = String::with_capacity(line.len() + 64);
        // As the official configuration of logging has the file; a String takes whatever is written.
        _ = match json {
            true => writeln!(text, "{{\"timestamp\":\"{now:.3}\",{}", &line[1..]),
            false => {
                let local = now.to_zoned(TimeZone::system());
                let time = local.strftime("%Y-%m-%d %H:%M:%S,%3f");
                writeln!(text, "{time} {level} audit.Slf4jAuditLogger: {line}")
            }
        };
        self.waiting.leave(text.as_bytes());
    }

    fn run(&self, mut file: File) {
        let (mut batch, mut failing) = (Vec::new(), false);
        loop {
            // It is woken when the file is to be begun anew.
            let Taken { dropped, woken: reopen } = self.waiting.take(&mut batch, None);
            let path = self.path.display();
            if reopen {
                match appending(&self.path) {
                    Ok(reopened) => file = reopened,
                    Err(error) => {
                        tracing::error!(target: topics::AUDIT, %path, %error, "the audit log cannot be opened anew: it goes on in the old file");
                    }
                }
            }
            let written = file.write_all(&batch);
            if let Err(error) = &written
                && !failing
            {
                tracing::error!(target: topics::AUDIT, %path, %error, "the audit log cannot be written: lines are lost until it can");
            }
            failing = written.is_err();
            if dropped > 0 {
                tracing::error!(target: topics::AUDIT, %path, lines = dropped, "lines of the audit log are lost: the file does not take them quickly enough");
            }
        }
    }
}

fn appending(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    const AUDITED: Audited<'_> = Audited {
        session: Some(SessionId(0x1000010c96a0000)),
        user: Some("bob,al,127.0.0.1"),
        ip: Some(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST)),
        operation: "setAcl",
        znode: Some("/a b"),
        znode_type: None,
        acl: Some("world:anyone:cdrwadigest:x:y:r"),
        outcome: Outcome::Success,
    };

    #[test]
    fn a_line_is_as_the_official_one() {
        let line = "session=0x1000010c96a0000\tuser=bob,al,127.0.0.1\tip=127.0.0.1\toperation=setAcl\tznode=/a b\t\
                    acl=world:anyone:cdrwadigest:x:y:r\tresult=success";
        assert_eq!(AUDITED.to_string(), line);
    }

    #[test]
    fn no_path_can_make_a_line_of_its_own() {
        let audited = Audited { znode: Some("/a\nuser=root\t\u{7f}\u{85}"), ..AUDITED };
        let line = audited.to_string();
        assert!(line.contains("znode=/a\\nuser=root\\t\\u{7f}\\u{85}\t"), "{line}");
        assert!(!line.contains('\n'));
    }

    #[test]
    fn the_file_takes_lines_and_is_begun_anew_where_it_was_moved() {
        for json in [false, true] {
            let dir = tempfile::tempdir().expect("a directory");
            let path = dir.path().join("zookeeper_audit.log");
            let read = |name: &str| std::fs::read_to_string(dir.path().join(name)).expect("a file");
            let to = AuditTo { file: Some(path.clone()), json };
            let audit = Audit::open(&to).expect("it can be written");
            audit.write(&AUDITED);
            audit.flush();
            std::fs::rename(&path, dir.path().join("moved")).expect("one file system");
            audit.reopen();
            audit.of_server("serverStop", None, Outcome::Invoked);
            audit.flush();
            assert!(read("moved").contains("setAcl") && !read("moved").contains("serverStop"));
            assert!(read("zookeeper_audit.log").ends_with(if json { "}\n" } else { "result=invoked\n" }));
            if json {
                let line: serde_json::Value = serde_json::from_str(&read("moved")).expect("JSON");
                assert_eq!(line["znode"], "/a b");
            }
        }
    }
}
