//! From a client's request and what is pending to a transaction or an error code: all version, ACL, quota and path
//! rules live here, once (`PrepRequestProcessor`).
//!
//! Invariants: what is prepared here applies without an error, in the order in which it was prepared; a request that
//! fails leaves no trace in what is pending; nothing is looked at but the tree, what is pending, and the request.

mod asker;
mod create;
mod limits;
pub mod long_read;
mod path;
mod pending;
pub mod pieces;
pub mod read;
mod reconfig;
pub mod set_watches;
pub mod watch_requests;
mod write;

pub use create::creates_ephemeral;
pub use path::validate as validate_path;

use crate::{
    auth::{AuthConfig, Identities},
    tree::{PreparedSet, Tree, quota},
};
use bytes::Bytes;
use oxkeeper_codec::{
    ByteStr, Code, Decode, Encode, ErrorKind, OpCode, Reader, SessionId, Zxid,
    file::DIGEST_VERSION,
    records::{Acl, CloseSessionTxn, CreateSessionTxn, DeleteTxn, TxnDigest, TxnHeader},
    request::{WriteOp, decode_multi},
    txn::{LoggedTxn, Txn},
};
use pending::{Pending, Record, Savepoint};
pub use reconfig::KnownEnsemble;

/// The rules that are settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// Authentication and ACL checks.
    pub auth: AuthConfig,
    /// `extendedTypesEnabled`: whether TTL nodes can be created.
    pub extended_types: bool,
    /// `enforceQuota`: whether hard quotas refuse.
    pub enforce_quota: bool,
    /// `reconfigEnabled`: whether reconfig is refused for that reason.
    pub reconfig_enabled: bool,
    /// So many members have to vote at least, whatever is changed: two while a single server would be standalone
    /// (`standaloneEnabled`).
    pub least_voters: usize,
    /// `multiAddress.enabled`: whether a member may have several addresses.
    pub multi_address: bool,
    /// `closeSessionTxn.enabled`: whether closing lists the ephemerals that go.
    pub list_closed_ephemerals: bool,
    /// `jute.maxbuffer`: what a packet can be, and so what official servers read.
    pub max_packet_bytes: usize,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            auth: AuthConfig::default(),
            extended_types: false,
            enforce_quota: false,
            reconfig_enabled: false,
            least_voters: 2,
            multi_address: false,
            list_closed_ephemerals: false,
            max_packet_bytes: 0xfffff,
        }
    }
}

/// Who asks, and which transaction it will be.
#[derive(Debug)]
pub struct Proposal<'a> {
    /// The transaction's zxid.
    pub zxid: Zxid,
    /// Wall clock, in ms.
    pub time_ms: i64,
    /// The session, or 0 for the server itself.
    pub session: SessionId,
    /// The request's number.
    pub xid: i32,
    /// Identities of the connection.
    pub identities: &'a Identities,
    /// Where the session is known, and so what it may ask for.
    pub known: Known,
}

/// Where a session that asks for something is known and not ending.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Known {
    /// To the whole ensemble: it may ask for anything.
    Everywhere,
    /// To this member alone: it may not own ephemerals.
    Here,
    /// Not here, but perhaps to another member alone.
    Elsewhere,
    /// To nobody: it may ask for nothing.
    Nowhere,
}

/// Why a request becomes no transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// Its body does not decode: answered with `MARSHALLING_ERROR`, and no zxid is used.
    Undecodable,
}

/// A request that has become a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judged {
    /// The transaction, which may be an error.
    pub logged: LoggedTxn,
    /// If it sets data and nothing else: what whoever applies it need not find out again.
    pub set: PreparedSet,
}

/// Nothing else is known of it.
impl From<LoggedTxn> for Judged {
    fn from(logged: LoggedTxn) -> Self {
        Self { logged, set: PreparedSet::default() }
    }
}

/// The outcome of one operation: its transaction, or why not.
type Outcome = Result<Txn, Code>;

