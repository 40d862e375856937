//! Choosing a leader, as the whole member sees it: what is heard and said of elections, and the way into one and out of it.
//!
//! Invariant: a member says of itself what it is now; whoever has just come hears it at once.

use super::{
    Action, Event, Failure, State, Zab,
    election::{Elected, Election},
    isolation::Isolation,
    leading::Leading,
    learning::Learning,
    quorum::Members,
    shared::Shared,
    vote::Vote,
};
use oxkeeper_codec::{
    ServerId, Zxid,
    election::{Notification, PeerState},
};

impl Zab {
    pub(super) fn election_event(&mut self, now_ms: i64, event: Event) -> Result<(), Failure> {
        match event {
            Event::Reachable(peer) => {
                self.shared.unreachable.remove(&peer);
                match &mut self.state {
                    State::Settling => {}
                    State::Looking(election, _) => election.reached(peer),
                    // Whoever has just come hears at once who leads. Besides, an official member that may be logged in to
                    // (`quorum.auth.enableSasl`) takes a connection only once something was said over it.
                    State::Learning(_) | State::Leading(_) => {
                        if let State::Learning(learning) = &mut self.state {
                            learning.met(&self.shared, peer);
                        }
                        let notification = self.notification();
                        self.shared.act(Action::Notify(Members::from([peer]), notification));
                    }
                }
            }
            Event::Unreachable(peer) => {
                self.shared.unreachable.insert(peer);
                self.reconsider(now_ms);
                if let State::Leading(leading) = &self.state {
                    leading.check_hope(&self.shared)?;
                }
            }
            Event::Notified(from, said) => {
                self.shared.unreachable.remove(&from);
                if let Some(decided) = &mut self.decided {
                    decided.overhears(from, &said, self.shared.quorums());
                }
                if let State::Learning(learning) = &mut self.state {
                    learning.notified(&self.shared, from, &said)?;
                }
                self.notified(now_ms, from, &said);
                if let State::Leading(leading) = &mut self.state {
                    leading.notified(&self.shared, from, &said, now_ms)?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn reconsider(&mut self, now_ms: i64) {
        if let State::Looking(election, _) = &mut self.state {
            let Shared { ensemble, unreachable, .. } = &self.shared;
            let elected = election.reconsider(now_ms, ensemble.quorums(), unreachable);
            self.elected(now_ms, elected);
        }
    }

    fn notified(&mut self, now_ms: i64, from: ServerId, said: &Notification) {
        if matches!(self.state, State::Looking(..)) && self.takes_configuration(said) {
            return;
        }
        if let State::Looking(election, _) = &mut self.state {
            let Shared { ensemble, unreachable, .. } = &self.shared;
            let elected = election.notified(now_ms, from, said, ensemble.quorums(), unreachable);
            self.elected(now_ms, elected);
        } else if matches!(self.state, State::Learning(_) | State::Leading(_))
            && (said.state == PeerState::Looking || !self.shared.quorums().is_voter(from))
        {
            let notification = self.notification();
            self.shared.act(Action::Notify(Members::from([from]), notification));
        }
    }

    /// A member that elects takes a later configuration from whoever tells it: it is in force there. True: with other members,
    /// so that the election begins anew.
    fn takes_configuration(&mut self, said: &Notification) -> bool {
        let told = said.config.as_ref().and_then(|text| self.shared.ensemble.later(text));
        let Some(change) = told.and_then(|told| self.shared.activate(told)) else { return false };
        if change.members {
            self.leave_election();
            self.state = State::Settling;
        }
        change.members
    }

    pub(super) fn elected(&mut self, now_ms: i64, elected: Option<Elected>) {
        let Some(Elected { vote, round, supporters }) = elected else { return };
        let believers = match &self.state {
            State::Looking(election, _) if vote.leader != self.shared.me => election.believers(),
            _ => Members::new(),
        };
        self.leave_election();
        // Whatever is left to be told: the others need it to end their elections.
        self.speak();
        if let State::Looking(election, _) = std::mem::replace(&mut self.state, State::Settling) {
            self.decided = Some(election);
        }
        (self.shared.round, self.shared.vote) = (round, vote);
        self.shared.last_round = self.shared.last_round.max(round);
        self.begin_under(vote.leader, supporters, now_ms);
        if !believers.is_empty() {
            let notification = self.notification();
            self.shared.act(Action::Notify(believers, notification));
        }
    }

    /// The election is over, or begins anew.
    fn leave_election(&mut self) {
        if let State::Looking(election, isolation) = &self.state {
            self.shared.last_round = self.shared.last_round.max(election.round());
            isolation.end(&mut self.shared);
        }
    }

    /// Whom the last leader has named leads, without an election: discovery finds out who is ahead. That it has the change that is in
    /// force now is all that others know of it, and what the official ones tell.
    fn succeed(&mut self, leader: ServerId, now_ms: i64) {
        let shared = &mut self.shared;
        let change = Zxid(shared.ensemble.current().version());
        let vote = Vote { peer_epoch: shared.current_epoch, zxid: change, leader };
        (shared.round, shared.vote) = (shared.last_round, vote);
        let supporters = shared.quorums().voters();
        self.begin_under(leader, supporters, now_ms);
    }

    fn begin_under(&mut self, leader: ServerId, supporters: Members, now_ms: i64) {
        self.shared.act(Action::Chosen { leader, took_ms: now_ms - self.looking_since_ms });
        self.state = if leader == self.shared.me {
            State::Leading(Leading::begin(&mut self.shared, supporters, now_ms))
        } else {
            State::Learning(Learning::begin(&mut self.shared, leader, now_ms))
        };
    }

    /// What this member tells others now.
    fn notification(&self) -> Notification {
        let shared = &self.shared;
        let (state, vote, election_epoch) = match &self.state {
            State::Settling => (PeerState::Looking, shared.own_vote(), shared.round),
            State::Looking(election, _) => (PeerState::Looking, election.vote(), election.round()),
            State::Learning(_) if shared.observes() => (PeerState::Observing, shared.vote, shared.round),
            State::Learning(_) => (PeerState::Following, shared.vote, shared.round),
            State::Leading(_) => (PeerState::Leading, shared.vote, shared.round),
        };
        let Vote { peer_epoch, zxid, leader } = vote;
        let config = Some(shared.ensemble.text());
        Notification { state, leader, zxid, election_epoch, peer_epoch, config }
    }

    pub(super) fn resign(&mut self, now_ms: i64, failure: Failure) {
        if let (State::Learning(learning), Failure::LeaderSilent) = (&self.state, &failure)
            && learning.leader() == self.shared.vote.leader
        {
            self.shared.unreachable.insert(learning.leader());
        }
        self.leave_election();
        if !matches!(self.state, State::Settling) {
            if !matches!(failure, Failure::Reconfigured | Failure::HandedOver) {
                self.shared.successor = None;
            }
            let was_left =
                matches!(failure, Failure::NoHope | Failure::LeaderElsewhere(_) | Failure::TurnedAway(_));
            self.shared.was_hasty = was_left;
            if !was_left {
                self.decided = None;
            }
            if matches!(self.state, State::Learning(_)) {
                let pause_ms = match failure {
                    // That leader will not give way to a member without a vote, and the next one may be long in coming.
                    Failure::OldEpoch { .. } if !self.shared.votes() => self.shared.options.ping_ms,
                    _ => self.shared.pause_ms(|it| it.election_ms),
                };
                self.pauses_until_ms = (pause_ms > 0).then_some(now_ms + pause_ms);
            }
            self.shared.act(Action::HangUpAll);
            self.shared.act(Action::Resign(failure));
            self.state = State::Settling;
            self.looking_since_ms = now_ms;
        }
    }

    /// Begins to elect, once everything is durable that has to be.
    pub(super) fn settle(&mut self, now_ms: i64) {
        let is_settled = self.shared.is_settled() && self.pauses_until_ms.is_none();
        if !matches!(self.state, State::Settling) || !is_settled {
            return;
        }
        self.shared.choose_to_keep();
        if !self.shared.is_settled() {
            return;
        }
        if let Some(leader) =
            self.shared.successor.take().filter(|&leader| self.shared.quorums().can_lead(leader))
        {
            self.succeed(leader, now_ms);
        } else {
            self.shared.act(Action::Look);
            let election = self.next_election(now_ms);
            self.state = State::Looking(election, Isolation::begin(&self.shared, now_ms));
            self.reconsider(now_ms);
        }
    }

    /// The one that was left too early, if it goes on, or another one.
    fn next_election(&mut self, now_ms: i64) -> Election {
        let shared = &self.shared;
        let (own, quorums) = (shared.own_vote(), shared.quorums());
        if let Some(mut election) = self.decided.take().filter(|it| it.goes_on(own, quorums)) {
            election.go_on(now_ms, quorums);
            return election;
        }
        Election::begin(shared.me, own, shared.last_round, shared.was_hasty, quorums, now_ms)
    }

    pub(super) fn speak(&mut self) {
        if let State::Looking(election, _) = &mut self.state {
            let told = election.take_told();
            if !told.is_empty() {
                let notification = self.notification();
                self.shared.act(Action::Notify(told, notification));
            }
        }
    }
}
