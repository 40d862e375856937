//! What members tell each other of clients, and what becomes of those who are here: where sessions are, which of them live, and whose
//! connections outlive a leader.

use super::{super::shard::Item, Sequencer};
use crate::{
    node::{Event, MemberEvent},
    server::peers::Command,
    zab::{Action, Link},
};
use oxkeeper_codec::{SessionId, Zxid, learner::ToLeader};

impl Sequencer {
    /// What concerns clients, here or on another member.
    pub(super) fn clients_action(&mut self, action: Action) {
        let event = match action {
            Action::Touched(_, sessions) if !self.node.decides() => {
                return self.heard_by_observers(&sessions);
            }
            Action::Touched(link, sessions) => MemberEvent::Touched(link, sessions),
            Action::Revalidate { link, session, timeout_ms } => {
                MemberEvent::Revalidate { link, session, timeout_ms }
            }
            Action::Revalidated(session, valid) => MemberEvent::Revalidated(session, valid),
            Action::Forwarded(link, request) => return self.forwarded(link, request),
            Action::SyncedWithLeader => MemberEvent::Synced,
            _ => return,
        };
        self.step_node(Event::Member(event));
    }

    /// Of those who are kept without a leader, the silent ones are not: see `node/holding.rs`.
    pub(super) fn close_silent(&self) {
        if self.node.holds() {
            self.tell_workers(|| Item::CloseSilent);
        }
    }

    /// Answers the leader at once, and asks the workers for the sessions that they have heard of since the last time: they
    /// follow in a PING of their own.
    pub(super) fn pinged(&mut self, link: Link, zxid: Zxid) {
        self.tell(Command::ToLeader(link, ToLeader::Ping { zxid, touched: Vec::new() }));
        let Some(member) = &mut self.member else { return };
        let heard_by_observers = std::mem::take(&mut member.heard_by_observers);
        if !heard_by_observers.is_empty() {
            self.touched(&heard_by_observers.into_iter().collect::<Vec<_>>());
        }
        let Some(member) = &mut self.member else { return };
        let since_ms = std::mem::replace(&mut member.touches_since_ms, self.hub.clock.elapsed_ms());
        self.tell_workers(|| Item::Touches(since_ms));
    }

    /// Observers of this follower have heard from these sessions: its leader is told when it asks next.
    fn heard_by_observers(&mut self, sessions: &[(SessionId, i32)]) {
        let known = |(session, _): &&(SessionId, i32)| self.node.sessions().global.knows(*session);
        let known = sessions.iter().filter(known).map(|(session, _)| *session);
        if let Some(member) = &mut self.member {
            member.heard_by_observers.extend(known);
        }
    }

    /// The leader hears which sessions live.
    pub(super) fn touched(&mut self, sessions: &[SessionId]) {
        let Some(link) = self.member.as_ref().and_then(|member| member.zab.leader_link()) else { return };
        let known = |&session: &SessionId| Some((session, self.node.sessions().global.timeout_ms(session)?));
        let touched = sessions.iter().filter_map(known).collect();
        let zxid = self.tree.tree().last_zxid();
        self.tell(Command::ToLeader(link, ToLeader::Ping { zxid, touched }));
    }
}
