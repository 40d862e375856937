//! One member: the state machine, what it has in memory, its disk.

use crate::{
    clock::Clock,
    disk::{Disk, Entry, up_to},
    files::Files,
    server::Server,
};
use oxkeeper::{
    membership::Membership,
    zab::{Action, Ensemble, Event, Install, Link, Options, Zab},
};
use oxkeeper_codec::{ServerId, Zxid};
use std::collections::{BTreeSet, VecDeque};

/// See the module.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) id: ServerId,
    pub(crate) options: Options,
    /// `reconfigEnabled`.
    pub(crate) may_change: bool,
    pub(crate) disk: Disk,
    /// What the disk really holds, where that is looked at.
    pub(crate) files: Option<Files>,
    pub(crate) clock: Clock,
    pub(crate) running: Option<Running>,
    /// Counts starts: what was meant for an earlier one is lost.
    pub(crate) start: u32,
    /// Whether something is being synced.
    pub(crate) syncing: bool,
    pub(crate) disk_failed: bool,
    /// So many from the beginning of its history it has delivered before, in this life or an earlier one.
    pub(crate) delivered: usize,
}

/// What a crash takes.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) zab: Zab,
    /// The log as the member has written it, durable or not.
    pub(crate) history: Vec<Entry>,
    pub(crate) committed: Zxid,
    pub(crate) serves: bool,
    pub(crate) listens: bool,
    /// Whether the disk gets what it is given.
    pub(crate) keeps: bool,
    /// As an observer master.
    pub(crate) serves_observers: bool,
    /// Counts dials: only the last one goes on.
    pub(crate) dial: Option<(u32, ServerId)>,
    pub(crate) dials: u32,
    /// The last one was to an observer master.
    pub(crate) dials_master: bool,
    /// A snapshot is being put in the place of all.
    pub(crate) installing: bool,
    /// An operator's snapshot is being put in the place of all.
    pub(crate) restoring: bool,
    /// A snapshot that is to be put in place, once it has come.
    pub(crate) wanted: Option<Install>,
    /// A snapshot that has come over this link.
    pub(crate) received: Option<(Link, Vec<Entry>)>,
    /// What a broken variant keeps for later.
    pub(crate) kept: Kept,
    /// What it makes of its history, where that is looked at.
    pub(crate) server: Option<Server>,
    /// What Zab wants done and is not done yet.
    pub(crate) todo: VecDeque<Action>,
    pub(crate) is_doing: bool,
}

/// What a broken variant keeps for later.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    /// What came while the member was brought to its leader's history.
    pub(crate) synchronised: BTreeSet<Zxid>,
    /// What is not given to the log yet.
    pub(crate) unlogged: Vec<Entry>,
}

impl Member {
    pub(crate) fn new(id: ServerId, options: Options, (config, may_change): (Membership, bool)) -> Self {
        Self {
            id,
            options,
            may_change,
            disk: Disk::new(config),
            files: None,
            clock: Clock::RIGHT,
            running: None,
            start: 0,
            syncing: false,
            disk_failed: false,
            delivered: 0,
        }
    }

    /// Starts with what the disk has; returns the first event.
    pub(crate) fn start(&mut self, now_ms: i64) -> Event {
        self.start += 1;
        (self.syncing, self.disk_failed) = (false, false);
        self.delivered = self.delivered.min(self.disk.log().len());
        let (config, next) = self.disk.configs();
        let ensemble = Ensemble::new(config, next, self.may_change);
        let now_ms = self.clock.shows(now_ms);
        let zab = Zab::new(self.id, self.options, ensemble, self.disk.stored(), now_ms);
        self.running = Some(Running {
            zab,
            history: self.disk.log().to_vec(),
            committed: Zxid::ZERO,
            serves: false,
            listens: false,
            keeps: true,
            serves_observers: false,
            dials_master: false,
            dial: None,
            dials: 0,
            installing: false,
            restoring: false,
            wanted: None,
            received: None,
            kept: Kept::default(),
            server: None,
            todo: VecDeque::new(),
            is_doing: false,
        });
        Event::Wake
    }

    pub(crate) const fn lives(&self) -> bool {
        self.running.is_some()
    }
}

impl Running {
    /// What is committed of the history.
    pub(crate) fn delivered(&self) -> &[Entry] {
        up_to(&self.history, self.committed)
    }
}
