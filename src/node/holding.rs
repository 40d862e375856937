//! Through an election: a client that waits for nothing undecided keeps its connection, and what it asks is held until there is a
//! leader.
//!
//! Officially all connections end with their leader. What stays undecided here ends its connection, too: the client has to find out
//! what has become of it. Of everybody else the next leader's history is the past as well, unless this member's was cut or replaced
//! ([`MemberEvent::Replaced`](super::MemberEvent::Replaced)): they are closed then, and when there is no leader within a tick.
//!
//! A server does not hold anybody yet. What is missing: while clients are held nothing may be applied that a leader has not been
//! followed for (a leader commits all that it has when it begins to bring up its learners, and a learner what it is told then), so that no
//! event and no long read shows it; workers have to wait as well, with steps of long reads, too; the next leader has to hear where sessions are
//! ([`Owners`](super::authority)); and what was asked at another member before must answer nobody here.
//!
//! Invariants: nobody is answered while there is no leader; what a connection has asked is judged in its order, and before what it asks
//! afterwards. The shell is to read no requests meanwhile ([`Node::holds`]).

use super::{
    Node, Now, Reason, Request,
    authority::{Authority, Forwarding, Holding},
    queue::Queued,
};
use crate::{session::ConnId, tree::Tree};
use std::collections::BTreeSet;

impl Node {
    /// Whether there is no leader, and connections are kept: nothing is to be read from them.
    pub const fn holds(&self) -> bool {
        matches!(self.authority, Authority::Holding(_))
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
        if self.sessions.conns().next().is_some() {
            let until_ms = now.elapsed_ms + i64::from(self.options.tick_ms);
            self.authority = Authority::Holding(Holding { until_ms, requests });
        }
    }

    /// Nobody is kept any longer.
    pub(super) fn let_go(&mut self) {
        let left = self.sessions.detach(|_, _| true);
        self.no_leader_for(left.into_iter().collect());
        if self.holds() {
            self.authority = Authority::Nobody;
        }
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
