//! Backups of a running server, and what is made of them.
//!
//! ```text
//! BACKUPS/000001/snapshot.S     one chain: a snapshot
//!                log.A  log.B   what followed on it, one log of each taking
//!                backup.json    what was taken (see `chain`)
//!         000002/...            the next chain: it was asked for, or the logs did not lead on
//! ```
//!
//! Invariants: no file is ever changed, only `backup.json` replaced; what was taken before stays good whenever a taking ends; a
//! chain holds every transaction behind its snapshot up to its last, of one history.

mod chain;
mod restore;
mod source;
mod vessel;

pub(super) use restore::{Wanted, restore};

use super::{Terminal, ToolError, data_dirs::DataDirs, dates::Dates, new_file::rename};
use crate::storage::{Disk, LOG_FILE_HEADER, RealDisk, StoreError, log_name};
use chain::{Chain, RECORD, Record, dir_of};
use jiff::Timestamp;
use oxkeeper_codec::Zxid;
use serde_json::{Value, json};
use source::{End, LOOK, Parted, Piece, Source, Whole};
use std::{
    fs::{self, File},
    path::Path,
    thread,
};
use vessel::{Archive, Dir, Vessel};

/// What a snapshot shows is in the logs after so many looks at the latest: a member may show what it has not written yet.
const LOOKS: u32 = 250;
/// So often a backup is begun while the files it needs are purged.
const ATTEMPTS: u32 = 5;

/// Takes what is new to a directory of backups: as a continuation of the last chain, or (`is_full`, or if that cannot be) as a
/// new one. `keep`: so many chains stay.
pub(super) fn take(
    dirs: &DataDirs,
    backups: &Path,
    is_full: bool,
    keep: Option<usize>,
    as_json: bool,
    terminal: &mut Terminal<'_>,
) -> Result<u8, ToolError> {
    stand_back();
    // Held to the end.
    let disk = RealDisk::open(backups).map_err(|error| match error {
        StoreError::InUse { .. } => ToolError::content(backups, "another backup is being taken there"),
        error => error.into(),
    })?;
    remove_parts(backups)?;
    // Whoever has begun a chain may have been killed before its name was durable.
    disk.sync_dir().map_err(|source| ToolError::file("sync", backups, source))?;
    let chains = Chain::all(backups)?;
    let source = Source::of_server(dirs)?;
    let continued = match chains.last().filter(|_| !is_full) {
        None => None,
        Some(last) => match patiently(|| continuation(&source, last.clone())) {
            Ok(taken) => Some(taken),
            Err(Parted::Gone(reason)) => {
                writeln!(
                    terminal.err,
                    "chain {} cannot be continued: {reason}. A new one is begun.",
                    last.number
                )?;
                None
            }
            Err(Parted::Tool(error)) => return Err(error),
        },
    };
    let is_new = continued.is_none();
    let (chain, piece) = match continued {
        Some(taken) => taken,
        None => begin(&source, backups, chains.last().map_or(1, |last| last.number + 1), terminal)?,
    };
    if let Some(keep) = keep.filter(|_| is_new) {
        let old = (chains.len() + 1).saturating_sub(keep.max(1));
        chains[..old].iter().try_for_each(Chain::remove)?;
    }
    drop(disk);
    let txns = piece.as_ref().map_or(0, |piece| piece.txns);
    if as_json {
        let object = json!({
            "chain": chain.number, "new": is_new, "snapshot": chain.record.snapshot, "transactions": txns,
            "bytes": piece.map_or(0, |piece| piece.bytes), "last": chain.record.last.to_string(),
        });
        writeln!(terminal.out, "{object}")?;
    } else {
        let what = if is_new { "a snapshot and " } else { "" };
        let Chain { number, record, .. } = chain;
        writeln!(terminal.out, "chain {number}: {what}{txns} transactions, up to {}", record.last)?;
    }
    Ok(0)
}

/// What an earlier taking has left that was cut short.
fn remove_parts(backups: &Path) -> Result<(), ToolError> {
    let failed = |source| ToolError::file("read", backups, source);
    for entry in fs::read_dir(backups).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.extension().is_some_and(|extension| extension == "part") {
            fs::remove_dir_all(&path).map_err(|source| ToolError::file("remove", &path, source))?;
        }
    }
    Ok(())
}

