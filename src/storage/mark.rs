//! How far the newest log is surely on the disk, for the next start: a small file that outlives the process.
//!
//! What a killed server leaves in the page cache need not be on the disk: it may have been killed before its sync, or in one that
//! failed. After that the kernel holds the pages for clean, the error was told to the process that is gone, and another
//! sync neither stores them nor complains. So the writer notes the length that a sync which has returned has covered: with the first one, then
//! before the note falls too far behind, and at the end. What is behind the note is written again by the next start. The
//! note itself is not synced: it has to outlive the process, not the system, since after another boot nothing is read that does
//! not come from the disk. It names the boot for that.
//!
//! Invariant: a note that is believed was written by the process that had written the log, in the page cache that the log
//! is read from now: the boot is the same, and the bytes before the noted length are those that were synced.

use super::disk::Stored;
use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::FileExt,
    path::Path,
};

/// The file, beside the logs.
const FILE_NAME: &str = "synced";
/// Where Linux tells one boot from another.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";
/// A note has so many bytes at most, and is filled up with spaces.
const NOTE_LEN: usize = 256;
/// So many bytes before the noted length tell the log from another one of its name.
pub(super) const ENDING_LEN: usize = 64;

/// What the writer of a log notes.
#[derive(Debug)]
pub(super) struct Mark {
    file: File,
    boot: String,
    log: String,
}

/// A note.
#[derive(Debug, PartialEq, Eq)]
struct Note<'a> {
    boot: &'a str,
    log: &'a str,
    synced_len: u64,
    /// CRC-32 of the last bytes before that.
    ending: u32,
}

impl Mark {
    /// For the log of this name. `None` where boots cannot be told apart, or no note be written: the next start then has more
    /// to do.
    pub(super) fn of(dir: &Path, log: &str) -> Option<Self> {
        let boot = boot_id()?;
        let open = OpenOptions::new().create(true).truncate(false).write(true).open(dir.join(FILE_NAME));
        Some(Self { file: open.ok()?, boot, log: log.to_owned() })
    }

    /// Everything below `synced_len` is durable; `ending` stands right before it.
    pub(super) fn note(&self, synced_len: u64, ending: &[u8]) -> io::Result<()> {
        let note = Note { boot: &self.boot, log: &self.log, synced_len, ending: crc32fast::hash(ending) };
        self.file.write_all_at(&note.to_bytes(), 0)
    }
}

/// What the note in this directory says of a log. `read` gives bytes of the log from an offset on.
pub(super) fn stored(dir: &Path, log: &str, read: impl Fn(u64, usize) -> io::Result<Vec<u8>>) -> Stored {
    let Ok(text) = std::fs::read_to_string(dir.join(FILE_NAME)) else { return Stored::Unknown };
    let Some(note) = Note::parse(&text).filter(|note| note.log == log) else { return Stored::Unknown };
    let from = note.synced_len.saturating_sub(ENDING_LEN as u64);
    let ending = read(from, usize::try_from(note.synced_len - from).unwrap_or(ENDING_LEN));
    if !ending.is_ok_and(|ending| crc32fast::hash(&ending) == note.ending) {
        return Stored::Unknown;
    }
    match boot_id() {
        Some(boot) if boot == note.boot => Stored::Through(note.synced_len),
        Some(_) => Stored::AsRead,
        None => Stored::Unknown,
    }
}

fn boot_id() -> Option<String> {
    let id = std::fs::read_to_string(BOOT_ID).ok()?;
    let id = id.trim();
    (!id.is_empty()).then(|| id.to_owned())
}

impl<'a> Note<'a> {
    fn to_bytes(&self) -> Vec<u8> {
        let Self { boot, log, synced_len, ending } = self;
        let mut bytes = format!("{log} {synced_len} {ending:08x} {boot}").into_bytes();
        // A formatter's padding would go character by character.
        bytes.resize(NOTE_LEN - 1, b' ');
        bytes.push(b'\n');
        bytes
    }

    fn parse(text: &'a str) -> Option<Self> {
        let mut words = text.split_whitespace();
        let mut next = || words.next();
        let (log, synced_len, ending, boot) = (next()?, next()?, next()?, next()?);
        let (synced_len, ending) = (synced_len.parse().ok()?, u32::from_str_radix(ending, 16).ok()?);
        words.next().is_none().then_some(Self { boot, log, synced_len, ending })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reader(content: &'static [u8]) -> impl Fn(u64, usize) -> io::Result<Vec<u8>> {
        move |from, len| Ok(content.iter().skip(usize::try_from(from).unwrap()).take(len).copied().collect())
    }

    #[test]
    fn a_note_is_believed_of_the_same_log_only() {
        let dir = tempfile::tempdir().unwrap();
        let stored = |log, content| stored(dir.path(), log, reader(content));
        assert_eq!(stored("log.1", b"abc"), Stored::Unknown);
        let mark = Mark::of(dir.path(), "log.1").unwrap();
        mark.note(2, b"ab").unwrap();
        assert_eq!(stored("log.1", b"ab"), Stored::Through(2));
        assert_eq!(stored("log.2", b"ab"), Stored::Unknown);
        assert_eq!(stored("log.1", b"xb"), Stored::Unknown, "another one of this name");
        assert_eq!(stored("log.1", b"a"), Stored::Unknown);
        std::fs::write(dir.path().join(FILE_NAME), "log.1 2").unwrap();
        assert_eq!(stored("log.1", b"ab"), Stored::Unknown);
    }

    #[test]
    fn after_another_boot_what_is_read_comes_from_the_disk() {
        let dir = tempfile::tempdir().unwrap();
        let note = Note { boot: "before", log: "log.1", synced_len: 2, ending: crc32fast::hash(b"ab") };
        assert_eq!(note.to_bytes().len(), NOTE_LEN);
        std::fs::write(dir.path().join(FILE_NAME), note.to_bytes()).unwrap();
        assert_eq!(stored(dir.path(), "log.1", reader(b"ab")), Stored::AsRead);
    }
}
