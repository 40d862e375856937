//! One learner, as its leader knows it.

use crate::zab::{
    Action, Failure, Link, Refusal,
    plan::{Plan, plan},
    shared::Shared,
};
use oxkeeper_codec::{
    ServerId, Zxid,
    learner::{LearnerInfo, PROTOCOL_VERSION, ToLearner},
};

/// After so many pings without an answer a link gives its place up to another one with the same id.
const SILENT_PINGS: i64 = 3;

/// How far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// It has not said who it is.
    Arrived,
    /// FOLLOWERINFO or OBSERVERINFO has come; LEADERINFO goes when the epoch is known.
    Registered,
    /// LEADERINFO is sent; ACKEPOCH comes.
    Asked,
    /// ACKEPOCH has come, with the end of its log; it is synchronised once a quorum has proved that nobody is ahead.
    Proved(Zxid),
    /// The log files are searched for what it lacks.
    Searching(Zxid),
    /// It is sent whatever happens.
    Fed {
        /// What it is known to have on its disk, once it has acknowledged NEWLEADER.
        acked: Zxid,
        /// Whether it has.
        vouched: bool,
        /// Whether it was told to serve.
        serves: bool,
    },
}

impl State {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Arrived => "registration",
            Self::Registered | Self::Asked => "discovery",
            Self::Proved(_) | Self::Searching(_) => "synchronisation",
            Self::Fed { .. } => "broadcast",
        }
    }
}

/// See the module.
#[derive(Debug, Clone)]
pub(super) struct Learner {
    sid: Option<ServerId>,
    observer: bool,
    state: State,
    /// Whether an older link has its id: two are not brought up at the same time.
    waits: bool,
    /// When it said something, in ms of the elapsed clock.
    heard_ms: i64,
    deadline_ms: i64,
    /// A proposal that it has not acknowledged, and since when that is known, in ms of the elapsed clock.
    owed: Option<(Zxid, i64)>,
}

impl Learner {
    pub(super) const fn arrived(now_ms: i64, deadline_ms: i64) -> Self {
        Self {
            sid: None,
            observer: false,
            state: State::Arrived,
            waits: false,
            heard_ms: now_ms,
            deadline_ms,
            owed: None,
        }
    }

    pub(super) const fn sid(&self) -> Option<ServerId> {
        self.sid
    }

    pub(super) const fn state(&self) -> State {
        self.state
    }

    /// When it is given up unless it says something, in ms of the elapsed clock.
    pub(super) const fn deadline_ms(&self) -> i64 {
        self.deadline_ms
    }

    pub(super) const fn is_observer(&self) -> bool {
        self.observer
    }

    /// Whether its acknowledgements are a vote, if its id has one. One that observes and gets its vote with the next configuration
    /// has a say in whether that comes into force (`Leader.waitForNewLeaderAck`), if it was brought up with it: what is proposed
    /// later, it does not hear of before it is committed.
    pub(super) fn counts(&self, shared: &Shared) -> bool {
        self.sid.is_some_and(|sid| !self.waits && (!self.observer || self.gets_vote(sid, shared)))
    }

    fn gets_vote(&self, sid: ServerId, shared: &Shared) -> bool {
        let Some(next) = shared.ensemble.next() else { return false };
        let hears_of_it = match self.state {
            State::Fed { acked, .. } => acked >= Zxid(next.version()),
            _ => true,
        };
        hears_of_it && !shared.quorums().current.is_voter(sid) && shared.quorums().is_voter(sid)
    }

    /// Whether it waits for an older link with its id to end.
    pub(super) const fn waits(&self) -> bool {
        self.waits
    }

    /// No older link has its id any more.
    pub(super) const fn goes_on(&mut self) {
        self.waits = false;
    }

    /// Whether it has left so many pings unanswered that another link with its id may take its place.
    pub(super) const fn is_silent(&self, shared: &Shared, now_ms: i64) -> bool {
        now_ms - self.heard_ms > SILENT_PINGS * shared.options.ping_ms
    }

    pub(super) const fn is_fed(&self) -> bool {
        matches!(self.state, State::Fed { .. })
    }

    /// What it vouches for.
    pub(super) const fn vouches_for(&self) -> Option<Zxid> {
        match self.state {
            State::Fed { acked, vouched: true, .. } => Some(acked),
            _ => None,
        }
    }

    pub(super) const fn heard_from(&mut self, now_ms: i64, shared: &Shared) {
        let patience_ms =
            if self.vouches_for().is_some() { shared.options.sync_ms } else { shared.options.init_ms };
        (self.heard_ms, self.deadline_ms) = (now_ms, now_ms + patience_ms);
    }