/// Tries again where something is gone: there is a newer snapshot by now, or a log that ends while the next one is begun looks cut for a
/// moment.
fn patiently<T>(mut attempt: impl FnMut() -> Result<T, Parted>) -> Result<T, Parted> {
    for _ in 1..ATTEMPTS {
        match attempt() {
            Err(Parted::Gone(_)) => thread::sleep(LOOK),
            done => return done,
        }
    }
    attempt()
}

/// Adds to a chain what has come since.
fn continuation(source: &Source, mut chain: Chain) -> Result<(Chain, Option<Piece>), Parted> {
    let end = chain.end()?;
    let piece = source.behind(&end)?;
    if let Some(piece) = &piece {
        copy(source, &end, piece, &mut Dir::new(chain.dir.clone()))?;
    }
    chain.record.last = piece.as_ref().map_or(end.zxid, |piece| piece.last);
    chain.record.taken = now();
    chain.save()?;
    Ok((chain, piece))
}

/// Begins a chain.
fn begin(
    source: &Source,
    backups: &Path,
    number: u32,
    terminal: &mut Terminal<'_>,
) -> Result<(Chain, Option<Piece>), ToolError> {
    let dir = dir_of(backups, number);
    let part = dir.with_extension("part");
    let make = || {
        fs::create_dir(&part)?;
        File::open(backups)?.sync_all()
    };
    make().map_err(|source| ToolError::file("create", &part, source))?;
    let (record, piece) = whole(source, &mut Dir::new(part.clone()), terminal)?;
    rename(&part, &dir).map_err(|source| ToolError::file("create", &dir, source))?;
    Ok((Chain { number, dir, record }, piece))
}

/// Writes the newest snapshot and what the logs have behind it.
fn whole(
    source: &Source,
    vessel: &mut dyn Vessel,
    terminal: &mut Terminal<'_>,
) -> Result<(Record, Option<Piece>), ToolError> {
    let begun = now();
    let mut name = String::new();
    let found = patiently(|| {
        let snapshot = source.newest_snapshot(&mut |problem| Ok(writeln!(terminal.err, "{problem}")?))?;
        name = snapshot.name.file_name();
        let piece = behind_snapshot(source, &snapshot)?;
        Ok((snapshot, piece))
    });
    let (snapshot, piece) = found.map_err(|parted| lost(&name, parted))?;
    write_whole(source, &snapshot, piece, begun, vessel)
}

fn base(snapshot: &Whole) -> End {
    End { zxid: snapshot.name.zxid, txn: None }
}

/// Waits until the logs have all that the snapshot shows.
fn behind_snapshot(source: &Source, snapshot: &Whole) -> Result<Option<Piece>, Parted> {
    let end = base(snapshot);
    for _ in 0..LOOKS {
        let piece = source.behind(&end)?;
        if piece.as_ref().map_or(end.zxid, |piece| piece.last) >= snapshot.shows {
            return Ok(piece);
        }
        thread::sleep(LOOK);
    }
    Err(Parted::Gone(format!("shows transaction {}, which the logs do not have", snapshot.shows)))
}

fn write_whole(
    source: &Source,
    snapshot: &Whole,
    piece: Option<Piece>,
    begun: i64,
    vessel: &mut dyn Vessel,
) -> Result<(Record, Option<Piece>), ToolError> {
    let name = snapshot.name.file_name();
    vessel.file(&name, &snapshot.content)?;
    let end = base(snapshot);
    if let Some(piece) = &piece {
        copy(source, &end, piece, vessel).map_err(purged)?;
    }
    let last = piece.as_ref().map_or(end.zxid, |piece| piece.last);
    let usable_from = snapshot.shows;
    let record = Record { snapshot: Some(name), after: end.zxid, usable_from, last, begun, taken: now() };
    vessel.file(RECORD, record.to_text().as_bytes())?;
    Ok((record, piece))
}

/// Writes a log of these transactions.
fn copy(source: &Source, end: &End, piece: &Piece, vessel: &mut dyn Vessel) -> Result<(), Parted> {
    vessel.begin(&log_name(piece.first), LOG_FILE_HEADER.len() as u64 + piece.bytes)?;
    vessel.write(&LOG_FILE_HEADER)?;
    let (mut encoded, mut last) = (Vec::new(), end.zxid);
    source.history(end)?.each(&mut |entry| {
        if entry.zxid > piece.last {
            return Ok(false);
        }
        last = entry.zxid;
        encoded.clear();
        entry.encode(&mut encoded);
        vessel.write(&encoded)?;
        Ok(true)
    })?;
    if last != piece.last {
        return Err(Parted::Gone(format!("what is behind {last} has gone while it was read")));
    }
    Ok(vessel.end()?)
}

