//! The files `acceptedEpoch` and `currentEpoch` in the snapshot directory (`QuorumPeer.loadDataBase`,
//! `AtomicFileOutputStream`): a decimal number, without a line end.
//!
//! What official servers leave beside them: `acceptedEpoch.tmp` and `currentEpoch.tmp`, when they fell while they wrote one, and
//! `updatingEpoch` (3.4), when they fell between a snapshot of an epoch and the number of that epoch.
//!
//! Where the history has transactions of an epoch that was accepted, and the current epoch is older, the server fell between
//! the two: all that its leader had before that epoch is there, since it came first. So the epoch of the history is the current
//! one. The official server starts then only with one of the files above, and refuses otherwise, also its own directory.
//!
//! Invariants: reading changes nothing; a stored epoch is durable, and a crash leaves the old one or the new one.

use super::{
    disk::{Disk, replace_file},
    error::StoreError,
};
use oxkeeper_codec::Zxid;
use std::io;

/// What a crash of an official server may leave.
const LEFTOVERS: [&str; 3] = ["acceptedEpoch.tmp", "currentEpoch.tmp", "updatingEpoch"];

/// One of the two files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EpochFile {
    /// The last epoch that was promised to a leader.
    Accepted,
    /// The last epoch whose leader has brought this member up to date.
    Current,
}

impl EpochFile {
    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Accepted => "acceptedEpoch",
            Self::Current => "currentEpoch",
        }
    }

    /// What it holds; `None` if it is not there.
    ///
    /// # Errors
    /// It cannot be read, or holds no epoch.
    pub fn read(self, disk: &dyn Disk) -> Result<Option<i64>, StoreError> {
        let path = || disk.path(self.name());
        let content = match disk.read(self.name()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            result => result.map_err(|source| StoreError::io("read", path(), source))?,
        };
        let text = String::from_utf8_lossy(&content);
        // As `BufferedReader.readLine` does it: whoever writes the file by hand ends the line.
        let line = text.split(['\n', '\r']).next().unwrap_or_default();
        match line.parse() {
            Ok(epoch @ 0..=Zxid::EPOCH_MAX) => Ok(Some(epoch)),
            _ => Err(StoreError::BadEpoch { path: path(), found: line.chars().take(100).collect() }),
        }
    }

    /// Stores an epoch, durably.
    ///
    /// # Errors
    /// The disk fails: it holds the old epoch or the new one.
    pub fn store(self, disk: &dyn Disk, epoch: i64) -> Result<(), StoreError> {
        assert!((0..=Zxid::EPOCH_MAX).contains(&epoch), "an epoch of a zxid");
        replace_file(disk, self.name(), epoch.to_string().as_bytes())
    }
}

/// Both epochs of a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Epochs {
    /// The last epoch that was promised to a leader.
    pub accepted: i64,
    /// The last epoch whose leader has brought this member up to date.
    pub current: i64,
}

impl Epochs {
    /// The epochs of a member whose history ends with `last_zxid`, as the files and the history have it: a file that is not there
    /// stands for the epoch of the history. To be [settled](Epochs::settle) before anybody hears of them.
    ///
    /// # Errors
    /// A file cannot be read or holds no epoch, or the epochs contradict each other or the history.
    pub fn read(disk: &dyn Disk, last_zxid: Zxid) -> Result<Self, StoreError> {
        let of_history = last_zxid.epoch();
        let stored = EpochFile::Current.read(disk)?.unwrap_or(of_history);
        let accepted = EpochFile::Accepted.read(disk)?.unwrap_or(of_history);
        let current = stored.max(of_history);
        if accepted < current {
            let dir = disk.dir().to_path_buf();
            return Err(StoreError::EpochsDisagree { dir, accepted, current: stored, last_zxid });
        }
        Ok(Self { accepted, current })
    }