/// Quotas that writes have exceeded since somebody asked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OverQuota {
    /// The first of them.
    pub exceeded: Vec<quota::Exceeded>,
    /// How many came after those.
    pub more: u64,
}

impl OverQuota {
    /// A multi alone can have thousands: so many are kept.
    const KEPT: usize = 16;

    fn add(&mut self, exceeded: Vec<quota::Exceeded>) {
        for exceeded in exceeded {
            if self.exceeded.len() < Self::KEPT {
                self.exceeded.push(exceeded);
            } else {
                self.more += 1;
            }
        }
    }
}

/// What goes with one transaction when a session ends: all locks are held until all of it is gone.
const CLOSE_STEP: pending::Step = pending::Step { count: 1000, bytes: 256 << 10 };

/// Judges requests.
#[derive(Debug)]
pub struct Processor {
    rules: Rules,
    pending: Pending,
    over_quota: OverQuota,
    /// Of a leader.
    known: Option<KnownEnsemble>,
}

/// One request on its way to a transaction.
struct Preparation<'a> {
    rules: &'a Rules,
    pending: &'a mut Pending,
    tree: &'a Tree,
    proposal: &'a Proposal<'a>,
    undo: Savepoint,
    /// Bytes that its ACLs may still come to.
    acl_room: usize,
    /// The znode whose data was set last.
    set: PreparedSet,
    over_quota: &'a mut OverQuota,
    known: &'a mut Option<KnownEnsemble>,
}

impl Processor {
    /// Judges by these rules; nothing is pending on `tree`.
    pub fn new(rules: Rules, tree: &Tree) -> Self {
        Self { rules, pending: Pending::new(tree), over_quota: OverQuota::default(), known: None }
    }

    /// What this leader knows of its ensemble, from now on.
    pub fn know(&mut self, known: KnownEnsemble) {
        self.known = Some(known);
    }

    /// The rules.
    pub const fn rules(&self) -> &Rules {
        &self.rules
    }

    /// Prepares a client's write. A request that is refused for a reason of its own becomes an error transaction;
    /// only one that does not decode (a multi excepted) uses no zxid.
    ///
    /// # Errors
    /// The body does not decode.
    pub fn prepare(
        &mut self,
        tree: &Tree,
        op: OpCode,
        body: &Bytes,
        proposal: &Proposal<'_>,
    ) -> Result<Judged, Refusal> {
        if body.len() > limits::MAX_BODY_BYTES {
            return Err(Refusal::Undecodable);
        }
        // The official server decodes nulls, and falls over each where it looks at it.
        let mut reader = Reader::shared(body).taking_nulls();
        if op == OpCode::MULTI {
            let outcome = match decode_multi(&mut reader) {
                Ok(ops) if !ops.iter().any(|op| op.path().is_null()) => Ok(ops),
                // It falls over this one while it decodes, before the zxid is taken.
                Err(error) if error.kind == ErrorKind::UnexpectedNull => return Err(Refusal::Undecodable),
                Ok(_) | Err(_) => Err(Code::MARSHALLING_ERROR),
            };
            let mut preparation = self.preparation(tree, proposal, true);
            let txn = outcome.and_then(|ops| preparation.multi(&ops));
            return Ok(self.log(proposal, txn).into());
        }
        let write = Write::decode(op, &mut reader).map_err(|_| Refusal::Undecodable)?;
        let mut preparation = self.preparation(tree, proposal, false);
        let outcome = preparation.write(&write);
        let Preparation { undo, set, .. } = preparation;
        if outcome.is_err() {
            self.pending.roll_back(undo);
        }
        Ok(Judged { logged: self.log(proposal, outcome), set })
    }

    /// Prepares an error in place of what was asked.
    pub fn refuse(&self, proposal: &Proposal<'_>, code: Code) -> LoggedTxn {
        self.log(proposal, Err(code))
    }

