//! Members with a real node: what Zab wants done concerns it, and what it wants done concerns Zab and other members.

use super::{Due, TICK_MS, World, figures::Figure};
use crate::{
    files::Files,
    network::Down,
    properties::Fact,
    server::{Server, rebuild},
    variant::Variant,
};
use bytes::Bytes;
use oxkeeper::{
    node::{self, MemberAction, MemberEvent},
    zab::Action,
};
use oxkeeper_codec::{
    ServerId, Zxid,
    learner::{ToLeader, ToLearner},
    txn::LoggedTxn,
};

impl World {
    /// A member that has just started gets its node.
    pub(super) fn start_node(&mut self, id: ServerId) {
        let member = self.members.get_mut(&id).unwrap();
        let read = member.files.as_mut().and_then(Files::take_state);
        if !self.with.nodes() {
            return;
        }
        let state = read.unwrap_or_else(|| rebuild(member.disk.log()));
        let (now_ms, start) = (member.clock.shows(self.now_ms), member.start);
        let server = Server::start(id, state, self.clients.new_sessions(), now_ms);
        if let Some(running) = &mut member.running {
            running.server = Some(server);
        }
        self.has_state(id);
        self.after(TICK_MS, Due::Tick(id, start));
    }

    /// Something happens to a member's node.
    pub(super) fn node(&mut self, id: ServerId, event: node::Event) {
        let member = self.members.get_mut(&id).unwrap();
        let now_ms = member.clock.shows(self.now_ms);
        let Some(server) = member.running.as_mut().and_then(|running| running.server.as_mut()) else {
            return;
        };
        if let node::Event::Member(MemberEvent::Lead(_) | MemberEvent::Follow) = event
            && server.node.holds()
        {
            self.figures.count(Figure::Kept, server.node.sessions().conns().count());
        }
        for action in server.step(now_ms, event) {
            match action {
                node::Action::Append(batch) => {
                    batch.into_shared().for_each(|(zxid, txn)| self.propose(id, zxid, txn));
                }
                node::Action::Deliver(deliveries) => self.delivered(deliveries),
                node::Action::OverQuota(_) => {}
                node::Action::Member(action) => self.member_action(id, action),
            }
        }
        self.apply(id);
    }

    fn propose(&mut self, id: ServerId, zxid: Zxid, txn: Bytes) {
        let member = self.members.get_mut(&id).unwrap();
        let now_ms = member.clock.shows(self.now_ms);
        let Some(running) = &mut member.running else { return };
        // It may have lost its lead by now: the node hears of it soon.
        let Some(next) = running.zab.next_zxid() else { return };
        assert_eq!(next, zxid, "node and Zab number alike");
        let actions = running.zab.propose(now_ms, txn.clone());
        self.proposes(id, (zxid, txn));
        self.act(id, actions);
        if self.variant == Variant::CommittedWhenProposed {
            self.node(id, node::Event::Committed(zxid));
        }
    }

    fn member_action(&mut self, id: ServerId, action: MemberAction) {
        let Some(running) = &mut self.members.get_mut(&id).unwrap().running else { return };
        let leader = running.zab.leader_link();
        let packet = match action {
            MemberAction::Forward(request) => ToLeader::Request(request),
            MemberAction::AskFor { session, timeout_ms } => ToLeader::Revalidate { session, timeout_ms },
            MemberAction::Answer { link, session, valid } => {
                let packet = ToLearner::Revalidated { session, valid };
                return self.send_down(link, Down::Packet(packet));
            }
            MemberAction::AnswerSync(link) => {
                return self.send_down(link, Down::Packet(ToLearner::Sync));
            }
            MemberAction::Sync(link) => {
                let actions = running.zab.sync_requested(link);
                return self.act(id, actions);
            }
        };
        if let Some(link) = leader {
            self.send_up(link, packet);
        }
    }

    /// A learner takes a proposal into its log: its node hears of it. What a leader proposes, its own has already.
    pub(super) fn learn(&mut self, id: ServerId, txn: &Bytes) {
        let server = self.members[&id].running.as_ref().and_then(|running| running.server.as_ref());
        if server.is_some_and(|server| !server.node.decides()) {
            let logged = LoggedTxn::from_bytes(txn).unwrap();
            self.node(id, node::Event::Member(MemberEvent::Proposal(logged)));
        }
    }

    /// What a leader and its learners tell each other of clients.
    pub(super) fn of_clients(&mut self, id: ServerId, action: Action) {
        let running = self.members[&id].running.as_ref();
        let leader = running.and_then(|running| running.zab.leader_link());
        let event = match action {
            // What an observer has heard of its follower hands on.
            Action::Touched(_, touched) if leader.is_some() => {
                let zxid = Zxid::ZERO;
                return leader.into_iter().for_each(|link| {
                    self.send_up(link, ToLeader::Ping { zxid, touched: touched.clone() });
                });
            }
            Action::Touched(link, sessions) => MemberEvent::Touched(link, sessions),
            Action::Revalidate { link, session, timeout_ms } => {
                MemberEvent::Revalidate { link, session, timeout_ms }
            }
            Action::Revalidated(session, valid) => MemberEvent::Revalidated(session, valid),
            Action::Forwarded(link, request) => MemberEvent::Forwarded(link, request),
            Action::SyncedWithLeader => MemberEvent::Synced,
            _ => unreachable!("not of clients"),
        };
        self.node(id, node::Event::Member(event));
    }

    /// A node applies all that is committed, and answers.
    pub(super) fn apply(&mut self, id: ServerId) {
        loop {
            let running = self.members.get_mut(&id).unwrap().running.as_mut();
            let Some(batch) = running.and_then(|running| running.server.as_mut()?.apply()) else { return };
            self.has_state(id);
            self.answered(&batch);
        }
    }

    fn has_state(&mut self, id: ServerId) {
        let server = self.members[&id].running.as_ref().and_then(|running| running.server.as_ref());
        if let Some((zxid, digest)) = server.map(Server::state) {
            self.properties.see(Fact::HasState { member: id, zxid, digest });
        }
    }
}
