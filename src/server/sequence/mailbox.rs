//! What the sequencer is told, by everybody.

use super::{log_queue::History, taken::TakenSnapshot};
use crate::{
    node::{Node, Request},
    server::peers::Heard,
    session::ConnId,
    storage::{EpochFile, ReceivedSnapshot},
    tree::Tree,
    zab::Link,
};
use oxkeeper_codec::{SessionId, Zxid};
use std::{sync::mpsc::Sender, time::Instant};

/// A question that the sequencer answers from its own state.
pub(crate) type Query = Box<dyn FnOnce(&Node, &Tree) + Send>;

/// One message.
pub(crate) enum Message {
    /// Requests of one poll round of one worker, and when they were left here.
    Requests(Vec<Request>, Instant),
    /// A connection is gone.
    Disconnected {
        /// Its session.
        session: SessionId,
        /// The connection.
        conn: ConnId,
        /// When it was last heard of, in ms of the elapsed clock.
        heard_ms: i64,
    },
    /// What [`super::Item::Look`] has asked one worker: when these sessions were last heard of, in ms of the elapsed clock.
    /// Those whose connection is gone are left out.
    Looked(Vec<(SessionId, i64)>),
    /// The log is durable up to here.
    Persisted(Zxid),
    /// The log takes no more for now.
    LogFailed,
    /// The log has taken all that it was given.
    LogRecovered,
    /// The snapshot writer has room for more.
    SnapshotRoom,
    /// The snapshot is written, or given up.
    SnapshotEnded,
    /// This is to take the place of all data, and the sender is told when it has; of an ensemble at its leader.
    Restore(ReceivedSnapshot, Sender<Zxid>),
    /// Somebody wants a snapshot of the tree as it is now or a little later, and to hear of it; `None`: there was none.
    TakeSnapshot(Sender<Option<TakenSnapshot>>),
    /// Something has come from another member.
    Heard(Heard),
    /// An epoch is durable.
    EpochStored(EpochFile, i64),
    /// The next configuration is durable.
    NextStored,
    /// The history was replaced, or was not.
    Replaced(History),
    /// Whether the logs have what a learner lacks.
    LogSearched(Link, bool),
    /// What the logs have could not be sent to the end.
    FeedBroken(Link),
    /// Sessions of one worker's connections that were heard of since they were asked about last.
    Touched(Vec<SessionId>),
    /// A question.
    Query(Query),
    /// The server is about to stop: a leader takes in no more requests of learners. Dropped once what it had proposed is applied.
    Finish(Sender<()>),
    /// The server stops.
    Stop,
}

/// The sequencer's mailbox.
///
/// Whoever leaves a message sees to it that somebody takes it: either the sequencer's thread, which waits here, or
/// the sender itself, which takes a turn ([`super::turn::Turn`]).
pub(crate) type Mailbox = super::turn::Mail<Message>;
