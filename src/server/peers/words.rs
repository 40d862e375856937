//! What the wing is told, and what it tells.

use super::pieces::PieceReader;
use crate::{
    membership::Membership,
    storage::ReceivedSnapshot,
    zab::{Event, Link, Members},
};
use oxkeeper_codec::{
    ServerId,
    election::Notification,
    learner::{ToLeader, ToLearner},
};

/// Who hears what comes from other members; it is called on the wing's own thread, and must not wait.
pub(crate) trait Listener: Send + Sync {
    /// Something has come; it is looked at in the next turn.
    fn heard(&self, heard: Heard);
    /// There is no more for the moment: a good time to take a turn. All that one read has brought, and all reads that were
    /// ready at the same time, come before one turn.
    fn turn(&self);
    /// Whether more waits than is good: while it does, nothing is read from a leader, until [`Command::Resume`] is said.
    fn is_full(&self) -> bool {
        false
    }
    /// Whether much more was heard than was looked at: while it is so, nothing is read from anybody, until
    /// [`Command::Resume`] is said.
    fn is_behind(&self) -> bool {
        false
    }
}

/// What has come.
#[derive(Debug)]
pub(crate) enum Heard {
    /// See [`Event`].
    Zab(Event),
    /// The snapshot that came behind SNAP is whole and on the disk, ready to be installed. Whatever the leader says behind
    /// it is heard later.
    ///
    /// It has to be installed, or dropped, before the link of another leader can bring one.
    Snapshot(Link, ReceivedSnapshot),
    /// A snapshot, or a stream of pieces, is moving over this link: it lives, though nothing else is heard of it. Told every
    /// second or so.
    Moving(Link),
    /// A stream that was full has room again, or has ended.
    Room,
}

impl Heard {
    /// About what it takes while it waits to be looked at, in bytes.
    pub(crate) fn weight(&self) -> usize {
        let held = match self {
            Self::Zab(Event::FromLearner(_, ToLeader::Request(request))) => request.body.len(),
            Self::Zab(Event::FromLearner(_, ToLeader::Ping { touched, .. })) => {
                size_of_val(touched.as_slice())
            }
            Self::Zab(Event::FromLeader(
                _,
                ToLearner::Proposal(_, txn)
                | ToLearner::Inform(_, txn)
                | ToLearner::InformAndActivate(_, _, txn),
            )) => txn.len(),
            Self::Zab(Event::Notified(_, said)) => said.config.as_ref().map_or(0, |text| text.len()),
            _ => 0,
        };
        size_of::<Self>() + held
    }
}

/// What is to be done.
#[derive(Debug)]
pub(crate) enum Command {
    /// See [`crate::zab::Action::Notify`]. Who cannot be reached now is told the newest one then.
    Notify(Members, Notification),
    /// See [`crate::zab::Action::Dial`].
    Dial(ServerId),
    /// See [`crate::zab::Action::DialMaster`].
    DialMaster(ServerId),
    /// See [`crate::zab::Action::Listen`].
    Listen,
    /// See [`crate::zab::Action::ListenForObservers`].
    ListenForObservers,
    /// See [`crate::zab::Action::HangUp`]. What waits to be sent over the link is dropped.
    HangUp(Link),
    /// See [`crate::zab::Action::HangUpAll`].
    HangUpAll,
    /// See [`crate::zab::Action::ToLeader`].
    ToLeader(Link, ToLeader),
    /// See [`crate::zab::Action::ToLearners`].
    ToLearners(Vec<Link>, ToLearner),
    /// All that this stream brings goes over the link before what is said afterwards: a snapshot with its
    /// [end](oxkeeper_codec::learner::SNAPSHOT_END), or packets that were encoded already.
    Stream(Link, PieceReader),
    /// The members are those of these from now on: of the configuration in force, and of the next one.
    Members(Vec<Membership>),
    /// The listener is not [full](Listener::is_full) any more, or not [behind](Listener::is_behind).
    Resume,
}
