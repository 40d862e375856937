//! Election: who is to lead (`FastLeaderElection`; in the TLA+ specification of the official system the actions
//! `ReceiveNotmsg` and `NotmsgTimeout`).
//!
//! Each voter begins with a vote for itself and takes over any greater one that it hears of in its round; a quorum that
//! agrees decides. A member that finds a quorum following one leader joins it.
//!
//! It ends at once when every voter that can be reached has said the same, and after [`FINALIZE_WAIT_MS`] at the latest.
//! Haste costs a round and never a transaction: whoever is ahead of the one that was chosen is found in discovery.

use super::{
    quorum::{Members, Quorums},
    vote::{Ballot, Ballots, Vote},
};
use oxkeeper_codec::{
    ServerId,
    election::{Notification, PeerState},
};
use std::collections::BTreeMap;

/// So long (ms) a quorum that agrees waits for a greater vote of those who have not spoken yet.
pub const FINALIZE_WAIT_MS: i64 = 200;
/// Between two times that everybody is told, in ms: doubled each time.
const FIRST_RESEND_MS: i64 = 200;
/// The longest time between them (`fastleader.maxNotificationInterval`), in ms.
const LONGEST_RESEND_MS: i64 = 60_000;

/// With such a time between them, those who vote in the next configuration only are not voted for any more, in ms: others may
/// not know them.
const NARROW_RESEND_MS: i64 = 1600;

/// How an election ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Elected {
    /// For whom, and with which history.
    pub(super) vote: Vote,
    /// In which round.
    pub(super) round: i64,
    /// Who agreed.
    pub(super) supporters: Members,
}

/// An election under way, as one member sees it.
#[derive(Debug, Clone)]
pub(super) struct Election {
    me: ServerId,
    /// Its own claim; [`Vote::NONE`] for those who have no vote.
    own: Vote,
    round: i64,
    proposed: Vote,
    /// Votes of this round.
    received: Ballots,
    /// Votes of those who have a leader.
    settled: Ballots,
    /// When it ends with what a quorum has agreed to, in ms of the elapsed clock.
    decide_at: Option<i64>,
    resend_at: i64,
    resend_ms: i64,
    /// Who is to be told the vote.
    tell: Members,
    /// What was said by those who were answered because of it, where two could answer each other for ever. They are told when the
    /// vote changes: they may have decided by what it was.
    answered: BTreeMap<ServerId, Ballot>,
    /// Whether nobody is passed over because of being out of reach.
    waits_for_all: bool,
}

impl Election {
    /// Begins the round behind `last_round` with a vote for itself. A round that others may remember must not come twice:
    /// what this member has may be less by now.
    ///
    /// `waits_for_all`: also for who cannot be reached, as officially. A member that took its election for decided because somebody
    /// was out of reach, and was wrong, would be as wrong at once in the next round, and for ever.
    pub(super) fn begin(
        me: ServerId,
        own: Vote,
        last_round: i64,
        waits_for_all: bool,
        quorums: &Quorums,
        now_ms: i64,
    ) -> Self {
        let mut election = Self {
            me,
            own,
            round: last_round + 1,
            proposed: own,
            received: Ballots::default(),
            settled: Ballots::default(),
            decide_at: None,
            resend_at: now_ms + FIRST_RESEND_MS,
            resend_ms: FIRST_RESEND_MS,
            tell: Members::new(),
            answered: BTreeMap::new(),
            waits_for_all,
        };
        election.count_own(quorums);
        election.tell_all(quorums);
        election
    }

    /// The round that is under way (`logicalclock`).
    pub(super) const fn round(&self) -> i64 {
        self.round
    }

    /// The vote as it is now.
    pub(super) const fn vote(&self) -> Vote {
        self.proposed
    }

    /// Those who may take this member for their leader: it has told them that it votes for itself, and those with a vote have said
    /// the same.
    pub(super) fn believers(&self) -> Members {
        if self.proposed.leader != self.me {
            return Members::new();
        }
        let own = Ballot { vote: self.proposed, round: self.round, state: PeerState::Looking };
        let mut believers = self.received.for_same(&own);
        believers.extend(self.answered.keys());
        believers.remove(&self.me);
        believers
    }

    /// Who is to be told the vote now.
    pub(super) fn take_told(&mut self) -> Members {
        std::mem::take(&mut self.tell)
    }

