//! Transaction logs: shown, checked, mended, shortened.

mod chop;
mod json;
mod repair;
mod text;

pub(super) use chop::{ChopError, Chopped, Gap, chop};
pub(super) use repair::{Repair, fixed_name};

use super::{
    Terminal, ToolError,
    dates::Dates,
    error::read,
    new_file::{NewFile, with_suffix},
    progress::Progress,
};
use crate::storage::{LogReader, OpenError, RawEnd, RawEntries, RawEntry, RawStep, follows, parse_log_name};
use oxkeeper_codec::{
    Decode, DecodeError, Zxid,
    file::{END_OF_ENTRY, ENTRY_HEADER_LEN, FILE_HEADER_LEN, LOG_MAGIC},
    records::FileHeader,
};
use serde_json::{Map, Value, json};
use std::{
    io::{IsTerminal, stdout},
    path::{Path, PathBuf},
};

/// A log in memory. It may be one that a server is writing: then it is as it was at that moment.
#[derive(Debug)]
pub(super) struct Log {
    pub(super) path: PathBuf,
    bytes: Vec<u8>,
}

impl Log {
    pub(super) fn open(path: &Path) -> Result<Self, ToolError> {
        Ok(Self { path: path.to_path_buf(), bytes: read(path)? })
    }

    /// Its header; `None` where the file ends before that does.
    pub(super) fn header(&self) -> Option<FileHeader> {
        FileHeader::from_slice(self.bytes.get(..FILE_HEADER_LEN)?).ok()
    }

    /// What follows its header.
    pub(super) fn entries(&self) -> RawEntries<'_> {
        RawEntries::new(&self.bytes, FILE_HEADER_LEN)
    }

    /// Its first bytes.
    pub(super) fn head(&self, len: usize) -> &[u8] {
        &self.bytes[..len.min(self.bytes.len())]
    }

    /// How far whoever goes through it has come.
    fn progress(&self) -> Progress {
        Progress::of_bytes(format!("reading {}", self.path.display()), self.bytes.len() as u64)
    }

    /// The official line of a transaction.
    pub(super) fn line(entry: &RawEntry<'_>, dates: &Dates) -> Result<String, DecodeError> {
        text::line(entry.body, dates)
    }

    fn expect_log(&self) -> Result<(), ToolError> {
        match self.header() {
            Some(header) if header.magic == LOG_MAGIC => Ok(()),
            Some(_) => {
                Err(ToolError::content(&self.path, "is no transaction log: it does not begin with ZKLG"))
            }
            None => {
                Err(ToolError::content(&self.path, "is no transaction log: it ends before its header does"))
            }
        }
    }
}

/// What speaks against an entry, beside what it holds.
fn faults(entry: &RawEntry<'_>) -> Option<String> {
    if !entry.is_sound() {
        return Some(format!("its checksum is 0x{:x}, and should be 0x{:x}", entry.stored, entry.checksum()));
    }
    match entry.mark {
        Some(END_OF_ENTRY) => None,
        Some(mark) => Some(format!("byte 0x{mark:02x} stands at its end, not 0x{END_OF_ENTRY:x}")),
        None => Some("the file ends before it does".to_owned()),
    }
}

/// Prints each transaction on a line (or, as JSON, one object each with its `offset` and what is wrong with it as `fault`).
/// Ends with 1 if anything is wrong.
pub(super) fn dump(files: &[PathBuf], as_json: bool, terminal: &mut Terminal<'_>) -> Result<u8, ToolError> {
    let dates = Dates::of_system();
    let mut code = 0;
    for path in files {
        let log = Log::open(path)?;
        log.expect_log()?;
        let mut entries = log.entries();
        // On a terminal the lines show it.
        let progress = (!stdout().is_terminal()).then(|| log.progress());
        let (at, end) = loop {
            let entry = match entries.step() {
                RawStep::Entry(entry) => entry,
                RawStep::End(at, end) => break (at, end),
            };
            progress.iter().for_each(|progress| progress.at(entry.offset as u64));
            let fault = faults(&entry);
            code |= u8::from(fault.is_some());
            if as_json {
                let mut object = Map::from_iter([("offset".to_owned(), Value::from(entry.offset))]);
                let known = json::object(entry.body);
                let fault = fault.or_else(|| known.as_ref().err().map(ToString::to_string));
                code |= u8::from(fault.is_some());
                object.extend(known.unwrap_or_default());
                object.extend(fault.map(|fault| ("fault".to_owned(), Value::from(fault))));
                writeln!(terminal.out, "{}", Value::Object(object))?;
                continue;
            }
            let line = match text::line(entry.body, &dates) {
                Ok(line) => line,
                Err(error) => {
                    code = 1;
                    format!("cannot be read: {error}")
                }
            };
            let warning =
                fault.map(|fault| format!("[at offset {}: {fault}] ", entry.offset)).unwrap_or_default();
            writeln!(terminal.out, "{warning}{}", line.trim_end_matches('\n'))?;
        };
        if let RawEnd::Length(len) = end {
            writeln!(terminal.err, "{}: an entry of {len} bytes cannot be, at offset {at}", path.display())?;
            code = 1;
        }
    }
    Ok(code)
}

/// What a look at a whole log found.
#[derive(Debug)]
struct Verified {
    entries: u64,
    first: Option<Zxid>,
    last: Option<Zxid>,
    end: u64,
    torn: bool,
    problems: Vec<String>,
}

