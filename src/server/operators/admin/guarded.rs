//! Commands for those who may do everything: snapshots, restores, and connections that are to go elsewhere.

use super::{AdminDesk, Asked, Sent, body::Body, elapsed};
use crate::{
    config::Config,
    levels,
    recovery::Rebuild,
    server::{
        clock,
        figures::{Basic, Count},
        io::State,
        operators::{
            ask::{Ask, NoAnswer},
            host,
            upload::Upload,
        },
        sequence::{Hub, Message, tree_options},
    },
    session::ConnId,
    storage::{Compression, ReceivedSnapshot, SnapshotError, SnapshotName, StoreError, load_alone},
    topics,
    zab::Role,
};
use oxkeeper_codec::{ServerId, Zxid};
use parking_lot::Mutex;
use serde::Deserialize;
use std::{
    fs::File,
    io,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
        mpsc::channel,
    },
    time::{Duration, Instant},
};

/// Whoever leads behind a snapshot begins a later epoch than its last, and there is an end to those.
const LATEST_EPOCH: i64 = Zxid::EPOCH_MAX / 2;

/// Once in a while.
#[derive(Debug)]
pub(super) struct Limiter {
    interval: Duration,
    /// When it was last let pass.
    last: Mutex<Option<Instant>>,
}

impl Limiter {
    pub(super) const fn new(interval: Duration) -> Self {
        Self { interval, last: Mutex::new(None) }
    }

    /// Whether it is time again; if so, the interval begins.
    fn allows(&self) -> bool {
        let mut last = self.last.lock();
        let allows = last.is_none_or(|last| elapsed(last) >= self.interval);
        if allows {
            *last = Some(clock::now());
        }
        allows
    }
}

/// Says why nothing is done. Callers are told by the status alone, as officially.
fn refused(status: u16, command: &str, why: &str) -> Body {
    tracing::warn!(target: topics::ADMIN, command, why, "an admin command is refused");
    Body::status(status)
}

/// Writes a snapshot of the tree as it is when this begins, and sends it along unless `streaming` is something other than true.
pub(super) fn snapshot(desk: &AdminDesk, ask: Option<&Ask<'_>>, asked: &Asked) -> Result<Body, NoAnswer> {
    let ask = ask.ok_or(NoAnswer)?;
    let hub = &ask.front().hub;
    let refused = |status, why| Ok(refused(status, "snapshot", why));
    if !desk.config.takes_snapshots {
        return refused(503, "admin.snapshot.enabled=false");
    }
    if !hub.config.storage.serialize_last_processed_zxid {
        return refused(500, "serializeLastProcessedZxid.enabled=false");
    }
    if !desk.snapshots.allows() {
        hub.stats.count_admin(|sheet| sheet.count(Count::SnapshotsRateLimited).add(1));
        return refused(429, "the last one is too recent (admin.rateLimiterIntervalInMS, as microseconds)");
    }
    let streams = asked.parameters.get("streaming").is_none_or(|value| value.eq_ignore_ascii_case("true"));
    let failed = |why: &'static str| {
        hub.stats.count_admin(|sheet| sheet.count(Count::SnapshotErrors).add(1));
        refused(500, why)
    };
    let (sender, receiver) = channel();
    hub.mailbox.send(Message::TakeSnapshot(sender));
    // It takes as long as the disk does: nobody else waits for it.
    let Ok(Some(taken)) = receiver.recv() else { return failed("the snapshot could not be written") };
    let [dir, _] = host::dirs(hub);
    let path = dir.join(&taken.name);
    let opened = File::open(&path).and_then(|file| file.metadata().map(|found| (file, found.len())));
    let Ok((file, len)) = opened else { return failed("the snapshot cannot be read") };
    let headers = vec![("last_zxid", format!("0x{:x}", taken.zxid.0)), ("snapshot_size", len.to_string())];
    Ok(Body { headers, stream: streams.then_some((file, len)), ..Body::done() })
}

/// Puts the snapshot that was sent along in the place of all data.
pub(super) fn restore(desk: &AdminDesk, ask: Option<&Ask<'_>>, asked: &Asked) -> Result<Body, NoAnswer> {
    let hub = &ask.ok_or(NoAnswer)?.front().hub;
    let refused = |status, why| Ok(refused(status, "restore", why));
    if !desk.config.restores {
        return refused(503, "admin.restore.enabled=false");
    }
    if !hub.config.storage.serialize_last_processed_zxid {
        return refused(500, "serializeLastProcessedZxid.enabled=false");
    }
    if !desk.restores.allows() {
        hub.stats.count_admin(|sheet| sheet.count(Count::RestoresRateLimited).add(1));
        return refused(429, "the last one is too recent (admin.rateLimiterIntervalInMS)");
    }
    let Sent::File(upload) = &asked.sent else { return refused(400, "no snapshot was sent along") };
    let began = clock::now();
    let restored = match restore_from(hub, upload) {
        Ok(zxid) => zxid,
        Err(why @ (NotRestored::LedBy(_) | NotRestored::NotLeader)) => return refused(500, &why.to_string()),
        Err(why) => {
            tracing::error!(target: topics::ADMIN, %why, "nothing was restored");
            hub.stats.count_admin(|sheet| sheet.count(Count::RestoreErrors).add(1));
            return Ok(Body::status(500));
        }
    };
    let took_ms = u64::try_from(elapsed(began).as_millis()).unwrap_or(u64::MAX);
    hub.stats.count_admin(|sheet| sheet.basic(Basic::RestoreTime).record(took_ms));
    Ok(Body::one("last_zxid", restored.0))
}

