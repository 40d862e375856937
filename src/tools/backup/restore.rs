//! A backup becomes a data directory again.

use super::{
    chain::{Chain, RECORD, Record},
    purged,
    source::time_of,
    vessel::{Dir, Vessel},
};
use crate::{
    recovery::Rebuild,
    storage::{
        Disk, LOG_FILE_HEADER, RealDisk, RecoveryOptions, SnapshotName, log_name, parse_log_name, recover,
    },
    tools::{
        Terminal, ToolError,
        data_dirs::DataDirs,
        dates::Dates,
        new_file::{NewFile, rename, with_suffix},
        progress::Progress,
    },
    tree::TreeOptions,
};
use oxkeeper_codec::Zxid;
use serde_json::{Value, json};
use std::{
    fmt, fs,
    io::{self, Read},
    path::{Path, PathBuf},
};

/// Which state is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::tools) enum Wanted {
    /// The last one.
    Last,
    /// Behind this transaction.
    Zxid(Zxid),
    /// Behind the last transaction before one that is later than this, in ms since 1970.
    Time(i64),
}

impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Last => f.write_str("the last state"),
            Self::Zxid(zxid) => write!(f, "{zxid}"),
            Self::Time(ms) => f.write_str(&Dates::iso(*ms)),
        }
    }
}

/// What files make.
#[derive(Debug)]
pub(super) struct State {
    pub(super) last: Zxid,
    txns: u64,
    znodes: usize,
    sessions: usize,
    digest: u64,
}

impl State {
    pub(super) fn to_json(&self) -> Value {
        json!({
            "last": self.last.to_string(), "transactions": self.txns, "znodes": self.znodes, "sessions": self.sessions,
            "digest": format!("0x{:x}", self.digest),
        })
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { last, txns, znodes, sessions, digest } = self;
        write!(
            f,
            "{znodes} znodes, {sessions} sessions, digest 0x{digest:x} at {last}, {txns} transactions replayed"
        )
    }
}

/// Reads files as a start does, and compares the digest that each transaction tells with that of the data.
pub(super) fn state_of(snapshots: &Path, logs: &Path) -> Result<State, ToolError> {
    let _shown = Progress::of(format!("reading what a server would in {}", snapshots.display()));
    let mut rebuild = Rebuild::new(TreeOptions::default());
    let disks = [RealDisk::open_beside(snapshots)?, RealDisk::open_beside(logs)?];
    let recovered = recover(&disks[0], &disks[1], RecoveryOptions::default(), &mut rebuild)?;
    if let Some(rejected) = recovered.rejected.first() {
        let path = snapshots.join(&rejected.name);
        return Err(ToolError::content(&path, format!("is damaged {}", rejected.damage)));
    }
    if let Some(zxid) = rebuild.digest_mismatches.first() {
        let problem = format!("behind {zxid} the data does not have the digest that was recorded with it");
        return Err(ToolError::content(logs, problem));
    }
    let (tree, sessions) = rebuild.finish_keeping_orphans();
    let (last, txns) = (recovered.last_zxid, recovered.txns);
    Ok(State { last, txns, znodes: tree.node_count(), sessions: sessions.len(), digest: tree.digest() })
}

/// Makes a data directory of a backup: `from` is a directory of them, or `-` for archives on the input, one after the other.
/// Nothing is where a server looks for it before all of it is good.
pub(in crate::tools) fn restore(
    from: &Path,
    dirs: &DataDirs,
    wanted: Wanted,
    number: Option<u32>,
    as_json: bool,
    terminal: &mut Terminal<'_>,
) -> Result<u8, ToolError> {
    let places = [dirs.snapshots(), dirs.logs()];
    for place in &places {
        let has_data = fs::read_dir(place).is_ok_and(|mut entries| entries.next().is_some());
        if has_data {
            return Err(ToolError::content(place, "is not empty: move it away first"));
        }
    }
    let unpacked;
    let chains = if from == Path::new("-") {
        fs::create_dir_all(&dirs.data).map_err(|source| ToolError::file("create", &dirs.data, source))?;
        unpacked = tempfile::tempdir_in(&dirs.data)
            .map_err(|source| ToolError::file("create", &dirs.data, source))?;
        vec![unpack(terminal.input, unpacked.path())?]
    } else {
        Chain::all(from)?
    };
    let chain = choose(from, &chains, wanted, number)?;
    let state = put(&chain, wanted, &places)?;
    if as_json {
        let mut object = json!({"chain": chain.number});
        super::merge(&mut object, state.to_json());
        writeln!(terminal.out, "{object}")?;
    } else {
        writeln!(terminal.out, "{}: {state}", places[0].display())?;
    }
    Ok(0)
}

/// The newest chain that has what is wanted.
fn choose(from: &Path, chains: &[Chain], wanted: Wanted, number: Option<u32>) -> Result<Chain, ToolError> {
    let asked: Vec<&Chain> =
        chains.iter().filter(|chain| number.is_none_or(|number| number == chain.number)).collect();
    for &chain in asked.iter().rev() {
        let has = match wanted {
            Wanted::Last => true,
            // What comes before damage can still be had.
            Wanted::Zxid(zxid) => chain.record.usable_from <= zxid && zxid <= chain.reached()?,
            Wanted::Time(ms) => chain.first_time()?.unwrap_or(chain.record.begun) <= ms,
        };
        if has {
            if !matches!(wanted, Wanted::Zxid(_)) {
                chain.end()?;
            }
            return Ok(chain.clone());
        }
    }
    let range = |chain: &&Chain| {
        let Record { usable_from, last, .. } = &chain.record;
        format!("chain {} has {usable_from} to {last}", chain.number)
    };
    let there: Vec<_> = asked.iter().map(range).collect();
    let there = if there.is_empty() { "there is no chain".to_owned() } else { there.join("; ") };
    Err(ToolError::content(from, format!("does not have {wanted}: {there}")))
}

