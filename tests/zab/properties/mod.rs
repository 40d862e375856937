//! What must hold, one property a file. Each sees the same facts, as they happen, and refuses the first one that it does not allow:
//! so all of them are checked after every step.
//!
//! The first ten are the invariants of the official specification (`zookeeper-specifications/protocol-spec/Zab.tla`), under the
//! names that they have there. A fact is about what one can see of a member from outside; what a member delivers is told once,
//! with all that it has delivered before.

mod agreement;
mod committed_durability;
mod equal_digests;
mod global_primary_order;
mod illegal_messages;
mod integrity;
mod leader_completeness;
mod leadership1;
mod leadership2;
mod linearizable_writes;
mod local_primary_order;
mod monotonic_reads;
mod one_configuration;
mod one_lock;
mod prefix_consistency;
mod primary_integrity;
mod process_consistency;
mod read_only;
mod session_order;
mod shown_is_committed;
mod told_is_durable;
mod total_order;

pub(crate) use illegal_messages::is_illegal;
pub(crate) use one_lock::LOCK;

use crate::disk::{Disk, Entry};
use oxkeeper::{
    membership::Membership,
    zab::{Action, Failure, Link, Quorums, Refusal},
};
use oxkeeper_codec::{
    ServerId, SessionId, Zxid,
    election::Notification,
    learner::{ToLeader, ToLearner},
};