    /// When [`Election::wake`] is due, in ms of the elapsed clock.
    pub(super) fn deadline_ms(&self) -> i64 {
        self.decide_at.map_or(self.resend_at, |at| at.min(self.resend_at))
    }

    /// A connection to that member has come about: it may have missed what was said.
    pub(super) fn reached(&mut self, peer: ServerId) {
        self.tell.insert(peer);
    }

    /// What a member says to one that has decided already.
    pub(super) fn overhears(&mut self, from: ServerId, said: &Notification, quorums: &Quorums) {
        if said.election_epoch == self.round && quorums.is_voter(from) && quorums.is_voter(said.leader) {
            self.received.put(from, Ballot::of(said));
        }
    }

    /// Whether the round goes on without a member that took it for decided: somebody has a greater vote in it, and what this member
    /// has is what it claimed.
    pub(super) fn goes_on(&self, own: Vote, quorums: &Quorums) -> bool {
        self.own == own && self.greatest_heard(quorums).is_some_and(|vote| vote > self.proposed)
    }

    /// Takes part again, with the greatest vote, and waits for everybody. Each time the vote becomes greater: there is an end to it.
    /// To begin another round would pull those away who are about to decide this one.
    pub(super) fn go_on(&mut self, now_ms: i64, quorums: &Quorums) {
        self.waits_for_all = true;
        (self.resend_ms, self.resend_at) = (FIRST_RESEND_MS, now_ms + FIRST_RESEND_MS);
        if let Some(vote) = self.greatest_heard(quorums) {
            self.proposed = vote.max(self.proposed);
        }
        self.changed(quorums);
    }

    /// Of itself it knows better than others what it has.
    fn greatest_heard(&self, quorums: &Quorums) -> Option<Vote> {
        let heard = self.received.votes().filter(|vote| vote.leader != self.me || *vote == self.own);
        heard.filter(|vote| self.is_eligible(vote.leader, quorums)).max()
    }

    /// What a member says. `unreachable`: who is known to be so; nobody waits for them.
    pub(super) fn notified(
        &mut self,
        now_ms: i64,
        from: ServerId,
        said: &Notification,
        quorums: &Quorums,
        unreachable: &Members,
    ) -> Option<Elected> {
        let ballot = Ballot::of(said);
        if !quorums.is_voter(from) {
            // Those without a vote ask.
            self.answer_once(from, ballot);
            return None;
        }
        if !quorums.is_voter(said.leader) {
            // Of one that has a vote in the next configuration only: it has heard of nobody, and its round counts.
            if said.state == PeerState::Looking && ballot.round > self.round {
                self.begin_round(ballot.round, self.own_vote(quorums), quorums);
            }
            return None;
        }
        match said.state {
            PeerState::Looking => self.looking(now_ms, from, ballot, quorums, unreachable),
            PeerState::Following | PeerState::Leading => self.settled(from, ballot, quorums),
            PeerState::Observing => None,
        }
    }

    fn looking(
        &mut self,
        now_ms: i64,
        from: ServerId,
        ballot: Ballot,
        quorums: &Quorums,
        unreachable: &Members,
    ) -> Option<Elected> {
        if ballot.round < self.round {
            if quorums.is_voter(self.me) {
                self.tell.insert(from);
            } else {
                self.answer_once(from, ballot);
            }
            return None;
        }
        if ballot.vote.leader == self.me && ballot.vote != self.own {
            // What this member has had before its log was cut. Whoever still votes for that has to forget it.
            self.begin_round(ballot.round + 1, self.own_vote(quorums), quorums);
            return None;
        }
        let eligible = self.is_eligible(ballot.vote.leader, quorums);
        if ballot.round > self.round {
            let own = self.own_vote(quorums);
            let proposed = if eligible { own.max(ballot.vote) } else { own };
            self.begin_round(ballot.round, proposed, quorums);
        } else if eligible && ballot.vote > self.proposed {
            self.proposed = ballot.vote;
            self.changed(quorums);
        }
        self.received.put(from, ballot);
        self.reconsider(now_ms, quorums, unreachable)
    }