/// Why nothing was restored.
#[derive(Debug, thiserror::Error)]
enum NotRestored {
    #[error(
        "this member does not lead: send it to server {0}, which does (and has to be an oxkeeper server, too), and all members have it"
    )]
    LedBy(ServerId),
    #[error("this member does not lead: send it to the one that does, and all members have it")]
    NotLeader,
    #[error("what was sent cannot be read: {0}")]
    Unreadable(#[from] io::Error),
    #[error("what was sent is no whole snapshot: {0:?}")]
    NotWhole(SnapshotError),
    #[error(
        "the snapshot does not say its last transaction: it was written with serializeLastProcessedZxid.enabled=false"
    )]
    NoZxid,
    #[error("the snapshot's last transaction is {0}: too few epochs would be left behind it")]
    TooLate(Zxid),
    #[error("the server stops or leads no more, or another restore is under way")]
    NotNow,
    #[error(transparent)]
    Disk(#[from] StoreError),
}

/// Puts a file in the place of all data, if it is a whole snapshot.
fn restore_from(hub: &Hub, upload: &Upload) -> Result<Zxid, NotRestored> {
    let role = hub.standing.lock().as_ref().map(|standing| standing.role);
    match role {
        None | Some(Role::Leading(true)) => {}
        Some(Role::Learning(leader, _)) if !hub.observes() => return Err(NotRestored::LedBy(leader)),
        Some(_) => return Err(NotRestored::NotLeader),
    }
    let name = upload.path().file_name().unwrap_or_default().to_string_lossy().into_owned();
    let file = hub.snap_disk.read(&name)?;
    let snapshot = looked_through(&hub.config, &file)?;
    let received = match role {
        None => ReceivedSnapshot::of_file(Arc::clone(&hub.snap_disk), snapshot, name),
        // It will be another transaction there.
        Some(_) => ReceivedSnapshot::copy_of(&hub.snap_disk, &file, snapshot)?,
    };
    drop(file);
    let (sender, receiver) = channel();
    hub.mailbox.send(Message::Restore(received, sender));
    receiver.recv().map_err(|_| NotRestored::NotNow)
}

/// Makes a tree of it, as a start does, so that what no server would start with is refused before anything is touched.
fn looked_through(config: &Config, file: &[u8]) -> Result<SnapshotName, NotRestored> {
    let mut name = SnapshotName { zxid: Zxid::ZERO, compression: Compression::of_content(file) };
    let mut rebuild = Rebuild::new(tree_options(config));
    let tail = load_alone(file, name, &mut rebuild).map_err(NotRestored::NotWhole)?;
    name.zxid = tail.last_zxid.ok_or(NotRestored::NoZxid)?;
    if (0..=LATEST_EPOCH).contains(&name.zxid.epoch()) {
        Ok(name)
    } else {
        Err(NotRestored::TooLate(name.zxid))
    }
}

/// What is asked of `shed_connections`.
#[derive(Deserialize)]
struct Shed {
    percentage: i64,
}

/// Ends so many of a hundred connections, so that their clients go elsewhere (3.10).
pub(super) fn shed(_: &AdminDesk, ask: Option<&Ask<'_>>, asked: &Asked) -> Result<Body, NoAnswer> {
    let ask = ask.ok_or(NoAnswer)?;
    let text: &[u8] = if let Sent::Text(text) = &asked.sent { text } else { &[] };
    let Ok(Shed { percentage: percentage @ 0..=100 }) = serde_json::from_slice(text) else {
        let why = "the body has to be {\"percentage\": 0 to 100}";
        return Ok(Body { status: 400, ..Body::error(why) });
    };
    let shares = Arc::new(AtomicI64::new(0));
    let ended = ask.workers(move |_, state, _| end_some(state, &shares, percentage))?;
    let ended: i64 = ended.into_iter().sum();
    tracing::info!(target: topics::ADMIN, connections = ended, percentage, "connections are ended for an operator");
    let mut body = Body::one("connections_shed", ended);
    body.members.insert("percentage_requested".to_owned(), percentage.into());
    Ok(body)
}

/// What is asked of `set_log_levels`; without levels: those of the start.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SetLevels {
    levels: Option<String>,
}

/// Not officially: other lines are logged from now on.
pub(super) fn set_log_levels(_: &AdminDesk, _: Option<&Ask<'_>>, asked: &Asked) -> Result<Body, NoAnswer> {
    let text: &[u8] = if let Sent::Text(text) = &asked.sent { text } else { &[] };
    let Ok(SetLevels { levels: wanted }) = serde_json::from_slice(text) else {
        let why = "the body has to be {\"levels\": \"info,oxkeeper::sessions=debug\"}, or {} for those of the start";
        return Ok(Body { status: 400, ..Body::error(why) });
    };
    Ok(match levels::change(wanted.as_deref()) {
        Ok(now) => Body::one("levels", now),
        Err(problem) => Body { status: 400, ..Body::error(problem.to_string()) },
    })
}

/// Evenly spread among the connections of all workers, who add up the hundredths of each in `shares`.
fn end_some(state: &mut State, shares: &AtomicI64, percentage: i64) -> i64 {
    let is_due = |_: &ConnId| {
        let before = shares.fetch_add(percentage, Ordering::Relaxed);
        before / 100 != (before + percentage) / 100
    };
    let chosen: Vec<ConnId> = state.conns.iter_mut().map(|conn| conn.id).filter(is_due).collect();
    for &id in &chosen {
        state.conns.close(id);
    }
    i64::try_from(chosen.len()).unwrap_or(i64::MAX)
}
