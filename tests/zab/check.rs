//! What must hold after every step: the invariants of the official Zab specification, as far as one can see them from
//! outside, and that no committed transaction is ever lost.

use crate::{
    disk::{Disk, Entry},
    member::Running,
};
use bytes::Bytes;
use oxkeeper::{
    membership::Membership,
    zab::{Action, Failure, Refusal},
};
use oxkeeper_codec::{
    ServerId, Zxid,
    election::{Notification, PeerState},
    learner::{ToLeader, ToLearner},
    txn::{LoggedTxn, Txn},
};
use std::collections::BTreeMap;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Check {
    /// All that is committed, in its order.
    order: Vec<Entry>,
    /// Who was established in each epoch.
    leaders: BTreeMap<i64, ServerId>,
    proposed: BTreeMap<Zxid, Bytes>,
    /// The configuration of each version.
    configs: BTreeMap<i64, Membership>,
}

impl Check {
    /// Transactions that are committed.
    pub(crate) fn committed(&self) -> usize {
        self.order.len()
    }

    /// Integrity: nothing is delivered that was not proposed, and no zxid is used twice.
    pub(crate) fn proposed(&mut self, zxid: Zxid, txn: &Bytes) {
        let before = self.proposed.insert(zxid, txn.clone());
        assert_eq!(before, None, "primary integrity: {zxid} is proposed twice");
    }

    /// All that take a version take the same configuration.
    pub(crate) fn activates(&mut self, me: ServerId, config: &Membership) {
        let same = self.configs.entry(config.version()).or_insert_with(|| config.clone());
        assert_eq!(same, config, "agreement: server {me} has another configuration of this version");
    }

    /// Leadership: an epoch has one leader. Leader completeness: its history begins with all that is committed.
    pub(crate) fn leads(&mut self, me: ServerId, epoch: i64, history: &[Entry]) {
        let other = *self.leaders.entry(epoch).or_insert(me);
        assert_eq!(other, me, "leadership: epoch {epoch} has two leaders");
        let (&last, _) = self.leaders.last_key_value().unwrap();
        assert!(epoch >= last, "leadership: epoch {epoch} is established behind {last}");
        assert!(
            history.len() >= self.order.len(),
            "completeness: leader {me} of epoch {epoch} lacks committed transactions"
        );
        self.delivers(me, history, 0);
    }

    /// Agreement, total order, prefix consistency: what members deliver is one sequence, and each has a beginning of it.
    /// What is before place `from` was looked at already.
    pub(crate) fn delivers(&mut self, me: ServerId, delivered: &[Entry], from: usize) {
        for (at, entry) in delivered.iter().enumerate().skip(from) {
            match self.order.get(at) {
                Some(same) => {
                    assert_eq!(same, entry, "total order: server {me} has another transaction at place {at}")
                }
                None => {
                    assert_eq!(self.proposed.get(&entry.0), Some(&entry.1), "integrity: {}", entry.0);
                    let last = self.order.last().map_or(Zxid::ZERO, |(zxid, _)| *zxid);
                    assert!(entry.0 > last, "primary order: {} is delivered behind {last}", entry.0);
                    self.order.push(entry.clone());
                }
            }
        }
    }

    /// What a voter claims of itself is on its disk.
    pub(crate) fn notifies(me: ServerId, said: &Notification, disk: &Disk) {
        if said.state == PeerState::Looking && said.leader == me {
            assert_eq!(said.zxid, disk.last(), "server {me} votes with what is not on its disk");
            assert!(
                said.peer_epoch <= disk.epochs().1,
                "server {me} votes with an epoch that is not on its disk"
            );
        }
    }

    /// What a learner tells its leader is on its disk.
    pub(crate) fn tells_leader(me: ServerId, packet: &ToLeader, disk: &Disk, may_change: bool) {
        let (accepted, current) = disk.epochs();
        match packet {
            ToLeader::Info(info) => assert!(info.accepted_epoch <= accepted),
            ToLeader::AckEpoch { last_zxid, current_epoch } => {
                assert_eq!(*last_zxid, disk.last(), "server {me}: ACKEPOCH of what is not on its disk");
                assert!(
                    current_epoch.is_none_or(|epoch| i64::from(epoch) <= current),
                    "server {me}: ACKEPOCH"
                );
            }
            ToLeader::Ack(zxid) if zxid.counter() == 0 => {
                assert_eq!(current, zxid.epoch(), "server {me}: ACK of NEWLEADER without its epoch");
            }
            ToLeader::Ack(zxid) => {
                assert!(*zxid <= disk.last(), "server {me}: ACK of {zxid}, which is not on its disk");
                let entry = disk.log().iter().find(|(other, _)| other == zxid);
                assert!(
                    !may_change || entry.is_none_or(|(_, txn)| !is_change(txn)) || disk.knows_config(*zxid),
                    "server {me}: ACK of the change {zxid} without what it makes"
                );
            }
            _ => {}
        }
    }

    pub(crate) fn tells_learners(me: ServerId, packet: &ToLearner, disk: &Disk) {
        if let ToLearner::LeaderInfo { epoch, .. } = packet {
            assert!(disk.epochs().0 >= *epoch, "server {me}: LEADERINFO without its own promise");
        }
    }

    /// Who serves without a leader shows what is on its disk, all of it, and nothing that is being replaced.
    pub(crate) fn serves_read_only(me: ServerId, running: &Running, disk: &Disk) {
        assert!(!running.serves, "server {me} has a leader, and is in read-only mode");
        let replaces = running.installing || running.receiving.is_some();
        assert!(!replaces && disk.is_idle(), "server {me} shows what it does not have yet");
        assert_eq!(running.history, disk.log(), "server {me} shows what is not on its disk");
    }

    /// What it shows stays what it is until it says that it does not show it any more.
    pub(crate) fn stays_read_only(me: ServerId, running: &Running, action: &Action) {
        let changes = matches!(
            action,
            Action::Append(..)
                | Action::Commit(_)
                | Action::Truncate(_)
                | Action::Install(..)
                | Action::Lead(_)
                | Action::Serve
        );
        assert!(!running.read_only || !changes, "server {me} is in read-only mode: {action:?}");
    }

    /// Illegal messages never arrive.
    pub(crate) fn resigns(me: ServerId, failure: &Failure) {
        let illegal = matches!(
            failure,
            Failure::Unexpected { .. }
                | Failure::Gap { .. }
                | Failure::WrongCommit { .. }
                | Failure::WrongHistory { .. }
                | Failure::Configuration { .. }
        );
        assert!(!illegal, "server {me}: {failure}");
    }

    pub(crate) fn refuses(me: ServerId, refusal: &Refusal) {
        assert!(!matches!(refusal, Refusal::Unexpected { .. }), "server {me}: {refusal}");
    }
}

/// Whether a transaction changes the configuration.
pub(crate) fn is_change(txn: &Bytes) -> bool {
    LoggedTxn::from_bytes(txn).is_ok_and(|logged| matches!(logged.txn, Txn::Reconfig(_)))
}