    /// A quorum that has a leader is joined. That of the configuration in force decides: whether the next one has come, the leader
    /// knows. To lead itself, this member needs both.
    fn settled(&mut self, from: ServerId, ballot: Ballot, quorums: &Quorums) -> Option<Elected> {
        let mut needed = quorums.clone();
        if ballot.vote.leader != self.me {
            needed.next = None;
        }
        if ballot.round == self.round {
            self.received.put(from, ballot);
            if self.received.are_for(&ballot, &needed) && self.leads(&self.received, &ballot) {
                return Some(elected(&self.received, &ballot));
            }
        }
        self.settled.put(from, ballot);
        if self.settled.are_for(&ballot, &needed) && self.leads(&self.settled, &ballot) {
            return Some(elected(&self.settled, &ballot));
        }
        None
    }

    /// Whether the leader that a ballot names says so itself. Those who are told to lead by others must have been in the
    /// same round.
    fn leads(&self, ballots: &Ballots, ballot: &Ballot) -> bool {
        if ballot.vote.leader == self.me {
            self.round == ballot.round
        } else {
            ballots.get(ballot.vote.leader).is_some_and(|own| own.state == PeerState::Leading)
        }
    }

    /// Whether what was said decides, now that others may be out of reach.
    pub(super) fn reconsider(
        &mut self,
        now_ms: i64,
        quorums: &Quorums,
        unreachable: &Members,
    ) -> Option<Elected> {
        let ballot = Ballot { vote: self.proposed, round: self.round, state: PeerState::Looking };
        let agreed = self.received.for_same(&ballot);
        if self.proposed == Vote::NONE || !quorums.are_met_by(&agreed) {
            self.decide_at = None;
            return None;
        }
        let is_passed_over = |id| !self.waits_for_all && unreachable.contains(id);
        let all_said = quorums.voters().iter().all(|id| agreed.contains(id) || is_passed_over(id));
        let leader = self.proposed.leader;
        let leader_lives = !unreachable.contains(&leader);
        let decide_at = *self.decide_at.get_or_insert(now_ms + FINALIZE_WAIT_MS);
        if (all_said && leader_lives) || now_ms >= decide_at {
            return Some(Elected { vote: self.proposed, round: self.round, supporters: agreed });
        }
        None
    }

    /// Time has passed.
    pub(super) fn wake(&mut self, now_ms: i64, quorums: &Quorums, unreachable: &Members) -> Option<Elected> {
        if now_ms >= self.resend_at {
            self.resend_ms = (self.resend_ms * 2).min(LONGEST_RESEND_MS);
            self.resend_at = now_ms + self.resend_ms;
            if self.is_narrow() && !self.is_eligible(self.proposed.leader, quorums) {
                self.proposed = self.own_vote(quorums);
                self.decide_at = None;
                self.count_own(quorums);
            }
            self.tell_all(quorums);
        }
        self.reconsider(now_ms, quorums, unreachable)
    }

    const fn is_narrow(&self) -> bool {
        self.resend_ms >= NARROW_RESEND_MS
    }

    /// Whether this one may be voted for.
    fn is_eligible(&self, id: ServerId, quorums: &Quorums) -> bool {
        if self.is_narrow() { quorums.current.can_lead(id) } else { quorums.can_lead(id) }
    }

    /// A vote for itself, if it may be voted for.
    fn own_vote(&self, quorums: &Quorums) -> Vote {
        if self.is_narrow() && !self.is_eligible(self.me, quorums) { Vote::NONE } else { self.own }
    }

    /// Two without a vote, or one that is behind another without one, would answer each other for ever.
    fn answer_once(&mut self, from: ServerId, ballot: Ballot) {
        if self.answered.insert(from, ballot) != Some(ballot) {
            self.tell.insert(from);
        }
    }

    fn begin_round(&mut self, round: i64, proposed: Vote, quorums: &Quorums) {
        (self.round, self.proposed) = (round, proposed);
        self.received.clear();
        self.changed(quorums);
    }

    fn changed(&mut self, quorums: &Quorums) {
        self.decide_at = None;
        self.count_own(quorums);
        self.tell_all(quorums);
        self.tell.extend(self.answered.keys());
    }

    fn count_own(&mut self, quorums: &Quorums) {
        if quorums.is_voter(self.me) {
            let own = Ballot { vote: self.proposed, round: self.round, state: PeerState::Looking };
            self.received.put(self.me, own);
        }
    }

    fn tell_all(&mut self, quorums: &Quorums) {
        self.tell.extend(quorums.voters());
        self.tell.remove(&self.me);
    }
}

fn elected(ballots: &Ballots, ballot: &Ballot) -> Elected {
    Elected { vote: ballot.vote, round: ballot.round, supporters: ballots.for_same(ballot) }
}
