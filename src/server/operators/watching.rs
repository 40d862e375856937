//! The data watches, taken down in steps (`WatchManager.getWatches`).
//!
//! Each worker is asked for a few thousand watches at a time, under its own lock only. A watch that comes or goes
//! between two steps may be missed, or shown though it is gone.
//!
//! What a step costs besides: it passes over what the steps before have shown, and a walk by session sorts the numbers of the
//! connections that watch something (about 5 ms for 100,000 of them on one worker).

use super::ask::{Ask, NoAnswer, Slice};
use crate::{
    server::{io::State, sequence::Shard},
    watch::ConnKey,
};
use oxkeeper_codec::SessionId;
use std::{
    collections::{BTreeMap, HashSet},
    hash::BuildHasher,
};

/// Watches that one step copies.
const WATCHES_A_STEP: usize = 8192;
/// Paths that one step of counting looks at.
const PATHS_A_STEP: usize = 1 << 14;

/// Watches in figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Watching {
    /// Connections that watch something.
    pub(super) connections: usize,
    /// Paths that are watched.
    pub(super) paths: usize,
    /// All watches.
    pub(super) watches: usize,
}

/// The figures.
pub(super) fn summary(ask: &Ask<'_>) -> Result<Watching, NoAnswer> {
    let summaries = ask.workers(|_, _, shard| shard.watches.summary())?;
    let with_paths: Vec<usize> = (0..summaries.len()).filter(|&worker| summaries[worker].paths > 0).collect();
    let paths = match with_paths[..] {
        [] => 0,
        [worker] => summaries[worker].paths,
        // One path may be watched on several workers.
        _ => distinct_paths(ask, &with_paths)?,
    };
    let connections: usize = summaries.iter().map(|summary| summary.connections).sum();
    let watches: usize = summaries.iter().map(|summary| summary.watches).sum();
    Ok(Watching { connections, paths, watches })
}

/// How many different paths are watched on these workers, by their hashes.
fn distinct_paths(ask: &Ask<'_>, workers: &[usize]) -> Result<usize, NoAnswer> {
    fn step(_: &mut State, shard: &mut Shard, from: usize) -> Slice<u64, usize> {
        let hasher = foldhash::fast::FixedState::with_seed(0);
        let mut paths = shard.watches.by_path().skip(from);
        let items: Vec<u64> =
            paths.by_ref().take(PATHS_A_STEP).map(|(path, _)| hasher.hash_one(path)).collect();
        let next = paths.next().map(|_| from + items.len());
        Slice { items, next }
    }
    let mut hashes = HashSet::new();
    for &worker in workers {
        hashes.extend(ask.worker_in_slices(worker, step)?);
    }
    Ok(hashes.len())
}

/// Some of the paths of one session.
type SomePaths = (ConnKey, SessionId, Vec<String>);

/// Where a walk by connection stands: at the connection with this key or the next one, so many paths on.
#[derive(Debug, Clone, Copy, Default)]
struct ByConn {
    key: u32,
    paths: usize,
}

/// Paths by session, as workers have them.
pub(super) fn by_session(ask: &Ask<'_>) -> Result<Vec<(SessionId, Vec<String>)>, NoAnswer> {
    let mut all: Vec<(SessionId, Vec<String>)> = Vec::new();
    for worker in 0..ask.front().hub.workers.len() {
        let mut last = None;
        for (key, session, paths) in ask.worker_in_slices(worker, some_by_conn)? {
            match all.last_mut() {
                Some((_, begun)) if last == Some(key) => begun.extend(paths),
                _ => all.push((session, paths)),
            }
            last = Some(key);
        }
    }
    Ok(all)
}

fn some_by_conn(state: &mut State, shard: &mut Shard, from: ByConn) -> Slice<SomePaths, ByConn> {
    let mut items: Vec<SomePaths> = Vec::new();
    let mut room = WATCHES_A_STEP;
    for (key, paths) in shard.watches.by_connection() {
        if key.0 < from.key {
            continue;
        }
        let skipped = if key.0 == from.key { from.paths } else { 0 };
        let mut paths = paths.skip(skipped);
        let some: Vec<String> = paths.by_ref().take(room).map(str::to_owned).collect();
        // A connection costs something even if all its watches have fired.
        room = room.saturating_sub(some.len().max(1));
        let taken = skipped + some.len();
        let more = paths.next().is_some();
        items.push((key, session_of(state, key), some));
        if more {
            return Slice { items, next: Some(ByConn { key: key.0, paths: taken }) };
        }
        if room == 0 {
            return Slice { items, next: Some(ByConn { key: key.0 + 1, paths: 0 }) };
        }
    }
    Slice { items, next: None }
}

/// Sessions by path.
pub(super) fn by_path(ask: &Ask<'_>) -> Result<BTreeMap<String, Vec<SessionId>>, NoAnswer> {
    let mut by_path: BTreeMap<String, Vec<SessionId>> = BTreeMap::new();
    for worker in 0..ask.front().hub.workers.len() {
        for (path, sessions) in ask.worker_in_slices(worker, some_by_path)? {
            by_path.entry(path).or_default().extend(sessions);
        }
    }
    Ok(by_path)
}

/// The watchers of one path are never parted: there is at most one a connection.
fn some_by_path(state: &mut State, shard: &mut Shard, from: usize) -> Slice<(String, Vec<SessionId>), usize> {
    let mut items = Vec::new();
    let mut watches = 0;
    for (path, conns) in shard.watches.by_path().skip(from) {
        if watches >= WATCHES_A_STEP {
            let next = Some(from + items.len());
            return Slice { items, next };
        }
        let sessions: Vec<SessionId> = conns.map(|key| session_of(state, key)).collect();
        watches += sessions.len();
        items.push((path.to_owned(), sessions));
    }
    Slice { items, next: None }
}

fn session_of(state: &mut State, key: ConnKey) -> SessionId {
    state.conns.watcher(key).and_then(|conn| conn.session).unwrap_or(SessionId(0))
}