    /// Whether it has not acknowledged a proposal for too long (`syncLimit`), though it answers pings.
    pub(super) fn owes(&mut self, shared: &Shared, now_ms: i64) -> bool {
        let Some(acked) = self.vouches_for().filter(|_| !self.observer) else { return false };
        if self.owed.is_some_and(|(zxid, _)| acked >= zxid) {
            self.owed = None;
        }
        if self.owed.is_none() && acked < shared.given {
            self.owed = Some((shared.given, now_ms));
        }
        self.owed.is_some_and(|(_, since_ms)| now_ms - since_ms > shared.options.sync_ms)
    }

    /// It says who it is. `waits`: an older link has its id, or this member.
    pub(super) fn register(
        &mut self,
        info: &LearnerInfo,
        shared: &Shared,
        waits: bool,
    ) -> Result<(), Failure> {
        if let Some(version) = info.config_version
            && version > shared.ensemble.version()
        {
            return Err(Failure::Learner(Refusal::LaterConfiguration { sid: info.sid, version }));
        }
        self.sid = Some(info.sid);
        self.observer = info.observer;
        self.waits = waits;
        self.state = State::Registered;
        Ok(())
    }

    pub(super) const fn proved(&mut self, last_zxid: Zxid) {
        self.state = State::Proved(last_zxid);
    }

    pub(super) const fn vouched(&mut self) {
        if let State::Fed { vouched, .. } = &mut self.state {
            *vouched = true;
        }
    }

    pub(super) fn acknowledged(&mut self, zxid: Zxid) {
        if let State::Fed { acked, .. } = &mut self.state {
            *acked = zxid.max(*acked);
        }
    }

    /// The epoch is known: asks for the promise to follow no older one.
    pub(super) fn ask(&mut self, shared: &mut Shared, link: Link, epoch: i64) {
        if self.state == State::Registered && !self.waits {
            self.state = State::Asked;
            let protocol_version = PROTOCOL_VERSION;
            shared.tell_learner(link, ToLearner::LeaderInfo { epoch, protocol_version });
        }
    }

    /// A quorum has proved that nobody is ahead: brings it to the leader's history, or has the log files searched.
    pub(super) fn synchronise(&mut self, shared: &mut Shared, link: Link, epoch: i64) {
        let State::Proved(last) = self.state else { return };
        let plan = match shared.options.force_snapshot {
            true => Plan::Snap,
            false => plan(last, epoch, shared.committed, &shared.recent),
        };
        match plan {
            Plan::SearchLog => {
                self.state = State::Searching(last);
                shared.act(Action::SearchLog(link, last));
            }
            Plan::Diff(from) => {
                shared.tell_learner(link, ToLearner::Diff(shared.committed.max(from)));
                self.feed_from(shared, link, from, epoch);
            }
            Plan::Trunc(to) => {
                shared.tell_learner(link, ToLearner::Trunc(to));
                self.feed_from(shared, link, to, epoch);
            }
            Plan::Snap => self.feed_snapshot(shared, link, epoch),
        }
    }

    /// What the log files have: the transactions behind `from` up to those in memory, or too little.
    pub(super) fn searched(&mut self, shared: &mut Shared, link: Link, found: bool, epoch: i64) {
        let State::Searching(from) = self.state else { return };
        if found {
            let until = shared.recent.base();
            shared.tell_learner(link, ToLearner::Diff(shared.committed));
            shared.act(Action::SendLog { link, from, until });
            self.feed_from(shared, link, until, epoch);
        } else {
            self.feed_snapshot(shared, link, epoch);
        }
    }

    fn feed_snapshot(&mut self, shared: &mut Shared, link: Link, epoch: i64) {
        shared.act(Action::SendSnapshot(link, shared.committed));
        self.feed_from(shared, link, shared.committed, epoch);
    }

    /// What is committed behind `from`, what is proposed, then NEWLEADER.
    fn feed_from(&mut self, shared: &mut Shared, link: Link, from: Zxid, epoch: i64) {
        let rest: Vec<_> = shared.recent.after(from).cloned().collect();
        for (zxid, txn) in rest {
            let committed = zxid <= shared.committed;
            if committed || !self.observer {
                shared.tell_learner(link, ToLearner::Proposal(zxid, txn));
            }
            if committed {
                shared.tell_learner(link, ToLearner::Commit(zxid));
            }
        }
        let config = Some(shared.ensemble.latest().to_string().into());
        shared.tell_learner(link, ToLearner::NewLeader { epoch, config });
        self.state = State::Fed { acked: shared.committed, vouched: false, serves: false };
    }

    /// The leader serves: so may it, once it has acknowledged NEWLEADER.
    pub(super) fn serve(&mut self, shared: &mut Shared, link: Link) {
        if let State::Fed { vouched: true, serves: serves @ false, .. } = &mut self.state {
            *serves = true;
            shared.tell_learner(link, ToLearner::UpToDate);
        }
    }
}
