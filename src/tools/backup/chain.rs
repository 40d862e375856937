//! Chains: a snapshot and the transactions behind it, as far as they were taken, in a directory each.
//!
//! The files are those of a `version-2`: a server starts with them. Beside them, `backup.json` says what was taken.

use super::source::{End, Parted, Source, time_of};
use crate::tools::{ToolError, dates::Dates, error::read, new_file::NewFile};
use jiff::Timestamp;
use oxkeeper_codec::Zxid;
use serde_json::{Value, json};
use std::{
    fs,
    io::ErrorKind,
    path::{Path, PathBuf},
};

/// What a chain's record is called.
pub(super) const RECORD: &str = "backup.json";

/// What is recorded of a chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Record {
    /// The file name of its snapshot; `None` of an archive that continues another.
    pub(super) snapshot: Option<String>,
    /// The transaction behind which its logs begin.
    pub(super) after: Zxid,
    /// The first transaction whose state it has: before that, the snapshot may show more.
    pub(super) usable_from: Zxid,
    pub(super) last: Zxid,
    /// When it was begun and continued, in ms since 1970.
    pub(super) begun: i64,
    pub(super) taken: i64,
}

impl Record {
    pub(super) fn to_json(&self) -> Value {
        json!({
            "snapshot": self.snapshot, "after": self.after.to_string(), "usable_from": self.usable_from.to_string(),
            "last": self.last.to_string(), "begun": Dates::iso(self.begun), "taken": Dates::iso(self.taken),
        })
    }

    pub(super) fn to_text(&self) -> String {
        format!("{:#}\n", self.to_json())
    }

    /// Reads one.
    pub(super) fn load(path: &Path) -> Result<Self, ToolError> {
        let value: Value =
            serde_json::from_slice(&read(path)?).map_err(|error| ToolError::content(path, error))?;
        let text =
            |key: &str| value[key].as_str().ok_or_else(|| ToolError::content(path, format!("has no {key}")));
        let zxid = |key: &str| {
            let hex = text(key)?.strip_prefix("0x").and_then(|hex| i64::from_str_radix(hex, 16).ok());
            hex.map(Zxid).ok_or_else(|| ToolError::content(path, format!("{key} is no zxid")))
        };
        let time = |key: &str| {
            let at: Result<Timestamp, _> = text(key)?.parse();
            at.map(Timestamp::as_millisecond).map_err(|error| ToolError::content(path, error))
        };
        Ok(Self {
            snapshot: value["snapshot"].as_str().map(str::to_owned),
            after: zxid("after")?,
            usable_from: zxid("usable_from")?,
            last: zxid("last")?,
            begun: time("begun")?,
            taken: time("taken")?,
        })
    }
}

/// A chain.
#[derive(Debug, Clone)]
pub(super) struct Chain {
    /// From 1; 0 of an archive.
    pub(super) number: u32,
    pub(super) dir: PathBuf,
    pub(super) record: Record,
}

/// The directory of a chain.
pub(super) fn dir_of(backups: &Path, number: u32) -> PathBuf {
    backups.join(format!("{number:06}"))
}

impl Chain {
    pub(super) fn open(dir: PathBuf, number: u32) -> Result<Self, ToolError> {
        let record = Record::load(&dir.join(RECORD))?;
        Ok(Self { number, dir, record })
    }

    /// All of a directory of backups, the oldest first.
    pub(super) fn all(backups: &Path) -> Result<Vec<Self>, ToolError> {
        let failed = |source| ToolError::file("read", backups, source);
        let mut chains = Vec::new();
        for entry in fs::read_dir(backups).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            let number = path.file_name().and_then(|name| name.to_str()?.parse().ok());
            if let Some(number) = number.filter(|&number| dir_of(backups, number) == path) {
                chains.push(Self::open(path, number)?);
            }
        }
        chains.sort_by_key(|chain| chain.number);
        Ok(chains)
    }

    pub(super) fn source(&self) -> Result<Source, ToolError> {
        Source::open(&self.dir, &self.dir)
    }

    /// Where its transactions begin.
    pub(super) const fn start(&self) -> End {
        End { zxid: self.record.after, txn: None }
    }

    /// Where they end: what was recorded, and perhaps what was written when the last taking ended early. Only that is looked at.
    pub(super) fn end(&self) -> Result<End, ToolError> {
        let Record { after, last, .. } = self.record;
        let before = if last > after { Zxid(last.0 - 1) } else { after };
        let end = self.reached_from(End { zxid: before, txn: None })?;
        self.check_reach(end.zxid)?;
        Ok(end)
    }

    /// How far they lead, if something is missing.
    pub(super) fn reached(&self) -> Result<Zxid, ToolError> {
        Ok(self.reached_from(self.start())?.zxid)
    }

    fn reached_from(&self, from: End) -> Result<End, ToolError> {
        let mut end = from.clone();
        let mut read = || {
            self.source()?.history(&from)?.each(&mut |entry| {
                end = End { zxid: entry.zxid, txn: Some(entry.body.to_vec()) };
                Ok(true)
            })
        };
        match read() {
            Err(Parted::Tool(error)) => Err(error),
            Ok(()) | Err(Parted::Gone(_)) => Ok(end),
        }
    }

    /// Complains where less is there than was taken.
    pub(super) fn check_reach(&self, reached: Zxid) -> Result<(), ToolError> {
        if reached >= self.record.last {
            return Ok(());
        }
        let problem =
            format!("leads to {reached} only, and was taken up to {}: logs are missing", self.record.last);
        Err(ToolError::content(&self.dir, problem))
    }

    /// Writes the record anew, at once or not at all.
    pub(super) fn save(&self) -> Result<(), ToolError> {
        let mut file = NewFile::replace(&self.dir.join(RECORD))?;
        file.write(self.record.to_text().as_bytes())?;
        file.finish(0)
    }

    /// The bytes of all its files.
    pub(super) fn bytes(&self) -> Result<u64, ToolError> {
        let failed = |source| ToolError::file("read", &self.dir, source);
        let files: Result<Vec<_>, _> = fs::read_dir(&self.dir).map_err(failed)?.collect();
        let lens =
            files.map_err(failed)?.into_iter().map(|file| file.metadata().map(|metadata| metadata.len()));
        lens.sum::<Result<u64, _>>().map_err(failed)
    }

    /// When its first transaction behind the snapshot was made.
    pub(super) fn first_time(&self) -> Result<Option<i64>, ToolError> {
        let (start, mut first) = (self.start(), None);
        let mut read = || {
            self.source()?.history(&start)?.each(&mut |entry| {
                first = Some(time_of(entry));
                Ok(false)
            })
        };
        read().map_err(|parted| ToolError::content(&self.dir, parted))?;
        Ok(first)
    }

    /// Removes it. Under the name of one that is not whole, so that half of it is in nobody's way.
    pub(super) fn remove(&self) -> Result<(), ToolError> {
        let part = self.dir.with_extension("part");
        match fs::rename(&self.dir, &part).and_then(|()| fs::remove_dir_all(&part)) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(ToolError::file("remove", &self.dir, error))
            }
            _ => Ok(()),
        }
    }
}