    /// Makes the files say the same, durably, and removes what official servers have left.
    ///
    /// # Errors
    /// The disk fails; it may be tried again.
    pub fn settle(self, disk: &dyn Disk) -> Result<(), StoreError> {
        // Were the current one raised first, a crash would leave it above the accepted one.
        for (file, epoch) in [(EpochFile::Accepted, self.accepted), (EpochFile::Current, self.current)] {
            if file.read(disk)? != Some(epoch) {
                file.store(disk, epoch)?;
            }
        }
        for name in LEFTOVERS {
            match disk.remove(name) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                result => result.map_err(|source| StoreError::io("remove", disk.path(name), source))?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::{MemoryDisk, memory::Faults};

    const EPOCH: i64 = 1 << 32;

    fn epochs(files: &[(&str, &str)], last_zxid: i64) -> Result<(i64, i64), String> {
        let disk = MemoryDisk::new("/d");
        for (name, content) in files {
            disk.put(name, content.as_bytes());
        }
        let before = disk.list().unwrap();
        let read = Epochs::read(&disk, Zxid(last_zxid)).map_err(|error| error.to_string());
        assert_eq!(disk.list().unwrap(), before);
        if let Ok(epochs) = read {
            epochs.settle(&disk).unwrap();
            assert_eq!(EpochFile::Accepted.read(&disk).unwrap(), Some(epochs.accepted));
            assert_eq!(EpochFile::Current.read(&disk).unwrap(), Some(epochs.current));
            assert_eq!(disk.list().unwrap().len(), 2, "nothing is left over");
            disk.crash(1);
            assert_eq!(Epochs::read(&disk, Zxid(last_zxid)).unwrap(), epochs);
        }
        read.map(|Epochs { accepted, current }| (accepted, current))
    }

    #[test]
    fn what_the_files_say_and_what_stands_for_one_that_is_not_there() {
        let (accepted, current) = ("acceptedEpoch", "currentEpoch");
        assert_eq!(epochs(&[], 0), Ok((0, 0)));
        assert_eq!(epochs(&[], 3 * EPOCH + 7), Ok((3, 3)));
        assert_eq!(epochs(&[(accepted, "5"), (current, "4")], 3 * EPOCH), Ok((5, 4)));
        assert_eq!(epochs(&[(accepted, "5\n"), (current, "4\r\nx")], 3 * EPOCH), Ok((5, 4)));
        assert_eq!(epochs(&[(current, "3")], 3 * EPOCH + 1), Ok((3, 3)));
        assert_eq!(epochs(&[(accepted, "3")], 2 * EPOCH + 1), Ok((3, 2)));
    }

    #[test]
    fn a_server_that_fell_before_it_could_raise_its_epoch() {
        let files = [("acceptedEpoch", "2"), ("currentEpoch", "1")];
        assert_eq!(epochs(&files, 2 * EPOCH + 1), Ok((2, 2)));
        for leftover in [("currentEpoch.tmp", "2"), ("updatingEpoch", ""), ("acceptedEpoch.tmp", "")] {
            assert_eq!(epochs(&[files[0], files[1], leftover], 2 * EPOCH), Ok((2, 2)));
        }
    }

    #[test]
    fn what_cannot_be_is_refused_with_file_and_content() {
        let disagree = epochs(&[("acceptedEpoch", "1"), ("currentEpoch", "2")], 0).unwrap_err();
        assert!(disagree.contains("acceptedEpoch is 1") && disagree.contains("currentEpoch 2"), "{disagree}");
        let behind = epochs(&[("acceptedEpoch", "1"), ("currentEpoch", "1")], 2 * EPOCH + 1).unwrap_err();
        assert!(behind.contains("/d") && behind.contains("0x200000001"), "{behind}");
        epochs(&[("currentEpoch", "2")], EPOCH).unwrap_err();
        for content in ["", "\n2", " 2", "two", "-1", "2147483648", "9223372036854775808", "\u{fffd}"] {
            let bad = epochs(&[("currentEpoch", content)], 0).unwrap_err();
            assert!(bad.contains("/d/currentEpoch") && bad.contains(content.trim()), "{bad}");
        }
    }

    #[test]
    fn a_crash_leaves_the_old_epoch_or_the_new_one() {
        for steps in 0.. {
            let disk = MemoryDisk::new("/d");
            EpochFile::Current.store(&disk, 9).unwrap();
            assert_eq!(disk.content("currentEpoch").unwrap(), b"9", "no line end");
            disk.stop_after(steps);
            let stored = EpochFile::Current.store(&disk, 10).is_ok();
            for seed in 0..8 {
                let fork = disk.fork();
                fork.crash(seed);
                let found = EpochFile::Current.read(&fork).unwrap().unwrap();
                assert!(found == 10 || found == 9 && !stored, "{found} after {steps} steps");
            }
            if stored {
                break;
            }
        }
        let disk = MemoryDisk::new("/d");
        EpochFile::Current.store(&disk, 9).unwrap();
        disk.set_faults(Faults { read_only: true, ..Faults::default() });
        let error = EpochFile::Current.store(&disk, 10).unwrap_err().to_string();
        assert!(error.contains("/d/currentEpoch"), "{error}");
        assert_eq!(EpochFile::Current.read(&disk).unwrap(), Some(9));
    }
}