/// The logs went while they were read.
fn purged(parted: Parted) -> ToolError {
    lost("the logs", parted)
}

/// Something has gone for good.
fn lost(what: &str, parted: Parted) -> ToolError {
    match parted {
        Parted::Gone(reason) => ToolError::content(Path::new(what), reason),
        Parted::Tool(error) => error,
    }
}

/// Writes an archive to the output: all, or what is behind a transaction. What it is goes to the complaints.
pub(super) fn stream(
    dirs: &DataDirs,
    since: Option<Zxid>,
    as_json: bool,
    terminal: &mut Terminal<'_>,
) -> Result<u8, ToolError> {
    stand_back();
    let source = Source::of_server(dirs)?;
    let mut archive = Archive::new(terminal.out);
    let (record, piece) = match since {
        None => {
            let mut parts = Terminal { input: terminal.input, out: &mut std::io::sink(), err: terminal.err };
            whole(&source, &mut archive, &mut parts)?
        }
        Some(since) => {
            let end = End { zxid: since, txn: None };
            let begun = now();
            let piece = source.behind(&end).map_err(|parted| match parted {
                Parted::Gone(reason) => ToolError::Usage(format!("nothing continues {since}: {reason}")),
                Parted::Tool(error) => error,
            })?;
            if let Some(piece) = &piece {
                copy(&source, &end, piece, &mut archive).map_err(purged)?;
            }
            let last = piece.as_ref().map_or(since, |piece| piece.last);
            let record =
                Record { snapshot: None, after: since, usable_from: since, last, begun, taken: now() };
            archive.file(RECORD, record.to_text().as_bytes())?;
            (record, piece)
        }
    };
    archive.finish()?;
    let txns = piece.map_or(0, |piece| piece.txns);
    if as_json {
        let object =
            json!({"snapshot": record.snapshot, "transactions": txns, "last": record.last.to_string()});
        writeln!(terminal.err, "{object}")?;
    } else {
        let what = if record.snapshot.is_some() { "a snapshot and " } else { "" };
        writeln!(terminal.err, "{what}{txns} transactions, up to {}", record.last)?;
    }
    Ok(0)
}

/// Prints what there is.
pub(super) fn list(backups: &Path, as_json: bool, terminal: &mut Terminal<'_>) -> Result<u8, ToolError> {
    for chain in Chain::all(backups)? {
        let Chain { number, record, .. } = &chain;
        let bytes = chain.bytes()?;
        if as_json {
            let mut object = json!({"chain": number, "bytes": bytes});
            merge(&mut object, record.to_json());
            writeln!(terminal.out, "{object}")?;
        } else {
            let Record { usable_from, last, begun, taken, .. } = record;
            let (begun, taken) = (Dates::iso(*begun), Dates::iso(*taken));
            writeln!(
                terminal.out,
                "chain {number}: {usable_from} to {last}, {bytes} bytes, {begun} to {taken}"
            )?;
        }
    }
    Ok(0)
}

fn merge(object: &mut Value, more: Value) {
    if let (Value::Object(object), Value::Object(more)) = (object, more) {
        object.extend(more);
    }
}

/// Makes of each chain what a server would, and says whether it is good. Ends with 1 if one is not.
pub(super) fn verify(backups: &Path, as_json: bool, terminal: &mut Terminal<'_>) -> Result<u8, ToolError> {
    let mut code = 0;
    for chain in Chain::all(backups)? {
        let found = restore::state_of(&chain.dir, &chain.dir)
            .and_then(|state| chain.check_reach(state.last).map(|()| state));
        code |= u8::from(found.is_err());
        let number = chain.number;
        match found {
            Ok(state) if as_json => {
                let mut object = json!({"chain": number, "problem": null});
                merge(&mut object, state.to_json());
                writeln!(terminal.out, "{object}")?;
            }
            Ok(state) => writeln!(terminal.out, "chain {number}: good, {state}")?,
            Err(error) if as_json => {
                writeln!(terminal.out, "{}", json!({"chain": number, "problem": error.to_string()}))?;
            }
            Err(error) => writeln!(terminal.out, "chain {number}: damaged: {error}")?,
        }
    }
    Ok(code)
}

/// The server, and all others, come first.
fn stand_back() {
    // Where that is not allowed, it is only slower for them.
    _ = rustix::process::nice(19);
}

/// In ms since 1970.
fn now() -> i64 {
    Timestamp::now().as_millisecond()
}
