//! A member's disk: what is durable, and what waits for it.
//!
//! What is written waits in a queue, in order; it becomes durable from the front. A crash keeps a part of the queue from
//! the front, which nobody was told about: of a real disk no more can be said.

use crate::{
    files::{Files, Found},
    variant::Variant,
};
use bytes::Bytes;
use oxkeeper::{
    membership::Membership,
    zab::{Event, Stored},
};
use oxkeeper_codec::{OpCode, Zxid, learner::ToLearner, txn::LoggedTxn};
use std::collections::VecDeque;

/// A transaction in a log.
pub(crate) type Entry = (Zxid, Bytes);

/// The transaction of this zxid in a log.
pub(crate) fn entry_at(log: &[Entry], zxid: Zxid) -> Option<&Entry> {
    log.binary_search_by_key(&zxid, |(other, _)| *other).ok().map(|at| &log[at])
}

/// Whether the transaction of this zxid in a log changes the configuration.
pub(crate) fn changes_at(log: &[Entry], zxid: Zxid) -> bool {
    entry_at(log, zxid).is_some_and(|(_, txn)| LoggedTxn::peek_op(txn) == Some(OpCode::RECONFIG))
}

/// The last transaction of a log that changes the configuration.
pub(crate) fn last_change(log: &[Entry]) -> Option<Zxid> {
    log.iter().rev().map(|(zxid, _)| *zxid).find(|&zxid| changes_at(log, zxid))
}

/// What a log has up to this zxid.
pub(crate) fn up_to(log: &[Entry], zxid: Zxid) -> &[Entry] {
    &log[..log.partition_point(|(other, _)| *other <= zxid)]
}

/// What a log has behind `from` up to `until`, as a leader sends it.
pub(crate) fn as_sent(log: &[Entry], from: Zxid, until: Zxid) -> Vec<ToLearner> {
    let behind = &up_to(log, until)[up_to(log, from).len()..];
    behind
        .iter()
        .flat_map(|(zxid, txn)| [ToLearner::Proposal(*zxid, txn.clone()), ToLearner::Commit(*zxid)])
        .collect()
}

/// What can be written.
#[derive(Debug, Clone)]
pub(crate) enum Write {
    Append(Entry),
    /// Broken variant: written and not synced, whatever is said.
    AppendUnsynced(Entry),
    AcceptedEpoch(i64),
    CurrentEpoch(i64),
    /// Broken variant: the same, and nobody hears of it.
    CurrentEpochUnheard(i64),
    /// The next configuration.
    Next(Option<Membership>),
    /// The configuration in force. Nobody waits for it.
    Config(Membership),
    /// The log is cut behind this zxid.
    Truncate(Zxid),
    /// A snapshot takes the place of all: the whole history up to its zxid. With it comes what the leader has told of the
    /// configuration.
    Install(Zxid, Vec<Entry>, Option<Membership>),
    /// Nothing is written: a snapshot did not come to its end.
    GiveUp,
    /// Nothing is written of this entry: an observer keeps nothing.
    PassOver(Zxid),
    /// Nothing is written: the disk has what it has.
    GoBack,
}

impl Write {
    /// Whether it shares a sync with its like.
    pub(crate) const fn is_entry(&self) -> bool {
        matches!(self, Self::Append(_) | Self::PassOver(_))
    }
}

/// See the module.
#[derive(Debug, Clone)]
pub(crate) struct Disk {
    config: Membership,
    next: Option<Membership>,
    accepted_epoch: i64,
    current_epoch: i64,
    log: Vec<Entry>,
    /// Where the log begins: of a snapshot without transactions.
    base: Zxid,
    waiting: VecDeque<Write>,
    /// It was not given all that its member has.
    is_behind: bool,
    /// The last entry that its member has given it, whether it has kept it or not.
    given: Zxid,
    /// The last write was given up.
    gave_up: bool,
    /// Durable entries that are no more, until somebody asks.
    lost: Vec<Entry>,
    /// What a lying disk takes back in a crash.
    lies: Lies,
}

#[derive(Debug, Clone, Default)]
struct Lies {
    log_len: Option<usize>,
    current_epoch: Option<i64>,
    accepted_epoch: Option<i64>,
    log: Option<(Zxid, Vec<Entry>)>,
    next: Option<Option<Membership>>,
}

impl Disk {
    /// An empty one, with a configuration beside it.
    pub(crate) fn new(config: Membership) -> Self {
        Self {
            config,
            next: None,
            accepted_epoch: 0,
            current_epoch: 0,
            log: Vec::new(),
            base: Zxid::ZERO,
            waiting: VecDeque::new(),
            is_behind: false,
            given: Zxid::ZERO,
            gave_up: false,
            lost: Vec::new(),
            lies: Lies::default(),
        }
    }

    /// The configurations in force, and next.
    pub(crate) fn configs(&self) -> (Membership, Option<Membership>) {
        (self.config.clone(), self.next.clone())
    }

