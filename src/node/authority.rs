//! Who decides about transactions, and what waits for that one's word.

use super::{
    queue::{Answer, Queued, Renewal},
    requests::Request,
};
use crate::{session::ConnId, zab::Link};
use oxkeeper_codec::{SessionId, Zxid};
use std::collections::{BTreeMap, VecDeque};

/// Who decides about transactions.
#[derive(Debug)]
pub(super) enum Authority {
    /// This server: it is alone, or leads.
    Own(Owners),
    /// Another member, which this one follows or observes.
    Leader(Forwarding),
    /// Nobody: there is an election, and clients wait for its end.
    Holding(Holding),
    /// Nobody, and there are no clients.
    Nobody,
    /// Nobody for a while: those who only read are served.
    ReadOnly,
}

/// Clients that wait for a leader.
#[derive(Debug)]
pub(super) struct Holding {
    /// Until then, in ms of the elapsed clock.
    pub(super) until_ms: i64,
    /// A quorum has all that this member's log holds: it leads, and may show it.
    pub(super) is_settled: bool,
    /// What they have asked, in order.
    pub(super) requests: Vec<Request>,
}

impl Authority {
    /// What clients have asked while there was nobody who decides.
    pub(super) fn held(self) -> Vec<Request> {
        match self {
            Self::Holding(holding) => holding.requests,
            Self::Own(_) | Self::Leader(_) | Self::Nobody | Self::ReadOnly => Vec::new(),
        }
    }
}

/// Through which learners clients ask, as far as they have been heard of. What still comes from a member that a client has
/// left is not for its session any more.
pub(super) type Owners = BTreeMap<SessionId, Link>;

/// What a learner has handed on.
#[derive(Debug, Default)]
pub(super) struct Forwarding {
    /// The last transaction that was proposed when this member began to serve: nobody here waits for one up to there, whatever
    /// its session and number (some clients begin anew with 1).
    pub(super) since: Zxid,
    pub(super) waiting: BTreeMap<SessionId, VecDeque<Waiting>>,
    /// Whose syncs the leader has not answered, in the order in which they were handed on.
    pub(super) syncs: VecDeque<Asker>,
    /// Sessions whose syncs it has answered, and what has to be applied before their clients hear it.
    pub(super) answered: VecDeque<(Zxid, SessionId)>,
    /// Clients that want to go on with a session, until the leader says whether they may.
    pub(super) renewing: BTreeMap<SessionId, Renewal>,
    /// Sessions that the leader was asked for, in this order: for clients of an observer, or here.
    pub(super) revalidating: VecDeque<(SessionId, Option<Link>)>,
    /// Sessions that came from another member, and the last transaction that was proposed by then: whatever of theirs is not
    /// behind it was asked there, also if it has the number of a request from here (some clients begin anew with 1).
    pub(super) asked_elsewhere: BTreeMap<SessionId, Zxid>,
}

/// Who waits for an answer of the leader that says nothing of whom it is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asker {
    /// A session here.
    Session(SessionId),
    /// An observer that learns from this follower.
    Observer(Link),
}

impl Forwarding {
    /// Reads and syncs of sessions that wait for no write.
    pub(super) fn take_reads(&mut self) -> Vec<Queued> {
        let mut reads = Vec::new();
        for waiting in self.waiting.values_mut() {
            let is_read = |it: &Waiting| matches!(it, Waiting::Sync(..) | Waiting::Read(_));
            if waiting.iter().all(is_read) {
                reads.extend(waiting.drain(..).filter_map(|it| match it {
                    Waiting::Sync(read, _) | Waiting::Read(read) => Some(read),
                    Waiting::Write(_) | Waiting::Promotion => None,
                }));
            }
        }
        reads
    }

    /// Whoever waits for what the leader decides: also those who have no session yet.
    pub(super) fn conns(&self) -> impl Iterator<Item = ConnId> {
        let writers = self.waiting.values().flatten().filter_map(|waiting| match waiting {
            Waiting::Write(answer) => Some(answer.conn),
            // It waits for a write, or for a session that becomes global.
            Waiting::Sync(Queued::Read { conn, .. }, _) | Waiting::Read(Queued::Read { conn, .. }) => {
                Some(*conn)
            }
            Waiting::Sync(..) | Waiting::Promotion | Waiting::Read(_) => None,
        });
        writers.chain(self.renewing.values().map(|renewal| renewal.conn))
    }
}

/// What a session waits for.
#[derive(Debug)]
pub(super) enum Waiting {
    /// For its transaction.
    Write(Answer),
    /// For the leader's word, and then until all up to this zxid is applied.
    Sync(Queued, Option<Zxid>),
    /// For the transaction that makes its session global.
    Promotion,
    /// For what is before it.
    Read(Queued),
}