/// What happens.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Fact<'a> {
    /// A quorum has promised a leader this epoch: it brings members to its history.
    Synchronises { leader: ServerId, epoch: i64 },
    /// A leader is established, with all that it has delivered.
    Leads { leader: ServerId, epoch: i64, delivered: &'a [Entry] },
    /// A leader broadcasts a transaction.
    Proposes { primary: ServerId, epoch: i64, entry: &'a Entry },
    /// A member has delivered these: what is behind place `from` for the first time.
    Delivers { member: ServerId, delivered: &'a [Entry], from: usize },
    /// An established leader counts all up to this entry as committed, and these quorums decide; what is on all disks.
    Commits { leader: ServerId, entry: &'a Entry, quorums: &'a Quorums, disks: &'a [(ServerId, &'a Disk)] },
    /// These have been durable at a member, and are no more; what is on all disks now.
    Loses { member: ServerId, lost: &'a [Entry], disks: &'a [(ServerId, &'a Disk)] },
    /// A member's disk has nothing to do: what it has in memory, and on its disk.
    Rests { member: ServerId, memory: &'a [Entry], log: &'a [Entry] },
    /// What a member has made of all that it has delivered up to this zxid.
    HasState { member: ServerId, zxid: Zxid, digest: u64 },
    /// A client reads at a member, which has delivered these.
    Reads { client: usize, delivered: &'a [Entry] },
    /// A client with a session has asked for something then, and is answered now, in ms; with the last transaction that it sees.
    Answers { session: SessionId, asked_ms: i64, answered_ms: i64, zxid: Zxid, writes: bool },
    /// A client of a member that does more than let read is answered with this as the last transaction that it sees.
    Shows { zxid: Zxid },
    /// A client is told that it has the lock since this transaction.
    Locks { session: SessionId, zxid: Zxid },
    /// A member goes by this configuration.
    Activates { member: ServerId, config: &'a Membership },
    /// A member starts with what its disk has.
    Starts { member: ServerId, disk: &'a Disk },
    /// A member says how it votes.
    Notifies { member: ServerId, said: &'a Notification, disk: &'a Disk },
    /// A learner says something to its leader.
    TellsLeader { member: ServerId, link: Link, packet: &'a ToLeader, disk: &'a Disk },
    /// A leader says something to learners.
    TellsLearners { member: ServerId, packet: &'a ToLearner, disk: &'a Disk },
    /// A member gives its role up.
    Resigns { member: ServerId, failure: &'a Failure },
    /// A member begins to serve those who only read. Whether it has a leader, whether its history is being replaced, what it shows.
    ServesReadOnly { member: ServerId, has_leader: bool, replaces: bool, shown: &'a [Entry], disk: &'a Disk },
    /// A member's state machine wants this done.
    IsTold { member: ServerId, action: &'a Action },
    /// A member's process has ended.
    Crashes { member: ServerId },
    /// A leader sends a learner away.
    Refuses { member: ServerId, refusal: &'a Refusal },
}

/// What is wrong with a fact.
type Verdict = Result<(), String>;

/// Something that must hold.
trait Property {
    /// Takes one more fact in, or says what is wrong with it.
    fn see(&mut self, fact: &Fact<'_>) -> Verdict;
}

/// All of them.
pub(crate) struct Properties(Vec<(&'static str, Box<dyn Property>)>);

macro_rules! properties {
    ($($name:literal: $property:path,)*) => {
        fn all() -> Vec<(&'static str, Box<dyn Property>)> {
            vec![$(($name, Box::new(<$property>::default()) as Box<dyn Property>)),*]
        }
    };
}
properties! {
    "leadership 1": leadership1::Leadership1,
    "leadership 2": leadership2::Leadership2,
    "prefix consistency": prefix_consistency::PrefixConsistency,
    "integrity": integrity::Integrity,
    "agreement": agreement::Agreement,
    "total order": total_order::TotalOrder,
    "local primary order": local_primary_order::LocalPrimaryOrder,
    "global primary order": global_primary_order::GlobalPrimaryOrder,
    "primary integrity": primary_integrity::PrimaryIntegrity,
    "illegal messages": illegal_messages::IllegalMessages,
    "leader log completeness": leader_completeness::LeaderCompleteness,
    "committed-log durability": committed_durability::CommittedDurability,
    "equal digests": equal_digests::EqualDigests,
    "monotonic reads": monotonic_reads::MonotonicReads,
    "process consistency": process_consistency::ProcessConsistency,
    "session order": session_order::SessionOrder,
    "what is shown is committed": shown_is_committed::ShownIsCommitted,
    "linearizable writes": linearizable_writes::LinearizableWrites,
    "no lock twice": one_lock::OneLock,
    "one configuration": one_configuration::OneConfiguration,
    "what is told is durable": told_is_durable::ToldIsDurable,
    "read-only mode": read_only::ReadOnly,
}

impl Default for Properties {
    fn default() -> Self {
        Self(all())
    }
}

impl Properties {
    /// Shows all of them one more fact; panics if one does not allow it.
    pub(crate) fn see(&mut self, fact: Fact<'_>) {
        for (name, property) in &mut self.0 {
            if let Err(problem) = property.see(&fact) {
                panic!("{name}: {problem}");
            }
        }
    }
}

fn require(holds: bool, problem: impl FnOnce() -> String) -> Verdict {
    if holds { Ok(()) } else { Err(problem()) }
}

#[cfg(test)]
mod testing {
    //! Histories for the tests of properties.

    use super::{Fact, Property};
    use crate::disk::Entry;
    use bytes::Bytes;
    use oxkeeper_codec::{ServerId, SessionId, Zxid};

    pub(super) fn entry(epoch: i64, counter: i64) -> Entry {
        entry_of(epoch, counter, "x")
    }

    pub(super) fn entry_of(epoch: i64, counter: i64, text: &'static str) -> Entry {
        (Zxid(Zxid::begin_of(epoch).0 + counter), Bytes::from_static(text.as_bytes()))
    }

    /// Everything that this member has delivered, all of it new.
    pub(super) fn delivers(member: i64, delivered: &[Entry]) -> Fact<'_> {
        Fact::Delivers { member: ServerId(member), delivered, from: 0 }
    }

    pub(super) fn proposes(primary: i64, entry: &Entry) -> Fact<'_> {
        Fact::Proposes { primary: ServerId(primary), epoch: entry.0.epoch(), entry }
    }

    /// A session is answered, asked and answered at these times in ms.
    pub(super) const fn answers(session: i64, times: (i64, i64), zxid: i64, writes: bool) -> Fact<'static> {
        let (asked_ms, answered_ms) = times;
        Fact::Answers { session: SessionId(session), asked_ms, answered_ms, zxid: Zxid(zxid), writes }
    }

    /// Takes all of these.
    pub(super) fn allows(mut property: impl Property, facts: &[Fact<'_>]) {
        for fact in facts {
            property.see(fact).unwrap_or_else(|problem| panic!("{problem}: {fact:?}"));
        }
    }

    /// Takes all of these but the last one.
    pub(super) fn refuses(mut property: impl Property, facts: &[Fact<'_>]) {
        let (last, before) = facts.split_last().expect("a fact to refuse");
        for fact in before {
            property.see(fact).unwrap_or_else(|problem| panic!("{problem}: {fact:?}"));
        }
        property.see(last).expect_err("the last fact is to be refused");
    }
}