    /// Prepares the creation of a session.
    pub fn create_session(&mut self, proposal: &Proposal<'_>, timeout_ms: i32) -> LoggedTxn {
        self.log(proposal, Ok(Txn::CreateSession(CreateSessionTxn { time_out: timeout_ms })))
    }

    /// Prepares a step towards the end of a session that has too many ephemerals for one transaction: deletes some of
    /// them, and leaves the session. `None`: what is left can go with it ([`Processor::close_session`]).
    pub fn delete_some_ephemerals(
        &mut self,
        tree: &Tree,
        proposal: &Proposal<'_>,
    ) -> Option<(LoggedTxn, usize)> {
        if self.pending.at_most_ephemerals_of(tree, proposal.session) <= CLOSE_STEP.count {
            return None;
        }
        let paths = self.pending.some_ephemerals_of(tree, proposal.session, CLOSE_STEP);
        let mut preparation = self.preparation(tree, proposal, false);
        for path in &paths {
            preparation.remove(path);
        }
        let count = paths.len();
        let deletes = paths.into_iter().map(|path| Txn::Delete(DeleteTxn { path })).collect();
        Some((self.log(proposal, Ok(Txn::Multi(deletes))), count))
    }

    /// Prepares the end of a session: its ephemerals go with it, those of pending transactions too. A list that would
    /// keep an official server from reading the log is left out; without it, all that the session has by then goes.
    ///
    /// Returns how many ephemerals go, too.
    pub fn close_session(&mut self, tree: &Tree, proposal: &Proposal<'_>) -> (LoggedTxn, usize) {
        let paths = self.pending.ephemerals_of(tree, proposal.session);
        let mut preparation = self.preparation(tree, proposal, false);
        for path in &paths {
            preparation.remove(path);
        }
        let count = paths.len();
        let list = CloseSessionTxn { paths_to_delete: paths };
        let can_list =
            self.rules.list_closed_ephemerals && list.encoded_len() <= limits::close_list_bytes(&self.rules);
        let listed = can_list.then_some(list);
        (self.log(proposal, Ok(Txn::CloseSession(listed))), count)
    }

    /// Prepares the deletion of an empty container or an expired TTL node; everything is judged again.
    pub fn delete_container(&mut self, tree: &Tree, proposal: &Proposal<'_>, path: &ByteStr) -> LoggedTxn {
        let mut preparation = self.preparation(tree, proposal, false);
        let outcome = preparation.delete_container(path);
        self.log(proposal, outcome)
    }

    /// The quotas that were exceeded since this was asked last.
    pub fn take_over_quota(&mut self) -> OverQuota {
        std::mem::take(&mut self.over_quota)
    }

    /// Whether a transaction that is not applied yet changes the znode or its children.
    pub fn is_pending(&self, path: &str) -> bool {
        self.pending.contains(path)
    }

    /// Transactions up to `zxid` are applied.
    pub fn applied(&mut self, tree: &Tree, zxid: Zxid) {
        self.pending.retire(zxid);
        debug_assert!(
            !self.pending.is_empty() || self.pending.digest() == tree.digest(),
            "the digest was foreseen: {:x}, is {:x}",
            self.pending.digest(),
            tree.digest()
        );
    }

    /// `can_fail_late`: it may have changed what is pending before it fails.
    fn preparation<'a>(
        &'a mut self,
        tree: &'a Tree,
        proposal: &'a Proposal<'a>,
        can_fail_late: bool,
    ) -> Preparation<'a> {
        let undo = self.pending.savepoint(can_fail_late);
        let acl_room = limits::acl_bytes(&self.rules);
        let Self { rules, pending, over_quota, known } = self;
        Preparation {
            rules,
            pending,
            tree,
            proposal,
            undo,
            acl_room,
            set: PreparedSet::default(),
            over_quota,
            known,
        }
    }

    fn log(&self, proposal: &Proposal<'_>, outcome: Outcome) -> LoggedTxn {
        let txn = outcome.unwrap_or_else(Txn::error);
        let header = TxnHeader {
            client_id: proposal.session,
            cxid: proposal.xid,
            zxid: proposal.zxid,
            time: proposal.time_ms,
            op: txn.op(),
        };
        let tree_digest = self.pending.digest().cast_signed();
        // An error changes nothing, and carries none.
        let kept = self.pending.keeps_digest() && header.op != OpCode::ERROR;
        let digest = kept.then_some(TxnDigest { version: DIGEST_VERSION, tree_digest });
        LoggedTxn { header, txn, digest }
    }
}