/// Reads logs as a server does at its start, and says for each what it holds and what is wrong. A torn end is none of that: what
/// stood there was never acknowledged. Ends with 1 if a log is damaged.
pub(super) fn verify(files: &[PathBuf], as_json: bool, terminal: &mut Terminal<'_>) -> Result<u8, ToolError> {
    let mut code = 0;
    for path in files {
        let found = verified(&Log::open(path)?);
        code |= u8::from(!found.problems.is_empty());
        let named = |zxid: Option<Zxid>| zxid.map(|zxid| zxid.to_string());
        if as_json {
            let object = json!({
                "file": path.display().to_string(), "entries": found.entries, "first": named(found.first), "last": named(found.last),
                "end": found.end, "torn": found.torn, "problems": found.problems,
            });
            writeln!(terminal.out, "{object}")?;
            continue;
        }
        let range = match (found.first, found.last) {
            (Some(first), Some(last)) => format!(", {first} to {last}"),
            _ => String::new(),
        };
        let torn = if found.torn { ", then a torn entry, which a start leaves out" } else { "" };
        let verdict = if found.problems.is_empty() { "good" } else { "damaged" };
        writeln!(
            terminal.out,
            "{}: {verdict}, {} transactions{range}, ends at offset {}{torn}",
            path.display(),
            found.entries,
            found.end
        )?;
        for problem in found.problems {
            writeln!(terminal.out, "  {problem}")?;
        }
    }
    Ok(code)
}

fn verified(log: &Log) -> Verified {
    let mut found =
        Verified { entries: 0, first: None, last: None, end: 0, torn: false, problems: Vec::new() };
    let mut reader = match LogReader::new(&log.bytes) {
        Ok(reader) => reader,
        Err(OpenError::Damage(damage)) => {
            found.problems.push(damage.to_string());
            return found;
        }
        Err(OpenError::Version(version)) => {
            found.problems.push(format!("its version is {version}, and only version 2 is known"));
            return found;
        }
    };
    let progress = log.progress();
    loop {
        match reader.next_entry() {
            Ok(Some(entry)) => {
                progress.at(entry.offset);
                if let Err(damage) = entry.decode() {
                    found.problems.push(damage.to_string());
                }
                if let Some(last) = found.last.filter(|&last| entry.zxid <= last) {
                    found
                        .problems
                        .push(format!("at offset {}: {} stands behind {last}", entry.offset, entry.zxid));
                } else if let Some(last) = found.last.filter(|&last| !follows(last, entry.zxid)) {
                    let place = format!("at offset {}", entry.offset);
                    found
                        .problems
                        .push(format!("{place}: what lies between {last} and {} is missing", entry.zxid));
                }
                found.first = found.first.or(Some(entry.zxid));
                found.last = Some(entry.zxid);
                found.entries += 1;
                found.end = entry.offset + (ENTRY_HEADER_LEN + entry.body.len() + 1) as u64;
            }
            Ok(None) => break,
            Err(damage) => {
                found.problems.push(damage.to_string());
                return found;
            }
        }
    }
    if let Some(end) = reader.end() {
        (found.end, found.torn) = (end.offset, end.torn);
    }
    let named = log.path.file_name().and_then(|name| parse_log_name(name.to_str()?));
    if let (Some(named), Some(first)) = (named, found.first)
        && first < named
    {
        found.problems.push(format!("its first transaction is {first}, before the one that its name tells"));
    }
    found
}

/// Writes the log again with right checksums, to `FILE.fixed` or to `output`.
pub(super) fn repair(
    file: &Path,
    output: Option<&Path>,
    terminal: &mut Terminal<'_>,
) -> Result<u8, ToolError> {
    let log = Log::open(file)?;
    log.expect_log()?;
    let mut repair = Repair::begin(&log, output)?;
    let mut entries = log.entries();
    let progress = log.progress();
    while let RawStep::Entry(entry) = entries.step() {
        progress.at(entry.offset as u64);
        if entry.mark.is_none() {
            break;
        }
        if !entry.is_sound() {
            writeln!(terminal.out, "at offset {}: checksum set to 0x{:x}", entry.offset, entry.checksum())?;
        }
        repair.write(&entry, entry.checksum())?;
    }
    let (fixed, written) = repair.finish()?;
    writeln!(terminal.out, "{}: {fixed} checksums set", written.display())?;
    Ok(0)
}

/// Writes what a log holds up to a transaction, to `FILE.choppedN` or to `output`.
pub(super) fn cut(
    file: &Path,
    zxid: Zxid,
    output: Option<&Path>,
    terminal: &mut Terminal<'_>,
) -> Result<u8, ToolError> {
    let log = Log::open(file)?;
    log.expect_log()?;
    let _shown = Progress::of(format!("reading {}", file.display()));
    let chopped = chop(&log, zxid, &mut |_| Ok(())).map_err(|error| match error {
        ChopError::Tool(error) => error,
        other => ToolError::content(file, other),
    })?;
    let path = output.map_or_else(|| chopped_name(file, zxid), Path::to_path_buf);
    save(&log, &chopped, &path)?;
    writeln!(terminal.out, "{}: {} transactions, the last is {zxid}", path.display(), chopped.entries)?;
    Ok(0)
}

/// What a shortened log is called.
pub(super) fn chopped_name(file: &Path, zxid: Zxid) -> PathBuf {
    with_suffix(file, &format!(".chopped{}", zxid.0))
}

/// Writes a shortened log.
pub(super) fn save(log: &Log, chopped: &Chopped, path: &Path) -> Result<(), ToolError> {
    let mut file = NewFile::create(path)?;
    file.write(log.head(chopped.len))?;
    file.finish(0)
}