/// Writes the files beside the places where they belong, has a look at what they make, and puts them there.
fn put(chain: &Chain, wanted: Wanted, places: &[PathBuf; 2]) -> Result<State, ToolError> {
    let parts = places.each_ref().map(|place| with_suffix(place, ".part"));
    for part in &parts {
        drop(fs::remove_dir_all(part));
    }
    for part in &parts {
        fs::create_dir_all(part).map_err(|source| ToolError::file("create", part, source))?;
    }
    let done = write(chain, wanted, &parts).and_then(|()| state_of(&parts[0], &parts[1]));
    let state = done.and_then(|state| {
        if state.last >= chain.record.usable_from {
            return Ok(state);
        }
        let from = chain.record.usable_from;
        let problem =
            format!("does not have {wanted}: its snapshot was being written until {from}, and may show more");
        Err(ToolError::content(&chain.dir, problem))
    });
    if state.is_err() {
        for part in &parts {
            drop(fs::remove_dir_all(part));
        }
    }
    let state = state?;
    // Logs first: without a snapshot, no server starts with them.
    for (part, place) in parts.iter().zip(places).rev().take(if parts[0] == parts[1] { 1 } else { 2 }) {
        rename(part, place).map_err(|source| ToolError::file("create", place, source))?;
    }
    Ok(state)
}

/// The snapshot, and one log with what is wanted behind it.
fn write(chain: &Chain, wanted: Wanted, parts: &[PathBuf; 2]) -> Result<(), ToolError> {
    let Some(snapshot) = &chain.record.snapshot else {
        return Err(ToolError::content(
            &chain.dir,
            "an archive without a snapshot continues another one, which has to come first",
        ));
    };
    let path = chain.dir.join(snapshot);
    let content = RealDisk::open_beside(&chain.dir)?.read(snapshot);
    let content = content.map_err(|source| ToolError::file("read", &path, source))?;
    Dir::new(parts[0].clone()).file(snapshot, &content)?;
    let _shown = Progress::of(format!("writing the log to {}", parts[1].display()));
    let (start, mut log, mut encoded) = (chain.start(), None, Vec::new());
    let source = chain.source()?;
    let mut copy = || {
        source.history(&start)?.each(&mut |entry| {
            let is_behind = match wanted {
                Wanted::Last => false,
                Wanted::Zxid(zxid) => entry.zxid > zxid,
                Wanted::Time(ms) => time_of(entry) > ms,
            };
            if is_behind {
                return Ok(false);
            }
            if log.is_none() {
                let mut file = NewFile::create(&parts[1].join(log_name(entry.zxid)))?;
                file.write(&LOG_FILE_HEADER)?;
                log = Some(file);
            }
            encoded.clear();
            entry.encode(&mut encoded);
            log.as_mut().map_or(Ok(()), |file| file.write(&encoded))?;
            Ok(true)
        })
    };
    copy().map_err(purged)?;
    log.map_or(Ok(()), |file| file.finish(0))
}

/// Unpacks archives to a directory, as one chain.
fn unpack(input: &mut dyn io::BufRead, dir: &Path) -> Result<Chain, ToolError> {
    let broken = |error: io::Error| ToolError::content(Path::new("the archive"), error);
    let (mut records, mut archive) = (Vec::new(), tar::Archive::new(input));
    archive.set_ignore_zeros(true);
    for entry in archive.entries().map_err(broken)? {
        let mut entry = entry.map_err(broken)?;
        let name = entry.path().map_err(broken)?.display().to_string();
        if name == RECORD {
            let path = dir.join(RECORD);
            copy_to(&mut entry, NewFile::replace(&path)?, &Progress::of(format!("unpacking {name}")))?;
            records.push(Record::load(&path)?);
        } else if SnapshotName::parse(&name).is_some() || parse_log_name(&name).is_some() {
            let progress = Progress::of_bytes(format!("unpacking {name}"), entry.size());
            copy_to(&mut entry, NewFile::create(&dir.join(name))?, &progress)?;
        } else {
            return Err(ToolError::content(
                Path::new("the archive"),
                format!("holds {name}, which is no part of a backup"),
            ));
        }
    }
    let record = join(records)?;
    Ok(Chain { number: 0, dir: dir.to_path_buf(), record })
}

fn copy_to(from: &mut impl Read, mut file: NewFile, progress: &Progress) -> Result<(), ToolError> {
    let mut bytes = vec![0; 1 << 20];
    loop {
        match from.read(&mut bytes).map_err(|error| ToolError::content(Path::new("the archive"), error))? {
            0 => return file.finish(0),
            read => {
                file.write(&bytes[..read])?;
                progress.more(read);
            }
        }
    }
}

/// What archives are together that follow on each other.
fn join(records: Vec<Record>) -> Result<Record, ToolError> {
    let broken = |problem: String| ToolError::content(Path::new("the archive"), problem);
    let mut records = records.into_iter();
    let mut whole =
        records.next().ok_or_else(|| broken("is empty, or was cut: it has no backup.json".to_owned()))?;
    for next in records {
        if next.snapshot.is_some() || next.after != whole.last {
            return Err(broken(format!(
                "one that continues {} is needed, and one behind {} follows",
                whole.last, next.after
            )));
        }
        (whole.last, whole.taken) = (next.last, next.taken);
    }
    Ok(whole)
}
