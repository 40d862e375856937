//! A processor and its tree beside the model; transactions are applied some time after they were prepared.

use super::model::{Context, Model, ModelNode, New, Zxid};
use crate::{
    auth::Identities,
    processor::{Judged, Known, Processor, Proposal, Rules},
    recovery::Rebuild,
    session::encode_sessions,
    storage::{self, Compression, MemoryDisk, SnapshotTail, SnapshotWriter, ZxidDigest},
    tree::{NodeId, NodeRef, Observer, Owner, OwnerRules, PreparedTxn, Snapshotter, Tree, TreeOptions},
};
use bytes::Bytes;
use oxkeeper_codec::{
    Code, Encode, OpCode, Perms, SessionId,
    file::DIGEST_VERSION,
    records::{
        Acl, CheckVersionRequest, CreateRequest, CreateTtlRequest, DeleteRequest, Id, MultiHeader,
        SetAclRequest, SetDataRequest,
    },
    txn::Txn,
};
use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

/// Kinds of znodes that clients create.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Persistent,
    Ephemeral,
    Sequential,
    EphemeralSequential,
    Container,
    Ttl,
    TtlSequential,
}

/// One operation; `perms` below 0 stand for an ACL that is not valid.
#[derive(Debug, Clone)]
pub(super) enum Op {
    Create { path: &'static str, data: Option<Vec<u8>>, perms: i32, kind: Kind },
    Delete { path: &'static str, version: i32 },
    SetData { path: &'static str, data: Option<Vec<u8>>, version: i32 },
    SetAcl { path: &'static str, perms: i32, version: i32 },
    Check { path: &'static str, version: i32 },
}

/// One request.
#[derive(Debug, Clone)]
pub(super) enum Request {
    One(Op),
    Multi(Vec<Op>),
    Close,
}

const TTL_MS: i64 = 5000;

fn acl(perms: i32) -> Option<Vec<Acl>> {
    let id = Id { scheme: "world".into(), id: "anyone".into() };
    Some(if perms < 0 { Vec::new() } else { vec![Acl { perms: Perms(perms), id }] })
}

fn bytes(data: Option<&Vec<u8>>) -> Option<Bytes> {
    data.map(|data| Bytes::copy_from_slice(data))
}

impl Op {
    /// Op code and record.
    fn encode(&self) -> (OpCode, Vec<u8>) {
        match self {
            Self::Create { path, data, perms, kind } => create_request(path, data.as_ref(), *perms, *kind),
            Self::Delete { path, version } => {
                (OpCode::DELETE, DeleteRequest { path: (*path).into(), version: *version }.to_vec())
            }
            Self::SetData { path, data, version } => {
                let request =
                    SetDataRequest { path: (*path).into(), data: bytes(data.as_ref()), version: *version };
                (OpCode::SET_DATA, request.to_vec())
            }
            Self::SetAcl { path, perms, version } => {
                let request = SetAclRequest { path: (*path).into(), acl: acl(*perms), version: *version };
                (OpCode::SET_ACL, request.to_vec())
            }
            Self::Check { path, version } => {
                (OpCode::CHECK, CheckVersionRequest { path: (*path).into(), version: *version }.to_vec())
            }
        }
    }

    /// What the model makes of it.
    fn run(&self, model: &mut Model, context: Context) -> Result<(), Code> {
        match self {
            Self::Create { path, data, perms, kind } => {
                let owner = match kind {
                    Kind::Ephemeral | Kind::EphemeralSequential => Owner::Session(context.session),
                    Kind::Container => Owner::Container,
                    Kind::Ttl | Kind::TtlSequential => Owner::Ttl(TTL_MS),
                    Kind::Persistent | Kind::Sequential => Owner::Nobody,
                };
                let sequential =
                    matches!(kind, Kind::Sequential | Kind::EphemeralSequential | Kind::TtlSequential);
                let (path, data) = ((*path).to_owned(), data.clone());
                let new = New { path, data, perms: *perms, owner: owner.stored(), sequential };
                model.create(&new, context).map(drop)
            }
            Self::Delete { path, version } => model.delete(path, *version, context),
            Self::SetData { path, data, version } => model.set_data(path, data.as_ref(), *version, context),
            Self::SetAcl { path, perms, version } => model.set_acl(path, *perms, *version),
            Self::Check { path, version } => model.check(path, *version),
        }
    }
}

fn create_request(path: &str, data: Option<&Vec<u8>>, perms: i32, kind: Kind) -> (OpCode, Vec<u8>) {
    let (path, data, acl) = (path.into(), bytes(data), acl(perms));
    let flags = match kind {
        Kind::Persistent => 0,
        Kind::Ephemeral => 1,
        Kind::Sequential => 2,
        Kind::EphemeralSequential => 3,
        Kind::Container => 4,
        Kind::Ttl => 5,
        Kind::TtlSequential => 6,
    };
    match kind {
        Kind::Ttl | Kind::TtlSequential => {
            let request = CreateTtlRequest { path, data, acl, flags, ttl: TTL_MS };
            (OpCode::CREATE_TTL, request.to_vec())
        }
        Kind::Container => (OpCode::CREATE_CONTAINER, CreateRequest { path, data, acl, flags }.to_vec()),
        _ => (OpCode::CREATE2, CreateRequest { path, data, acl, flags }.to_vec()),
    }
}

fn encode_multi(ops: &[Op]) -> Vec<u8> {
    let mut body = Vec::new();
    for op in ops {
        let (op, record) = op.encode();
        MultiHeader { op, done: false, err: -1 }.encode(&mut body);
        body.extend(record);
    }
    MultiHeader { op: OpCode::ERROR, done: true, err: -1 }.encode(&mut body);
    body
}

/// A transaction on its way, and the model once it is applied.
struct Prepared {
    judged: Judged,
    after: Model,
}

/// A snapshot under way, and what it must show.
struct Under {
    expected: Model,
    digest: u64,
    disk: MemoryDisk,
    writer: SnapshotWriter,
}

/// Everything together.
pub(super) struct World {
    tree: Tree,
    processor: Processor,
    /// As of the last transaction prepared.
    model: Model,
    /// As of the last transaction applied.
    applied: Model,
    queue: VecDeque<Prepared>,
    zxid: Zxid,
    snapshotter: Option<Snapshotter>,
    under: Option<Under>,
    pub(super) snapshots_done: usize,
}

pub(super) const OPTIONS: TreeOptions = TreeOptions {
    owners: OwnerRules { extended_types: true, emulate_353: false },
    digest: true,
    hash_seed: 3,
};

impl World {
    pub(super) fn new() -> Self {
        let tree = Tree::new(OPTIONS);
        let rules = Rules { extended_types: true, list_closed_ephemerals: true, ..Rules::default() };
        Self {
            processor: Processor::new(rules, &tree),
            tree,
            model: Model::new(),
            applied: Model::new(),
            queue: VecDeque::new(),
            zxid: Zxid::ZERO,
            snapshotter: None,
            under: None,
            snapshots_done: 0,
        }
    }

    pub(super) fn request(&mut self, session: i64, request: &Request) {
        self.zxid = self.zxid.next();
        let (session, time) = (SessionId(session), self.zxid.0 * 10);
        let context = Context { zxid: self.zxid, time, session };
        let proposal = Proposal {
            zxid: self.zxid,
            time_ms: time,
            session,
            xid: 0,
            identities: &Identities::none(),
            known: Known::Everywhere,
        };
        let judged = match request {
            Request::One(op) => {
                let (code, body) = op.encode();
                self.processor.prepare(&self.tree, code, &body.into(), &proposal).unwrap()
            }
            Request::Multi(ops) => {
                let body = encode_multi(ops).into();
                self.processor.prepare(&self.tree, OpCode::MULTI, &body, &proposal).unwrap()
            }
            Request::Close => self.processor.close_session(&self.tree, &proposal).0.into(),
        };
        self.processor.pending.check();
        compare_outcome(request, &judged.logged.txn, &mut self.model, context);
        self.queue.push_back(Prepared { judged, after: self.model.clone() });
    }

    /// Applies what was prepared first.
    pub(super) fn apply(&mut self) {
        let Some(Prepared { judged: Judged { logged, set }, after }) = self.queue.pop_front() else { return };
        let known = PreparedTxn::of_set(set);
        let applied = self.tree.apply_prepared(&logged, &known, &mut self.snapshotter, &mut Vec::new());
        let expected = match &logged.txn {
            Txn::Error(error) => error.err,
            Txn::Multi(txns) => first_error(txns),
            _ => Code::OK,
        };
        assert_eq!(applied.code, expected, "what is prepared applies: {logged:?}");
        assert!(self.tree.digest_matches(&logged), "the digest was foreseen: {logged:?}");
        self.processor.applied(&self.tree, logged.header.zxid);
        self.processor.pending.check();
        self.applied = after;
        compare(&self.tree, &self.applied);
        // Applied again, it changes nothing.
        let digest = self.tree.digest();
        self.tree.apply(&logged, &mut self.snapshotter, &mut Vec::new());
        assert_eq!(self.tree.digest(), digest, "applied twice: {logged:?}");
        compare(&self.tree, &self.applied);
    }

    pub(super) fn begin_snapshot(&mut self) {
        if self.under.is_some() {
            return;
        }
        let disk = MemoryDisk::new("/d");
        let zxid = self.tree.last_zxid();
        let mut writer = SnapshotWriter::create(Arc::new(disk.clone()), zxid, Compression::None).unwrap();
        let mut sessions = Vec::new();
        encode_sessions([(SessionId(1), 4000)].into_iter(), &mut sessions);
        writer.write(&sessions).unwrap();
        self.snapshotter = Some(Snapshotter::begin(&self.tree));
        let (expected, digest) = (self.applied.clone(), self.tree.digest());
        self.under = Some(Under { expected, digest, disk, writer });
    }

    /// Writes a slice; at the end of the snapshot, loads it and compares.
    pub(super) fn slice(&mut self, budget: usize) {
        let (Some(snapshotter), Some(under)) = (&mut self.snapshotter, &mut self.under) else { return };
        let piece = snapshotter.piece(&self.tree, budget);
        under.writer.write(&piece.bytes).unwrap();
        if !piece.is_last {
            return;
        }
        let (zxid, digest) = (snapshotter.zxid(), snapshotter.digest());
        let under = self.under.take().unwrap();
        self.snapshotter = None;
        assert_eq!(digest, under.digest);
        let digest = ZxidDigest { zxid, version: DIGEST_VERSION, digest: digest.cast_signed() };
        under.writer.finish(&SnapshotTail { digest: Some(digest), last_zxid: Some(zxid) }).unwrap();
        let mut rebuild = Rebuild::new(OPTIONS);
        let recovered = storage::recover(&under.disk, &under.disk, Default::default(), &mut rebuild).unwrap();
        assert!(recovered.rejected.is_empty() && rebuild.digest_mismatches.is_empty(), "{recovered:?}");
        let (tree, sessions) = rebuild.finish_keeping_orphans();
        assert_eq!(sessions, BTreeMap::from([(SessionId(1), 4000)]));
        assert_eq!((tree.last_zxid(), tree.digest()), (zxid, under.digest));
        compare(&tree, &under.expected);
        self.snapshots_done += 1;
    }

    pub(super) fn finish(&mut self) {
        while !self.queue.is_empty() {
            self.apply();
        }
        while self.under.is_some() {
            self.slice(64);
        }
    }
}

fn first_error(txns: &[Txn]) -> Code {
    let errors = txns.iter().map(|txn| if let Txn::Error(error) = txn { error.err } else { Code::OK });
    let codes: Vec<Code> = errors.collect();
    // What stands before the first error was not done, and is not to blame.
    codes.into_iter().find(|code| *code != Code::OK).unwrap_or(Code::OK)
}

/// Runs the request on the model: the same outcome.
fn compare_outcome(request: &Request, txn: &Txn, model: &mut Model, context: Context) {
    let error_of = |txn: &Txn| if let Txn::Error(error) = txn { Err(error.err) } else { Ok(()) };
    match (request, txn) {
        (Request::Close, Txn::CloseSession(_)) => model.close(context),
        (Request::One(op), txn) => assert_eq!(error_of(txn), op.run(model, context), "{op:?}"),
        (Request::Multi(ops), Txn::Multi(txns)) => {
            let mut after = model.clone();
            let mut failed = false;
            for (op, txn) in ops.iter().zip(txns) {
                let expected =
                    if failed { Err(Code::RUNTIME_INCONSISTENCY) } else { op.run(&mut after, context) };
                failed |= expected.is_err();
                assert_eq!(error_of(txn), expected, "{op:?} in {ops:?}");
            }
            assert_eq!(ops.len(), txns.len());
            if !failed {
                *model = after;
            }
        }
        other => panic!("an unexpected transaction: {other:?}"),
    }
}

/// The tree is what the model says, node by node, and agrees with itself.
fn compare(tree: &Tree, model: &Model) {
    tree.check();
    let mut found = BTreeMap::new();
    let mut todo: Vec<NodeRef<'_>> = tree.get("/").into_iter().collect();
    while let Some(node) = todo.pop() {
        let perms = node.acl().first().map_or(0, |entry| entry.perms.0);
        let (data, stat) = (node.data().map(<[u8]>::to_vec), node.persisted());
        found.insert(node.path(), ModelNode { data, perms, stat });
        let told = node.stat();
        let children = model.children(&node.path());
        assert_eq!(usize::try_from(told.num_children), Ok(children), "{}", node.path());
        assert_eq!(told.cversion, node.persisted().cversion * 2 - told.num_children);
        todo.extend(node.children());
    }
    assert_eq!(found, model.nodes);
}

impl Observer for Option<Snapshotter> {
    fn before_change(&mut self, tree: &Tree, id: NodeId) {
        self.iter_mut().for_each(|snapshotter| snapshotter.before_change(tree, id));
    }

    fn created(&mut self, id: NodeId) {
        self.iter_mut().for_each(|snapshotter| snapshotter.created(id));
    }
}
