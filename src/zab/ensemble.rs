//! The configuration of the ensemble: the one in force and, from the moment at which it is proposed, the next one beside it
//! (`QuorumPeer.getQuorumVerifier` and `getLastSeenQuorumVerifier`).
//!
//! Invariants: the next one is later than the one in force; while there is one, both quorums have to be met, also by those
//! who elect. Where the configuration may not change (`reconfigEnabled=false`), there is never a next one.

use super::{
    Failure,
    quorum::{Quorum, Quorums},
};
use crate::membership::{Member, Membership, Role};
use bytes::Bytes;
use oxkeeper_codec::{
    ByteStr, OpCode, ServerId, Zxid,
    txn::{LoggedTxn, Txn},
};

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ensemble {
    current: Membership,
    next: Option<Membership>,
    may_change: bool,
    quorums: Quorums,
    /// The text of the one in force.
    text: ByteStr,
}

impl Ensemble {
    /// `next`: what was proposed when the member stopped. `may_change`: `reconfigEnabled`.
    pub fn new(current: Membership, next: Option<Membership>, may_change: bool) -> Self {
        let quorums = Quorums::one(Quorum::from(&current));
        let text = current.to_string().into();
        let mut ensemble = Self { current, next: None, may_change, quorums, text };
        ensemble.expect(next);
        ensemble
    }

    /// The configuration in force.
    pub const fn current(&self) -> &Membership {
        &self.current
    }

    /// The one that is proposed, and not known to be committed.
    pub const fn next(&self) -> Option<&Membership> {
        self.next.as_ref()
    }

    /// The last one that was seen.
    pub fn latest(&self) -> &Membership {
        self.next.as_ref().unwrap_or(&self.current)
    }

    /// Who decides.
    pub const fn quorums(&self) -> &Quorums {
        &self.quorums
    }

    /// The version in force: 0 until it is changed at run time.
    pub const fn version(&self) -> i64 {
        self.current.version()
    }

    /// The text in force, as members tell each other.
    pub(super) fn text(&self) -> ByteStr {
        self.text.clone()
    }

    /// Whether somebody is in the configuration in force or in the next one.
    pub fn has(&self, id: ServerId) -> bool {
        let has = |membership: &Membership| membership.member(id).is_some();
        has(&self.current) || self.next.as_ref().is_some_and(has)
    }

    /// Whether this member observes. Who is not in the configuration follows without a vote.
    pub fn observes(&self, id: ServerId) -> bool {
        self.current.observes(id)
    }

    /// What another member says of the configuration, if that is later than what is in force.
    pub(super) fn later(&self, text: &ByteStr) -> Option<Membership> {
        if !self.may_change || *text == self.text {
            return None;
        }
        Membership::parse(text).ok().filter(|told| told.version() > self.version())
    }

    /// This is proposed, or nothing is any more. Whether that is news.
    pub(super) fn expect(&mut self, next: Option<Membership>) -> bool {
        let next = next.filter(|next| self.may_change && next.version() > self.version());
        let is_news = next.as_ref().map(Membership::version) != self.next.as_ref().map(Membership::version);
        if is_news {
            self.quorums.next = next.as_ref().map(Quorum::from);
            self.next = next;
        }
        is_news
    }

    /// This is in force from now on; returns what was. `None`: it is not later.
    pub(super) fn activate(&mut self, membership: Membership) -> Option<Membership> {
        if !self.may_change || membership.version() <= self.version() {
            return None;
        }
        let next = self.next.take();
        self.quorums = Quorums::one(Quorum::from(&membership));
        self.text = membership.to_string().into();
        let before = std::mem::replace(&mut self.current, membership);
        self.expect(next);
        Some(before)
    }

    /// The configuration that a transaction makes, if it makes one that may be taken.
    pub(super) fn made_by(&self, zxid: Zxid, txn: &Bytes) -> Result<Option<Membership>, Failure> {
        if !self.may_change || LoggedTxn::peek_op(txn) != Some(OpCode::RECONFIG) {
            return Ok(None);
        }
        let unreadable = |problem: String| Failure::Configuration { zxid, problem };
        let logged = LoggedTxn::from_bytes(txn).map_err(|error| unreadable(error.to_string()))?;
        let Txn::Reconfig(made) = logged.txn else { return Ok(None) };
        let text = made.data.unwrap_or_default();
        let text = ByteStr::from_bytes_lossy(text);
        Membership::parse(&text).map(Some).map_err(|error| unreadable(error.to_string()))
    }

    /// What NEWLEADER says.
    pub(super) fn told_by_leader(
        &self,
        epoch: i64,
        text: Option<&ByteStr>,
    ) -> Result<Option<Membership>, Failure> {
        // One byte or none: of a leader that knows of no configurations.
        let Some(text) = text.filter(|text| self.may_change && text.len() > 1) else { return Ok(None) };
        let unreadable = |error: crate::membership::MembershipError| Failure::Configuration {
            zxid: Zxid::begin_of(epoch),
            problem: error.to_string(),
        };
        Membership::parse(text).map(Some).map_err(unreadable)
    }
}

impl From<&Membership> for Ensemble {
    /// One that does not change.
    fn from(membership: &Membership) -> Self {
        Self::new(membership.clone(), None, false)
    }
}

/// Whether the leader stays what it is in a new configuration: it votes there, under the address that it had, if it had one
/// (`Leader.getDesignatedLeader`).
pub(super) fn keeps_leader(leader: ServerId, before: &Membership, after: &Membership) -> bool {
    let ports = |member: &Member| -> Vec<(String, u16)> {
        member.addresses.iter().map(|at| (at.host.clone(), at.quorum_port)).collect()
    };
    let votes = after.member(leader).filter(|member| member.role == Role::Participant);
    votes.is_some_and(|after| before.member(leader).is_none_or(|before| ports(before) == ports(after)))
}
