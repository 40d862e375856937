//! One learner, as its leader or its observer master knows it.

use super::Said;
use crate::membership::Membership;
use crate::zab::{
    Action, Failure, Link, Refusal,
    plan::{Plan, plan},
    shared::Shared,
};
use oxkeeper_codec::{
    ServerId, Zxid,
    learner::{LearnerInfo, PROTOCOL_VERSION, ToLeader, ToLearner},
};

/// After so many pings without an answer a link gives its place up to another one with the same id.
const SILENT_PINGS: i64 = 3;

/// How far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
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
        /// The change of the configuration that NEWLEADER has told it of, if that is none that is only proposed: a member may know of it
        /// without having it in its log, and it comes into force with the epoch.
        told: Option<i64>,
        /// Whether it has.
        vouched: bool,
        /// Whether it was told to serve.
        serves: bool,
    },
}

impl State {
    const fn name(self) -> &'static str {
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
pub(in crate::zab) struct Learner {
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

    pub(in crate::zab) const fn sid(&self) -> Option<ServerId> {
        self.sid
    }

    /// Where its log ends, if it waits to be synchronised.
    pub(in crate::zab) const fn proved(&self) -> Option<Zxid> {
        if let State::Proved(last) = self.state { Some(last) } else { None }
    }

    /// When it is given up unless it says something, in ms of the elapsed clock.
    pub(in crate::zab) const fn deadline_ms(&self) -> i64 {
        self.deadline_ms
    }

    pub(in crate::zab) const fn is_observer(&self) -> bool {
        self.observer
    }

    /// Whether its acknowledgements are a vote, if its id has one. One that observes and gets its vote with the next configuration
    /// has a say in whether that comes into force (`Leader.waitForNewLeaderAck`), if it was brought up with it: what is proposed
    /// later, it does not hear of before it is committed.
    pub(in crate::zab) fn counts(&self, shared: &Shared) -> bool {
        self.sid.is_some_and(|sid| !self.waits && (!self.observer || self.gets_vote(sid, shared)))
    }

    fn gets_vote(&self, sid: ServerId, shared: &Shared) -> bool {
        let Some(next) = shared.ensemble.next() else { return false };
        let hears_of_it = match self.state {
            State::Fed { acked, told, .. } => acked >= Zxid(next.version()) || told == Some(next.version()),
            _ => true,
        };
        hears_of_it && !shared.quorums().current.is_voter(sid) && shared.quorums().is_voter(sid)
    }

    /// Whether it waits for an older link with its id to end.
    pub(in crate::zab) const fn waits(&self) -> bool {
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

    pub(in crate::zab) const fn is_fed(&self) -> bool {
        matches!(self.state, State::Fed { .. })
    }

    /// What it vouches for.
    pub(in crate::zab) const fn vouches_for(&self) -> Option<Zxid> {
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

    /// What it says. `waits`: an older link has the id that it tells, or this member.
    pub(super) fn says(
        &mut self,
        shared: &mut Shared,
        link: Link,
        packet: ToLeader,
        waits: bool,
    ) -> Result<Said, Failure> {
        match (self.state, packet) {
            (State::Arrived, ToLeader::Info(info)) => {
                self.register(&info, shared, waits)?;
                if waits {
                    shared.act(Action::SameId(link, info.sid));
                }
                return Ok(Said::Registered(info));
            }
            (State::Asked, ToLeader::AckEpoch { last_zxid, current_epoch }) => {
                self.state = State::Proved(last_zxid);
                return Ok(Said::Promised { last_zxid, current_epoch });
            }
            (State::Fed { .. }, ToLeader::Ack(zxid)) => {
                self.acknowledged(zxid, shared)?;
                return Ok(Said::Acknowledged);
            }
            (State::Fed { .. }, ToLeader::Ping { touched, .. }) => {
                shared.act(Action::Touched(link, touched));
            }
            (State::Fed { .. }, ToLeader::Revalidate { session, timeout_ms }) => {
                shared.act(Action::Revalidate { link, session, timeout_ms });
            }
            (State::Fed { .. }, ToLeader::Request(request)) => shared.act(Action::Forwarded(link, request)),
            (state, packet) => {
                return Err(Failure::Learner(Refusal::Unexpected {
                    phase: state.name(),
                    packet: packet.kind(),
                }));
            }
        }
        Ok(Said::Nothing)
    }

    /// It says who it is. `waits`: an older link has its id, or this member.
    fn register(&mut self, info: &LearnerInfo, shared: &Shared, waits: bool) -> Result<(), Failure> {
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

    /// Its disk has this: NEWLEADER, and so all that came before it, or one proposal.
    fn acknowledged(&mut self, zxid: Zxid, shared: &Shared) -> Result<(), Failure> {
        let State::Fed { acked, vouched, .. } = &mut self.state else { return Ok(()) };
        if zxid.counter() == 0 {
            *vouched = true;
        } else if zxid > shared.given
            && let Some(sid) = self.sid
        {
            return Err(Failure::Learner(Refusal::Ahead { sid, last_zxid: zxid }));
        } else {
            *acked = zxid.max(*acked);
        }
        Ok(())
    }

    /// The epoch is known: asks for the promise to follow no older one.
    pub(in crate::zab) fn ask(&mut self, shared: &mut Shared, link: Link, epoch: i64) {
        if self.state == State::Registered && !self.waits {
            self.state = State::Asked;
            let protocol_version = PROTOCOL_VERSION;
            shared.tell_learner(link, ToLearner::LeaderInfo { epoch, protocol_version });
        }
    }

    /// A quorum has proved that nobody is ahead: brings it to the leader's history, or has the log files searched.
    pub(in crate::zab) fn synchronise(&mut self, shared: &mut Shared, link: Link, epoch: i64) {
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
        let is_proposed = |version: &i64| (shared.committed.0 + 1..=shared.given.0).contains(version);
        let told = shared.ensemble.next().map(Membership::version).filter(|version| !is_proposed(version));
        self.state = State::Fed { acked: shared.committed, told, vouched: false, serves: false };
    }

    /// The leader serves: so may it, once it has acknowledged NEWLEADER.
    pub(in crate::zab) fn serve(&mut self, shared: &mut Shared, link: Link) {
        if let State::Fed { vouched: true, serves: serves @ false, .. } = &mut self.state {
            *serves = true;
            shared.tell_learner(link, ToLearner::UpToDate);
        }
    }
}