/// A write that stands alone.
enum Write {
    Op(WriteOp),
    SetAcl(oxkeeper_codec::records::SetAclRequest),
    Reconfig(oxkeeper_codec::records::ReconfigRequest),
}

impl Write {
    fn decode(op: OpCode, reader: &mut Reader<'_>) -> oxkeeper_codec::wire::Result<Self> {
        Ok(match op {
            OpCode::CREATE_TTL => Self::Op(WriteOp::CreateTtl(Decode::decode(reader)?)),
            OpCode::DELETE => Self::Op(WriteOp::Delete(Decode::decode(reader)?)),
            OpCode::SET_DATA => Self::Op(WriteOp::SetData(Decode::decode(reader)?)),
            OpCode::SET_ACL => Self::SetAcl(Decode::decode(reader)?),
            OpCode::RECONFIG => Self::Reconfig(Decode::decode(reader)?),
            _ => Self::Op(WriteOp::Create(op, Decode::decode(reader)?)),
        })
    }
}

impl Preparation<'_> {
    fn write(&mut self, write: &Write) -> Outcome {
        match write {
            Write::Op(op) => self.op(op),
            Write::SetAcl(request) => self.set_acl(request),
            Write::Reconfig(request) => self.reconfig(request),
        }
    }

    fn op(&mut self, op: &WriteOp) -> Outcome {
        match op {
            WriteOp::Create(op, request) => self.create(*op, request),
            WriteOp::CreateTtl(request) => self.create_ttl(request),
            WriteOp::Delete(request) => self.delete(request),
            WriteOp::SetData(request) => self.set_data(request),
            WriteOp::Check(request) => self.check_version(request),
        }
    }

    /// All or none. The first that fails says why, and nothing of the multi stays pending. One that cannot be judged
    /// at all spoils the whole.
    fn multi(&mut self, ops: &[WriteOp]) -> Outcome {
        let mut txns = Vec::with_capacity(ops.len());
        let mut failed = false;
        for op in ops {
            let outcome = if failed { Err(Code::RUNTIME_INCONSISTENCY) } else { self.op(op) };
            if outcome.is_err() && !failed {
                failed = true;
                let nothing = self.pending.savepoint(true);
                self.pending.roll_back(std::mem::replace(&mut self.undo, nothing));
                if outcome == Err(Code::MARSHALLING_ERROR) {
                    return outcome;
                }
            }
            txns.push(outcome.unwrap_or_else(Txn::error));
        }
        Ok(Txn::Multi(txns))
    }

    /// What is stored of an ACL that was sent.
    fn fixup_acl(&mut self, sent: Option<&[Acl]>) -> Result<Vec<Acl>, Code> {
        crate::auth::fixup_acl(&self.rules.auth, sent, self.proposal.identities, &mut self.acl_room)
    }

    const fn check_session(&self) -> Result<(), Code> {
        match self.proposal.known {
            Known::Everywhere | Known::Here | Known::Elsewhere => Ok(()),
            Known::Nowhere => Err(Code::SESSION_EXPIRED),
        }
    }

    /// Whether the session may own an ephemeral.
    const fn check_owner(&self) -> Result<(), Code> {
        match self.proposal.known {
            Known::Everywhere => Ok(()),
            Known::Here => Err(Code::EPHEMERAL_ON_LOCAL_SESSION),
            Known::Elsewhere | Known::Nowhere => Err(Code::SESSION_EXPIRED),
        }
    }

    fn existing(&self, path: &str) -> Result<Record, Code> {
        self.pending.get(self.tree, path).ok_or(Code::NO_NODE)
    }

    fn check_acl(&self, record: &Record, wanted: oxkeeper_codec::Perms) -> Result<(), Code> {
        let allowed = crate::auth::check(&record.acl, wanted, self.proposal.identities, &self.rules.auth);
        if allowed { Ok(()) } else { Err(Code::NO_AUTH) }
    }

    /// What a znode contributes to the tree's digest now.
    fn digest_of(&self, record: &Record) -> u64 {
        if self.pending.keeps_digest() { record.digest() } else { 0 }
    }

    /// Records what a znode will be; `old_digest` is what it contributed before.
    fn put(&mut self, path: &ByteStr, record: Option<Record>, old_digest: u64) {
        self.pending.put(self.proposal.zxid, path, record, old_digest, &mut self.undo);
    }

    fn crc(&self, path: &str, data: Option<&Bytes>) -> Option<u32> {
        let data = data.map_or(&[][..], |data| data);
        if self.tree.options().digest { crate::tree::crc_of_content(path, data) } else { None }
    }

    /// Quotas, by what is applied; those of pending changes are not foreseen, as in the official server. Only hard ones
    /// refuse; what is exceeded is kept to be told.
    fn check_quota(&mut self, path: &str, count: i64, new_len: usize, old_len: usize) -> Result<(), Code> {
        if !self.rules.enforce_quota {
            return Ok(());
        }
        let Some(subtree) = self.tree.quota_for(path) else { return Ok(()) };
        let len = |len| i64::try_from(len).unwrap_or(i64::MAX);
        let bytes = len(new_len) - len(old_len);
        let figures = |path: String| {
            let node = self.tree.get(&path)?;
            Some(quota::Figures::parse_strictly(node.data()).ok_or(Code::MARSHALLING_ERROR))
        };
        let Some(limits) = figures(quota::limits_path(subtree)).transpose()? else { return Ok(()) };
        if !quota::concerns(&limits, count, bytes) {
            return Ok(());
        }
        let Some(stats) = figures(quota::stats_path(subtree)).transpose()? else { return Ok(()) };
        let exceeded = quota::check(subtree, &limits, &stats, count, bytes);
        let refuses = exceeded.iter().any(|exceeded| exceeded.hard);
        self.over_quota.add(exceeded);
        if refuses { Err(Code::QUOTA_EXCEEDED) } else { Ok(()) }
    }

    /// A znode and its parent's part of its removal.
    fn remove(&mut self, path: &ByteStr) {
        let (parent, _) = path.rsplit_once('/').unwrap_or_default();
        let parent = parent_path(path, parent);
        if let Some(mut record) = self.pending.get(self.tree, &parent) {
            let old_digest = self.digest_of(&record);
            record.children = record.children.saturating_sub(1);
            record.stat.pzxid = self.proposal.zxid;
            self.put(&parent, Some(record), old_digest);
        }
        let old_digest = self.pending.get(self.tree, path).map_or(0, |record| self.digest_of(&record));
        self.put(path, None, old_digest);
    }

    fn delete_container(&mut self, path: &ByteStr) -> Outcome {
        path::deletable_parent_of(path)?;
        let record = self.existing(path)?;
        if record.children > 0 {
            return Err(Code::NOT_EMPTY);
        }
        if matches!(
            self.tree.options().owners.read(record.stat.ephemeral_owner),
            crate::tree::Owner::Session(_)
        ) {
            return Err(Code::BAD_VERSION);
        }
        self.remove(path);
        Ok(Txn::DeleteContainer(DeleteTxn { path: path.clone() }))
    }
}

/// The parent's path as a slice of the child's.
fn parent_path(path: &ByteStr, parent: &str) -> ByteStr {
    ByteStr::from_bytes_lossy(path.as_bytes().slice(..parent.len()))
}

#[cfg(test)]
mod tests;
