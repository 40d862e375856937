//! One member, told one thing after another: which actions come, and in which order.

mod diskless;
mod electing;
mod isolated;
mod leader;
mod learner;
mod masters;
mod pausing;
mod reconfiguring;

use super::{Action, Ensemble, Event, Link, ObserverPauses, Options, RecentBounds, Stored, Zab};
use crate::membership::Membership;
use bytes::Bytes;
use oxkeeper_codec::{
    PacketType, ServerId, Zxid,
    election::{Notification, PeerState},
    learner::{LearnerInfo, PROTOCOL_VERSION, ToLeader, ToLearner},
};

const LINK: Link = Link(7);

fn zxid(epoch: i64, counter: i64) -> Zxid {
    Zxid((epoch << 32) + counter)
}

fn txn(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

fn stored(accepted_epoch: i64, current_epoch: i64, last_zxid: Zxid) -> Stored {
    Stored { accepted_epoch, current_epoch, last_zxid }
}

/// Servers 1 to 3 vote; server 4 observes.
const MEMBERS: &str = "server.1=a:1:2:participant\nserver.2=b:1:2:participant\nserver.3=c:1:2:participant\n\
                       server.4=d:1:2:observer\nversion=0";

fn membership(text: &str) -> Membership {
    Membership::parse(text).expect("members")
}

/// What a follower says of itself first.
const fn info(sid: i64) -> LearnerInfo {
    LearnerInfo {
        observer: false,
        accepted_epoch: 1,
        sid: ServerId(sid),
        protocol_version: PROTOCOL_VERSION,
        config_version: Some(0),
    }
}

/// A member of three that vote, server 1 to 3, and one that observes.
struct Script {
    zab: Zab,
    now_ms: i64,
    /// What was to be done and was not looked at yet.
    actions: Vec<Action>,
}

impl Script {
    fn new(me: i64, stored: Stored) -> Self {
        Self::of(me, stored, Ensemble::from(&membership(MEMBERS)))
    }

    fn of(me: i64, stored: Stored, ensemble: Ensemble) -> Self {
        Self::made(me, stored, ensemble, |_| {})
    }

    /// With other options.
    fn with(me: i64, stored: Stored, change: impl FnOnce(&mut Options)) -> Self {
        Self::made(me, stored, Ensemble::from(&membership(MEMBERS)), change)
    }

    fn made(me: i64, stored: Stored, ensemble: Ensemble, change: impl FnOnce(&mut Options)) -> Self {
        let recent = RecentBounds { count: 500, bytes: 1 << 20 };
        let mut options = Options {
            init_ms: 2000,
            sync_ms: 1000,
            connect_ms: 2000,
            ping_ms: 100,
            epoch_wait_ms: None,
            read_only_after_ms: None,
            force_snapshot: false,
            observer_keeps: true,
            observer_masters: false,
            observer_pauses: ObserverPauses::NONE,
            recent,
        };
        change(&mut options);
        let zab = Zab::new(ServerId(me), options, ensemble, stored, 0);
        let mut script = Self { zab, now_ms: 0, actions: Vec::new() };
        script.tell(Event::Wake);
        script
    }

    fn tell(&mut self, event: Event) {
        let actions = self.zab.step(self.now_ms, event);
        self.actions.extend(actions);
    }

    /// What was to be done since this was asked last.
    fn done(&mut self) -> Vec<Action> {
        std::mem::take(&mut self.actions)
    }

    fn wait(&mut self, ms: i64) {
        self.now_ms += ms;
        self.tell(Event::Wake);
    }

    /// Another member says how it votes, as in round 1 unless said otherwise.
    fn hears_vote(&mut self, from: i64, state: PeerState, leader: i64, zxid: Zxid, peer_epoch: i64) {
        self.hears_vote_of_round(1, from, state, leader, zxid, peer_epoch);
    }

    fn hears_vote_of_round(
        &mut self,
        election_epoch: i64,
        from: i64,
        state: PeerState,
        leader: i64,
        zxid: Zxid,
        peer_epoch: i64,
    ) {
        let leader = ServerId(leader);
        let said = Notification { state, leader, zxid, election_epoch, peer_epoch, config: None };
        self.tell(Event::Notified(ServerId(from), said));
    }

    /// Servers 3 and 2 say that 3 leads, and its port is reached.
    fn reaches_leader(&mut self, peer_epoch: i64) {
        self.hears_vote(3, PeerState::Leading, 3, zxid(1, 5), peer_epoch);
        self.hears_vote(2, PeerState::Following, 3, zxid(1, 5), peer_epoch);
        self.tell(Event::Dialled(LINK));
    }

    /// The leader says which epoch it begins, and the promise is durable.
    fn promises(&mut self, epoch: i64) {
        self.says(ToLearner::LeaderInfo { epoch, protocol_version: PROTOCOL_VERSION });
        self.tell(Event::AcceptedEpochStored(epoch));
    }

    fn says(&mut self, packet: ToLearner) {
        self.tell(Event::FromLeader(LINK, packet));
    }

    fn learner_says(&mut self, link: u64, packet: ToLeader) {
        self.tell(Event::FromLearner(Link(link), packet));
    }

    /// The packets that were to be sent to the leader.
    fn told_leader(&mut self) -> Vec<ToLeader> {
        let told = |action| if let Action::ToLeader(_, packet) = action { Some(packet) } else { None };
        self.done().into_iter().filter_map(told).collect()
    }

    /// The packets that were to be sent to one learner.
    fn told_learner(&mut self, link: u64) -> Vec<ToLearner> {
        let told = |action| match action {
            Action::ToLearners(links, packet) if links.contains(&Link(link)) => Some(packet),
            _ => None,
        };
        self.done().into_iter().filter_map(told).collect()
    }
}
