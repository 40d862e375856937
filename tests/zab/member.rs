//! One member: the state machine, what it has in memory, its disk.

use crate::disk::{Disk, Entry};
use oxkeeper::{
    membership::Membership,
    zab::{Ensemble, Event, Link, Options, Zab},
};
use oxkeeper_codec::{ServerId, Zxid};

/// See the module.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) id: ServerId,
    pub(crate) options: Options,
    /// `reconfigEnabled`.
    pub(crate) may_change: bool,
    /// The last change of the configuration that it has acknowledged.
    pub(crate) acked_change: Option<Zxid>,
    pub(crate) disk: Disk,
    pub(crate) running: Option<Running>,
    /// Counts starts: what was meant for an earlier one is lost.
    pub(crate) start: u32,
    /// Whether something is being synced.
    pub(crate) syncing: bool,
    pub(crate) disk_failed: bool,
}

/// What a crash takes.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) zab: Zab,
    /// The log as the member has written it, durable or not.
    pub(crate) history: Vec<Entry>,
    pub(crate) committed: Zxid,
    pub(crate) serves: bool,
    /// It has no leader, and serves those who only read.
    pub(crate) read_only: bool,
    /// So much of what it has delivered was looked at since it serves.
    pub(crate) looked_at: usize,
    pub(crate) listens: bool,
    /// Counts dials: only the last one goes on.
    pub(crate) dial: Option<(u32, ServerId)>,
    pub(crate) dials: u32,
    /// A snapshot is being put in the place of all.
    pub(crate) installing: bool,
    /// A snapshot that is on its way over this link.
    pub(crate) receiving: Option<Link>,
}

impl Member {
    pub(crate) fn new(id: ServerId, options: Options, (config, may_change): (Membership, bool)) -> Self {
        Self {
            id,
            options,
            may_change,
            acked_change: None,
            disk: Disk::new(config),
            running: None,
            start: 0,
            syncing: false,
            disk_failed: false,
        }
    }

    /// Starts with what the disk has; returns the first event.
    pub(crate) fn start(&mut self, now_ms: i64) -> Event {
        self.start += 1;
        (self.syncing, self.disk_failed) = (false, false);
        if let Some(zxid) = self.acked_change
            && self.disk.log().iter().any(|(other, _)| *other == zxid)
        {
            let known = self.disk.knows_config(zxid);
            assert!(known, "durability: server {} has acknowledged the change {zxid}, and lost it", self.id);
        }
        let (config, next) = self.disk.configs();
        let ensemble = Ensemble::new(config, next, self.may_change);
        let zab = Zab::new(self.id, self.options, ensemble, self.disk.stored(), now_ms);
        self.running = Some(Running {
            zab,
            history: self.disk.log().to_vec(),
            committed: Zxid::ZERO,
            serves: false,
            read_only: false,
            looked_at: 0,
            listens: false,
            dial: None,
            dials: 0,
            installing: false,
            receiving: None,
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
        &self.history[..self.history.partition_point(|(zxid, _)| *zxid <= self.committed)]
    }
}
