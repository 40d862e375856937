//! Through an election: a client that waits for nothing undecided keeps its connection. It goes on reading, and what else it asks is
//! held until there is a leader; and so are the handshakes of those who have lost theirs, with the leader, and come here.
//!
//! Officially all connections end with their leader. What stays undecided here ends its connection, too: the client has to find out
//! what has become of it. Of everybody else the next leader's history is the past as well. What they see meanwhile is what was
//! committed when the leader went: nothing is applied until it is settled, for a member that is to lead by the quorum that has
//! its history ([`MemberEvent::Settled`](super::MemberEvent::Settled)), for others by a leader that has one
//! ([`MemberEvent::Follow`](super::MemberEvent::Follow)). Before that, a leader-to-be counts as committed all that it has, and a learner what it
//! is told, and both may be cut again. Where that cannot wait ([`MemberEvent::LetGo`](super::MemberEvent::LetGo): a snapshot is to be sent, the tree
//! replaced, a configuration activated), and when there is no leader within a tick, they are closed.
//!
//! Invariants: no transaction is applied while clients are held and nothing is settled; what a connection has asked is judged in its order,
//! and before what it asks afterwards; what was asked before answers nobody who asks afterwards
//! ([`Forwarding::since`](super::authority::Forwarding::since)).
//!
//! A client that has moved on leaves a connection behind that its member takes for alive until it hears the end of it. What comes out of it
//! late is refused by the leader, who knows where the session is asked for; the next leader does not know that yet.
//! So the shell closes those who have been silent for longer than a client that lives would be ([`Node::holds`]).

use super::{
    Node, Now, Reason, Request,
    authority::{Authority, Forwarding, Holding},
    queue::Queued,
};
use crate::{session::ConnId, tree::Tree};
use std::collections::BTreeSet;

impl Node {
    /// Whether there is no leader, and connections are kept.
    pub const fn holds(&self) -> bool {
        matches!(self.authority, Authority::Holding(_))
    }

    /// Whether what is committed may be shown to clients.
    pub(super) const fn may_show(&self) -> bool {
        match &self.authority {
            Authority::Holding(holding) => holding.is_settled,
            Authority::Own(_) | Authority::Leader(_) | Authority::Nobody | Authority::ReadOnly => true,
        }
    }

    /// Whether something could be applied if nobody were held: whoever cannot wait lets them go ([`MemberEvent::LetGo`](super::MemberEvent::LetGo)).
    pub fn holds_back(&self) -> bool {
        !self.may_show() && self.queue.front_is_ready(self.committed)
    }

    /// This member is about to lead.
    pub(super) const fn settled(&mut self) {
        if let Authority::Holding(holding) = &mut self.authority {
            holding.is_settled = true;
        }
    }

    /// There is no leader any more: hangs up on those who wait for what nobody has decided, and on everybody where connections are not
    /// kept.
    pub(super) fn hold(&mut self, now: Now, mut forwarding: Option<Forwarding>) {
        let mut requests: Vec<Request> =
            self.queue.take_reads().into_iter().filter_map(asked_again).collect();
        let mut undecided = self.queue.forget_replies();
        if let Some(forwarding) = &mut forwarding {
            requests.extend(forwarding.take_reads().into_iter().filter_map(asked_again));
            undecided.extend(forwarding.conns());
        }
        let keeps = self.options.keep_connections;
        let left = self.sessions.detach(|conn, closing| !keeps || closing || undecided.contains(&conn));
        undecided.extend(left);
        self.no_leader_for(undecided);
        if keeps {
            let until_ms = now.elapsed_ms + i64::from(self.options.tick_ms);
            self.authority = Authority::Holding(Holding { until_ms, is_settled: false, requests });
        }
    }

    /// Nobody is kept any longer.
    pub(super) fn let_go(&mut self) {
        let mut left: BTreeSet<ConnId> = self.sessions.detach(|_, _| true).into_iter().collect();
        if self.holds() {
            let held = std::mem::replace(&mut self.authority, Authority::Nobody).held();
            left.extend(held.into_iter().filter_map(|request| match request {
                Request::Connect { conn, .. } => Some(conn),
                Request::Op { .. } => None,
            }));
        }
        self.no_leader_for(left);
    }

    /// Keeps a request for the next leader.
    pub(super) fn hold_back(&mut self, request: Request) {
        if let Authority::Holding(holding) = &mut self.authority {
            holding.requests.push(request);
        }
    }

    /// Takes in what was held.
    pub(super) fn take_up(&mut self, now: Now, tree: &Tree, held: Vec<Request>) {
        held.into_iter().for_each(|request| self.request(now, tree, request));
    }

    fn no_leader_for(&mut self, conns: BTreeSet<ConnId>) {
        conns.into_iter().for_each(|conn| self.useless(conn, Reason::NoLeader));
    }
}

/// A read or a sync, as its connection asked for it.
fn asked_again(queued: Queued) -> Option<Request> {
    match queued {
        Queued::Read { conn, session, header, body, identities } => {
            Some(Request::Op { conn, session, header, body, identities })
        }
        Queued::Txn { .. } | Queued::Error { .. } | Queued::Opened { .. } | Queued::Closed { .. } => None,
    }
}
