//! What a start makes of damaged files: one good directory, copied, damaged and started for each kind of damage.
//!
//! A start either serves everything, or everything but what was never acknowledged, or refuses with an exit code
//! and a message that names file, offset and reason, and then leaves every file as it was.

use crate::random::Random;
use crate::session::Session;
use crate::sut::{Kind, Server, Setup};
use crate::wire::Out;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Small files, so that there are several snapshots and logs.
const SETUP: Setup = Setup {
    name: "damage",
    keys: &["snapCount=40", "preAllocSize=64", "4lw.commands.whitelist=*"],
    props: &[],
    fresh: true,
};
/// Nodes written to the good directory, at least.
const NODES: usize = 150;
/// Entries in its newest log. A snapshot, and with it the end of the log, comes after 20 to 40.
const NEWEST: std::ops::Range<usize> = 5..15;

/// What a start must come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Everything is served.
    Whole,
    /// Everything is served, and the log names this, of the damaged file.
    WholeAndSaid(&'static str),
    /// Everything but the last write is served: its entry was never whole.
    AllButTheLast,
    /// No start; the message names the file, the offset, and this.
    Refused(&'static str),
    /// Everything is served, and the difference is said and counted: the bytes are whole, the digest is another.
    Counted,
    /// No start; the message says this, of no single place.
    RefusedInAll(&'static str),
}

/// One kind of damage.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// What it is.
    pub name: &'static str,
    damage: fn(&Files) -> PathBuf,
    verdict: Verdict,
}

use Verdict::{AllButTheLast, Counted, Refused, RefusedInAll, Whole, WholeAndSaid};

const fn row(name: &'static str, damage: fn(&Files) -> PathBuf, verdict: Verdict) -> Row {
    Row { name, damage, verdict }
}

/// All rows.
pub const ROWS: &[Row] = &[
    row("nothing", |files| files.log(0), Whole),
    row("last entry cut in the middle", |files| files.cut_last_entry(30), AllButTheLast),
    row("last entry cut in its header", |files| files.cut_last_entry(5), AllButTheLast),
    row("last entry without its end mark", |files| files.cut_last_entry(-1), AllButTheLast),
    row("end of the last entry reads as zeros", |files| files.zero_last_entry(40), AllButTheLast),
    row("the last entry reads as zeros", |files| files.zero_last_entry(0), AllButTheLast),
    row("a new log without a byte", |files| files.put_next_log(b""), Whole),
    row("a new log with half a header", |files| files.put_next_log(b"ZKLG\0\0"), Whole),
    row("a new log with a header", |files| files.put_next_log(&header()), Whole),
    row("a new log of zeros", |files| files.put_next_log(&[0; 4096]), Whole),
    row("a flipped bit in the last entry", |files| files.flip(0, usize::MAX, 30), Refused("checksum")),
    row("a flipped bit in the last checksum", |files| files.flip(0, usize::MAX, 7), Refused("checksum")),
    row("a flipped bit in the last length", |files| files.flip(0, usize::MAX, 11), Refused("0x42")),
    row("a flipped bit in the first entry", |files| files.flip(0, 0, 30), Refused("whole entry follows")),
    row("a first length far too large", |files| files.flip(0, 0, 8), Refused("whole entry follows")),
    row("a first entry of zeros", |files| files.zero_entry(0), Refused("whole entry follows")),
    row("random bytes behind the last entry", Files::noise, Refused("length")),
    row("an entry that is no transaction", Files::nonsense, Refused("no transaction")),
    row("an entry with the digest of other data", Files::wrong_digest, Counted),
    row("an entry twice", Files::repeat, Refused("behind")),
    row("an entry left out", |files| files.leave_out(0), Refused("what lies between is missing")),
    row("another kind of file as log", |files| files.patch(files.log(0), 0, b"PK\x03\x04"), Refused("mark")),
    row("a log of another version", |files| files.patch(files.log(0), 7, &[3]), Refused("version 3")),
    row("damage in a log that nobody needs", |files| files.flip(usize::MAX, 0, 30), Whole),
    row("a log gone that nobody needs", |files| remove(files.log(usize::MAX)), Whole),
    row("newest snapshot cut", |files| files.cut_snapshot(2), WholeAndSaid("a snapshot is damaged")),
    row(
        "newest snapshot empty",
        |files| files.cut_snapshot(usize::MAX),
        WholeAndSaid("a snapshot is damaged"),
    ),
    row("a flipped bit in the newest snapshot", Files::flip_snapshot, WholeAndSaid("a snapshot is damaged")),
    row("newest snapshot gone", |files| remove(files.snapshot(0)), Whole),
    row("bytes behind the newest snapshot", Files::lengthen_snapshot, WholeAndSaid("a snapshot is damaged")),
    row(
        "newest snapshot cut and a log gone",
        Files::snapshot_and_log,
        Refused("what lies between is missing"),
    ),
    row(
        "newest snapshot cut and its logs gone",
        Files::snapshot_and_its_logs,
        Refused("the logs lead only to transaction"),
    ),
    row("all snapshots cut", Files::cut_all_snapshots, RefusedInAll("Not able to find valid snapshots")),
    row("all snapshots gone", Files::remove_all_snapshots, RefusedInAll("No snapshot found")),
    row("half a snapshot under its temporary name", Files::leftover, Whole),
    row("files of other programs", Files::others, Whole),
];

/// What a good directory holds.
#[derive(Debug)]
pub struct Good {
    files: BTreeMap<String, Vec<u8>>,
    nodes: usize,
}

/// Makes the good directory: several snapshots and logs, the newest log not closed.
///
/// # Errors
/// When a server cannot be brought to write one.
pub fn good() -> Result<Good, String> {
    let mut server = Server::start(Kind::Oxkeeper, SETUP)?;
    let mut session = Session::open(server.addr, 60_000)?;
    let snapshots = |server: &Server| listed(&server.version_2(), "snapshot.").len();
    let mut nodes = 0;
    while nodes < NODES || !NEWEST.contains(&newest_entries(&server.version_2())) {
        let n = nodes;
        nodes += 1;
        // One snapshot after the other, and some entries behind the last.
        if n % 30 == 0 {
            let wanted = (n / 30).min(4);
            crate::behaviours::wait_until("a snapshot", crate::wire::PATIENCE, || {
                Ok(snapshots(&server) >= wanted)
            })?;
        }
        session.create(&format!("/n{n}"), format!("data of node {n}").as_bytes(), 0)?;
    }
    // A snapshot under way may end or not; a temporary file is no part of a good directory.
    server.kill();
    let files = read_all(&server.version_2());
    let count = |prefix: &str| files.keys().filter(|name| name.starts_with(prefix)).count();
    if count("snapshot.") < 3 || count("log.") < 3 {
        return Err(format!("too few files: {:?}", files.keys()));
    }
    Ok(Good { files, nodes })
}

/// Entries in the newest log.
fn newest_entries(dir: &Path) -> usize {
    let newest = listed(dir, "log.").into_iter().next().and_then(|path| fs::read(path).ok());
    newest.map_or(0, |bytes| Files::entries(&bytes).len())
}

fn read_all(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let read = |entry: fs::DirEntry| {
        let name = entry.file_name().into_string().ok()?;
        let known = name.starts_with("log.") || name.starts_with("snapshot.");
        known.then(|| Some((name, fs::read(entry.path()).ok()?)))?
    };
    entries.filter_map(read).collect()
}

/// Damages a copy and starts a server on it.
///
/// # Errors
/// When it does not come to what the row says.
pub fn check(good: &Good, row: &Row) -> Result<(), String> {
    let mut server = Server::prepare(Kind::Oxkeeper, SETUP)?;
    let dir = server.version_2();
    fs::create_dir_all(&dir).map_err(|e| e.to_string())?;
    for (name, bytes) in &good.files {
        fs::write(dir.join(name), bytes).map_err(|e| e.to_string())?;
    }
    let damaged = (row.damage)(&Files { dir: dir.clone() });
    let before = read_all(&dir);
    match row.verdict {
        Whole => served(&mut server, good.nodes, false),
        WholeAndSaid(words) => {
            served(&mut server, good.nodes, false)?;
            said(&server, &[words, &base(&damaged), "offset"])
        }
        Counted => counted(&mut server),
        AllButTheLast => served(&mut server, good.nodes - 1, true),
        Refused(words) => refused(&mut server, &[words, &base(&damaged), "offset"], &before),
        RefusedInAll(words) => refused(&mut server, &[words], &before),
    }
}

fn base(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// Starts, finds so many nodes, writes one more, and finds all that after another start.
fn served(server: &mut Server, nodes: usize, cut: bool) -> Result<(), String> {
    server.launch()?;
    for run in 0..2 {
        let mut session = Session::open(server.addr, 30_000)?;
        for n in 0..nodes {
            let (data, _) = session.get(&format!("/n{n}"))?;
            if data != format!("data of node {n}").as_bytes() {
                return Err(format!("/n{n} holds {data:?}"));
            }
        }
        if cut && session.exists(&format!("/n{nodes}"))? {
            return Err(format!("/n{nodes} is there, and its entry was not whole"));
        }
        session.create(&format!("/new{run}"), b"", 0)?;
        if run > 0 {
            session.get("/new0")?;
        }
        server.kill();
        if listed(&server.version_2(), "oxkeeper-tmp.").iter().any(|path| base(path).contains("feed")) {
            return Err("the leftover is still there".to_owned());
        }
        server.launch()?;
    }
    Ok(())
}

fn counted(server: &mut Server) -> Result<(), String> {
    server.launch()?;
    said(server, &["does not have the digest"])?;
    let figures = crate::wire::word(server.addr, b"mntr")?;
    let figures = String::from_utf8_lossy(&figures).into_owned();
    let counted = figures.lines().any(|line| line == "zk_digest_mismatches_count\t1");
    if counted { Ok(()) } else { Err(format!("not counted in\n{figures}")) }
}

fn refused(server: &mut Server, words: &[&str], before: &BTreeMap<String, Vec<u8>>) -> Result<(), String> {
    let status = server.launch_refused()?;
    if status.code().is_none_or(|code| code == 0) {
        return Err(format!("it ended with {status}"));
    }
    said(server, words)?;
    if read_all(&server.version_2()) == *before { Ok(()) } else { Err("files were changed".to_owned()) }
}

/// Looks for a line with all of these words.
fn said(server: &Server, words: &[&str]) -> Result<(), String> {
    let log = server.log_text();
    if log.lines().any(|line| words.iter().all(|word| line.contains(word))) {
        return Ok(());
    }
    Err(format!("no line with {words:?} in\n{log}"))
}

/// The files that begin so, the newest first.
fn listed(dir: &Path, prefix: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let number = |path: &PathBuf| {
        let name = base(path);
        i64::from_str_radix(name.strip_prefix(prefix).unwrap_or_default(), 16).unwrap_or(-1)
    };
    let mut found: Vec<PathBuf> =
        entries.map(|entry| entry.path()).filter(|path| base(path).starts_with(prefix)).collect();
    found.sort_by_key(|path| std::cmp::Reverse(number(path)));
    found
}

fn header() -> Vec<u8> {
    Out::new().raw(b"ZKLG").int(2).long(0).done()
}

fn remove(path: PathBuf) -> PathBuf {
    fs::remove_file(&path).expect("the file can be removed");
    path
}

/// A directory about to be damaged. What goes wrong here is a mistake of the test, so it may panic.
struct Files {
    dir: PathBuf,
}

impl Files {
    /// The log of this age, 0 for the newest; any larger number than there are logs for the oldest.
    fn log(&self, age: usize) -> PathBuf {
        let logs = listed(&self.dir, "log.");
        logs[age.min(logs.len() - 1)].clone()
    }

    fn snapshot(&self, age: usize) -> PathBuf {
        listed(&self.dir, "snapshot.")[age].clone()
    }

    /// Starts and ends of the entries of a log.
    fn entries(bytes: &[u8]) -> Vec<(usize, usize)> {
        let (mut at, mut found) = (16, Vec::new());
        while let Some(len) = bytes.get(at + 8..at + 12) {
            let len = len.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte));
            if len == 0 {
                break;
            }
            found.push((at, at + 12 + len + 1));
            at += 12 + len + 1;
        }
        found
    }

    fn change(path: PathBuf, change: impl FnOnce(&mut Vec<u8>)) -> PathBuf {
        let mut bytes = fs::read(&path).expect("the file can be read");
        change(&mut bytes);
        fs::write(&path, bytes).expect("the file can be written");
        path
    }

    fn patch(&self, path: PathBuf, at: usize, bytes: &[u8]) -> PathBuf {
        assert!(path.starts_with(&self.dir));
        Self::change(path, |all| all[at..at + bytes.len()].copy_from_slice(bytes))
    }

    /// Ends the newest log within its last entry, so many bytes behind its start or before its end.
    fn cut_last_entry(&self, keep: isize) -> PathBuf {
        Self::change(self.log(0), |all| {
            let (start, end) = *Self::entries(all).last().expect("there is an entry");
            let from = if keep < 0 { end } else { start };
            all.truncate(from.saturating_add_signed(keep));
        })
    }

    fn zero_last_entry(&self, keep: usize) -> PathBuf {
        Self::change(self.log(0), |all| {
            let (start, end) = *Self::entries(all).last().expect("there is an entry");
            all[start + keep..end].fill(0);
        })
    }

    fn zero_entry(&self, index: usize) -> PathBuf {
        Self::change(self.log(0), |all| {
            let (start, end) = Self::entries(all)[index];
            all[start..end].fill(0);
        })
    }

    /// Flips a bit of an entry of the log of this age.
    fn flip(&self, age: usize, entry: usize, at: usize) -> PathBuf {
        Self::change(self.log(age), |all| {
            let entries = Self::entries(all);
            all[entries[entry.min(entries.len() - 1)].0 + at] ^= 4;
        })
    }

    /// A log behind the newest, as a crash right after a roll leaves it.
    fn put_next_log(&self, bytes: &[u8]) -> PathBuf {
        let newest = fs::read(self.log(0)).expect("the log can be read");
        let (start, _) = *Self::entries(&newest).last().expect("there is an entry");
        // Behind checksum, length, session and cxid.
        let zxid = &newest[start + 24..start + 32];
        let zxid = zxid.iter().fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte));
        let path = self.dir.join(format!("log.{:x}", zxid + 1));
        fs::write(&path, bytes).expect("the file can be written");
        path
    }

    fn noise(&self) -> PathBuf {
        Self::change(self.log(0), |all| {
            let (_, end) = *Self::entries(all).last().expect("there is an entry");
            let noise = Random::new(7).bytes(700);
            all[end..end + noise.len()].copy_from_slice(&noise);
        })
    }

    /// A whole entry with a right checksum around bytes that mean nothing.
    fn nonsense(&self) -> PathBuf {
        // The path's length, behind the header of 32 bytes.
        self.forge(|body| body[32..36].copy_from_slice(&[0x7f, 0xff, 0xff, 0xff]))
    }

    fn wrong_digest(&self) -> PathBuf {
        self.forge(|body| {
            if let Some(last) = body.last_mut() {
                *last ^= 1;
            }
        })
    }

    /// Changes the body of the last entry, and its checksum with it.
    fn forge(&self, change: impl FnOnce(&mut [u8])) -> PathBuf {
        Self::change(self.log(0), |all| {
            let (start, end) = *Self::entries(all).last().expect("there is an entry");
            change(&mut all[start + 12..end - 1]);
            let checksum = crate::behaviours::adler32(&all[start + 12..end - 1]);
            all[start..start + 8].copy_from_slice(&checksum.to_be_bytes());
        })
    }

    fn repeat(&self) -> PathBuf {
        Self::change(self.log(0), |all| {
            let (start, end) = *Self::entries(all).last().expect("there is an entry");
            all.copy_within(start..end, end);
        })
    }

    fn leave_out(&self, index: usize) -> PathBuf {
        Self::change(self.log(0), |all| {
            let (start, end) = Self::entries(all)[index + 1];
            all.drain(start..end);
        })
    }

    fn cut_snapshot(&self, part: usize) -> PathBuf {
        Self::change(self.snapshot(0), |all| all.truncate(all.len() / part))
    }

    fn flip_snapshot(&self) -> PathBuf {
        Self::change(self.snapshot(0), |all| {
            let middle = all.len() / 2;
            all[middle] ^= 1;
        })
    }

    fn lengthen_snapshot(&self) -> PathBuf {
        Self::change(self.snapshot(0), |all| all.extend([0; 100]))
    }

    /// The log that leads on from the second newest snapshot is gone: the hole shows in the log behind it.
    fn snapshot_and_log(&self) -> PathBuf {
        self.cut_snapshot(2);
        let second = base(&self.snapshot(1)).replace("snapshot.", "");
        let second = i64::from_str_radix(&second, 16).expect("a zxid");
        let first =
            |path: &PathBuf| i64::from_str_radix(&base(path).replace("log.", ""), 16).expect("a zxid");
        let logs = listed(&self.dir, "log.");
        let needed = logs.iter().position(|path| first(path) <= second + 1).expect("a log of that time");
        remove(logs[needed].clone());
        // Reading begins with the one before, and the hole is behind it.
        logs[needed - 1].clone()
    }

    /// What is left ends with the snapshot before: there is no hole, only less.
    fn snapshot_and_its_logs(&self) -> PathBuf {
        let second = self.snapshot(1);
        let number = |path: &Path| {
            let name = base(path);
            i64::from_str_radix(name.rsplit('.').next().unwrap_or_default(), 16).expect("a zxid")
        };
        for path in listed(&self.dir, "log.").into_iter().filter(|path| number(path) > number(&second)) {
            remove(path);
        }
        self.cut_snapshot(2)
    }

    fn cut_all_snapshots(&self) -> PathBuf {
        for path in listed(&self.dir, "snapshot.") {
            Self::change(path, |all| all.truncate(all.len() / 2));
        }
        self.snapshot(0)
    }

    fn remove_all_snapshots(&self) -> PathBuf {
        let newest = self.snapshot(0);
        for path in listed(&self.dir, "snapshot.") {
            remove(path);
        }
        newest
    }

    fn leftover(&self) -> PathBuf {
        let path = self.dir.join("oxkeeper-tmp.snapshot.feed");
        fs::write(&path, b"ZKSN\0\0").expect("the file can be written");
        path
    }

    fn others(&self) -> PathBuf {
        for name in ["snapshot.old", "log.1.bak", "snapshot.1.tmp", ".snapshot.ffff", "acceptedEpoch.bak"] {
            fs::write(self.dir.join(name), b"nothing of ours").expect("the file can be written");
        }
        fs::create_dir(self.dir.join("log.ffffff")).expect("a directory can be made");
        self.dir.join("snapshot.old")
    }
}