    /// Whether it knows what a transaction with this zxid makes, if it makes a configuration.
    pub(crate) fn knows_config(&self, zxid: Zxid) -> bool {
        let known = |config: &Membership| config.version() >= zxid.0;
        known(&self.config) || self.next.as_ref().is_some_and(known)
    }

    pub(crate) fn write(&mut self, write: Write) {
        self.waiting.push_back(write);
    }

    /// Broken variant: before all that waits.
    pub(crate) fn write_first(&mut self, write: Write) {
        self.waiting.push_front(write);
    }

    /// Broken variant: the entries that wait are not written now.
    pub(crate) fn set_aside(&mut self) -> Vec<Entry> {
        let (appends, others) = std::mem::take(&mut self.waiting)
            .into_iter()
            .partition(|write| matches!(write, Write::Append(_)));
        self.waiting = others;
        let appends: VecDeque<Write> = appends;
        let entry = |write| if let Write::Append(entry) = write { Some(entry) } else { None };
        appends.into_iter().filter_map(entry).collect()
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Whether the history and the epochs stay as they are with all that waits. Who elects may hear of a later configuration.
    pub(crate) fn keeps_history(&self) -> bool {
        self.waiting.iter().all(|write| matches!(write, Write::Next(_) | Write::Config(_)))
    }

    /// Whether the history is cut or replaced next: that takes longer.
    pub(crate) fn replaces_next(&self) -> bool {
        matches!(self.waiting.front(), Some(Write::Truncate(_) | Write::Install(..)))
    }

    pub(crate) fn log(&self) -> &[Entry] {
        &self.log
    }

    /// The durable entries that are no more since this was asked last.
    pub(crate) fn take_lost(&mut self) -> Vec<Entry> {
        std::mem::take(&mut self.lost)
    }

    /// The end of the durable history.
    pub(crate) fn last(&self) -> Zxid {
        self.log.last().map_or(self.base, |(zxid, _)| *zxid)
    }

    pub(crate) const fn epochs(&self) -> (i64, i64) {
        (self.accepted_epoch, self.current_epoch)
    }

    pub(crate) fn stored(&self) -> Stored {
        Stored {
            accepted_epoch: self.accepted_epoch,
            current_epoch: self.current_epoch,
            last_zxid: self.last(),
        }
    }

    /// Makes the first write that waits durable, and all appends behind it if it is one: one sync for all.
    pub(crate) fn sync(&mut self, variant: Variant, mut files: Option<&mut Files>) -> Option<Event> {
        let mut first = self.waiting.pop_front()?;
        while let Write::Config(config) = first {
            if let Some(files) = &mut files {
                files.take(Write::Config(config.clone()));
            }
            self.put_in_force(config);
            first = self.waiting.pop_front()?;
        }
        if let Write::CurrentEpochUnheard(epoch) = first {
            self.current_epoch = epoch;
            return None;
        }
        let appends = first.is_entry();
        let mut take = |disk: &mut Self, write| {
            let write = if let Some(files) = &mut files { files.take(write) } else { write };
            disk.take_in(write, variant)
        };
        let mut event = take(self, first);
        while appends && self.waiting.front().is_some_and(Write::is_entry) {
            let next = self.waiting.pop_front().unwrap();
            event = take(self, next);
        }
        if let Some(files) = files {
            files.commit();
            assert_eq!(
                (files.last(), files.epochs()),
                (self.last(), self.epochs()),
                "the files end elsewhere"
            );
            assert!(!files.has_read() || files.has_made(&self.log), "the files hold another history");
        }
        Some(event)
    }

    fn take_in(&mut self, write: Write, variant: Variant) -> Event {
        self.gave_up = matches!(write, Write::GiveUp);
        let event = self.keep(write, variant);
        match &event {
            Event::Synced(zxid) | Event::HistoryReplaced(zxid) => self.given = *zxid,
            Event::WentBack(stored) => self.given = stored.last_zxid,
            _ => {}
        }
        event
    }

    /// Whether the history was to be replaced last, and was not.
    pub(crate) const fn gave_up(&self) -> bool {
        self.gave_up
    }

    fn keep(&mut self, write: Write, variant: Variant) -> Event {
        match write {
            Write::Append(entry) => {
                if variant == Variant::LogNotDurable && self.lies.log_len.is_none() {
                    self.lies.log_len = Some(self.log.len());
                }
                let zxid = entry.0;
                self.log.push(entry);
                Event::Synced(zxid)
            }
            Write::AppendUnsynced(entry) => {
                self.lies.log_len.get_or_insert(self.log.len());
                let zxid = entry.0;
                self.log.push(entry);
                Event::Synced(zxid)
            }
            Write::AcceptedEpoch(epoch) => {
                if variant == Variant::AcceptedEpochNotDurable {
                    self.lies.accepted_epoch = Some(self.accepted_epoch);
                }
                self.accepted_epoch = epoch;
                Event::AcceptedEpochStored(epoch)
            }
            Write::CurrentEpoch(epoch) => {
                if variant == Variant::CurrentEpochNotDurable {
                    self.lies.current_epoch.get_or_insert(self.current_epoch);
                }
                let kept = if self.is_behind { self.current_epoch.max(self.last().epoch()) } else { epoch };
                self.current_epoch = kept;
                Event::CurrentEpochStored(epoch)
            }
            Write::PassOver(zxid) => {
                self.is_behind = true;
                Event::Synced(zxid)
            }
            Write::GoBack => {
                self.is_behind = false;
                self.settle_epochs();
                Event::WentBack(self.stored())
            }
            Write::Truncate(zxid) => {
                self.is_behind = false;
                if variant != Variant::TruncationForgotten {
                    let kept = self.log.partition_point(|(other, _)| *other <= zxid);
                    self.lost.extend(self.log.drain(kept..));
                    return Event::HistoryReplaced(self.last());
                }
                Event::HistoryReplaced(zxid)
            }
            Write::Install(zxid, history, told) => {
                self.is_behind = false;
                if variant == Variant::SnapshotNotDurable {
                    self.lies.log = Some((self.base, self.log.clone()));
                }
                self.replace_log(zxid, history);
                if let Some(told) = told.filter(|told| told.version() > self.config.version()) {
                    self.next = Some(told);
                }
                Event::HistoryReplaced(self.last())
            }
            Write::Next(next) => {
                if variant == Variant::NextNotDurable {
                    self.lies.next.get_or_insert_with(|| self.next.clone());
                }
                self.next = next;
                Event::NextStored
            }
            Write::Config(_) | Write::CurrentEpochUnheard(_) => unreachable!("no event follows"),
            Write::GiveUp => Event::HistoryReplaced(self.given),
        }
    }

    fn replace_log(&mut self, base: Zxid, log: Vec<Entry>) {
        self.base = base;
        let old = std::mem::replace(&mut self.log, log);
        self.lost.extend(old.into_iter().filter(|entry| entry_at(&self.log, entry.0) != Some(entry)));
    }

    fn put_in_force(&mut self, config: Membership) {
        self.next.take_if(|next| next.version() <= config.version());
        self.config = config;
    }

    /// Whether its member has more, and has not wanted it kept.
    pub(crate) const fn is_behind(&self) -> bool {
        self.is_behind
    }

    /// So many writes are not known to be durable.
    pub(crate) fn unsynced(&self) -> usize {
        self.waiting.len()
    }

    /// What waits, from the front.
    pub(crate) fn waiting(&self) -> impl ExactSizeIterator<Item = &Write> {
        self.waiting.iter()
    }

    /// How many of the writes that wait have become durable, if this was found then. A cut that was interrupted has come as far as
    /// it was found.
    pub(crate) fn survivors(&mut self, found: &Found, files: &Files) -> usize {
        let explains = |disk: &Self, survives| {
            let mut after = disk.clone();
            after.crash(survives);
            let same = after.epochs() == found.epochs
                && after.last() == found.last
                && after.configs() == found.configs;
            same && files.has_made(&after.log)
        };
        let whole = (0..=self.waiting.len()).find(|&survives| explains(self, survives));
        if let Some(survives) = whole {
            return survives;
        }
        for at in 0..self.waiting.len() {
            let mut interrupted = self.clone();
            match &mut interrupted.waiting[at] {
                Write::Truncate(zxid) if found.last > *zxid => *zxid = found.last,
                _ => continue,
            }
            if explains(&interrupted, at + 1) {
                *self = interrupted;
                return at + 1;
            }
        }
        let Self { accepted_epoch, current_epoch, config, next, waiting, .. } = &*self;
        panic!(
            "storage: a start finds {found:?}; the disk had epochs {accepted_epoch} and {current_epoch}, history to {}, \
             configurations {config} and {next:?}, and {waiting:?} waited",
            self.last()
        )
    }

    /// The machine stops: so many of the writes that wait become durable.
    pub(crate) fn crash(&mut self, survives: usize) {
        for write in std::mem::take(&mut self.waiting).into_iter().take(survives) {
            match write {
                Write::Config(config) => self.put_in_force(config),
                Write::CurrentEpochUnheard(epoch) => self.current_epoch = epoch,
                write => drop(self.take_in(write, Variant::Sound)),
            }
        }
        (self.is_behind, self.gave_up) = (false, false);
        let lies = std::mem::take(&mut self.lies);
        if let Some(len) = lies.log_len {
            self.lost.extend(self.log.drain(len.min(self.log.len())..));
        }
        if let Some((base, log)) = lies.log {
            self.replace_log(base, log);
        }
        self.next = lies.next.unwrap_or_else(|| self.next.take());
        self.current_epoch = lies.current_epoch.unwrap_or(self.current_epoch);
        self.accepted_epoch = lies.accepted_epoch.unwrap_or(self.accepted_epoch);
        self.settle_epochs();
        self.given = self.last();
    }

    /// All that its leader had is there before any transaction of its epoch: a history that has some is of that epoch.
    fn settle_epochs(&mut self) {
        self.current_epoch = self.current_epoch.max(self.last().epoch());
    }
}
