//! What clients ask, and whether an answer is the right one.

use super::{check::Check, rng::Rng};
use bytes::Bytes;
use oxkeeper_codec::{
    ByteStr, Code, Decode, Encode, OpCode, Perms, Reader, SessionId, Zxid,
    records::{
        Acl, CreateRequest, CreateTtlRequest, DeleteRequest, ExistsRequest, GetChildrenRequest,
        GetDataRequest, GetDataResponse, Id, MultiHeader, RequestHeader, SetAclRequest, SetDataRequest, Stat,
    },
    txn::Txn,
};
use std::borrow::Cow;

/// Znodes that clients quarrel about.
const PATHS: &[&str] = &["/a", "/b", "/c", "/a/x", "/a/y", "/a/x/p", "/b/x", "/c/x"];
/// Where sequential znodes are.
const SEQUENCES: &[&str] = &["/a/s-", "/b/s-", "/s-"];
const TTL_MS: i64 = 200;

/// A request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ask {
    /// Creates a znode, with these flags; 4 and 5 are containers and TTL nodes.
    Create { path: &'static str, flags: i32 },
    /// Deletes one.
    Delete { path: &'static str, version: i32 },
    /// Writes one.
    SetData { path: &'static str, version: i32 },
    /// Writes an ACL.
    SetAcl { path: &'static str, perms: i32 },
    /// Several writes.
    Multi(Vec<Self>),
    /// Checks a version, inside a multi.
    Check { path: &'static str, version: i32 },
    /// Reads data.
    GetData { path: &'static str, watch: bool },
    /// Asks for a `Stat`.
    Exists { path: &'static str, watch: bool },
    /// Lists children.
    GetChildren { path: &'static str, watch: bool },
    /// Waits for the leader.
    Sync,
    /// Keeps the session.
    Ping,
    /// Ends the session.
    Close,
}

impl Ask {
    /// Any request.
    pub(crate) fn random(rng: &mut Rng) -> Self {
        let path = rng.pick(PATHS);
        let watch = rng.one_in(3);
        match rng.below(24) {
            0..=8 => Self::random_write(rng),
            9 => Self::SetAcl { path, perms: rng.pick(&[31, 31, 25, 3, 17]) },
            10 | 11 => {
                let mut asks: Vec<Self> = (0..1 + rng.below(3)).map(|_| Self::random_write(rng)).collect();
                if rng.one_in(2) {
                    asks.insert(0, Self::Check { path, version: -1 });
                }
                Self::Multi(asks)
            }
            12..=15 => Self::GetData { path, watch },
            16..=18 => Self::Exists { path, watch },
            19..=21 => Self::GetChildren { path: rng.pick(&["/", "/a", "/b", "/a/x"]), watch },
            22 => Self::Sync,
            _ => Self::Ping,
        }
    }

    fn random_write(rng: &mut Rng) -> Self {
        let path = rng.pick(PATHS);
        let version = rng.pick(&[-1, -1, -1, 0, 1]);
        match rng.below(12) {
            0..=4 => Self::Create { path, flags: rng.pick(&[0, 0, 0, 1, 4, 4, 5, 5]) },
            5 | 6 => Self::Create { path: rng.pick(SEQUENCES), flags: rng.pick(&[2, 3]) },
            7 | 8 => Self::Delete { path, version },
            _ => Self::SetData { path, version },
        }
    }

    /// Whether it becomes a transaction.
    pub(crate) const fn is_write(&self) -> bool {
        !matches!(
            self,
            Self::GetData { .. } | Self::Exists { .. } | Self::GetChildren { .. } | Self::Sync | Self::Ping
        )
    }

    /// The watch that it asks for: on which path, and whether on children.
    pub(crate) const fn watch(&self) -> Option<(&'static str, bool)> {
        match self {
            Self::GetData { path, watch: true } | Self::Exists { path, watch: true } => Some((path, false)),
            Self::GetChildren { path, watch: true } => Some((path, true)),
            _ => None,
        }
    }

    /// The request's bytes, header and all. Data that is written names the request.
    pub(crate) fn encode(&self, xid: i32, data: &str) -> Vec<u8> {
        let (op, body) = self.record(data);
        let xid = if *self == Self::Ping { -2 } else { xid };
        let mut out = RequestHeader { xid, op }.to_vec();
        out.extend(body);
        out
    }

    fn record(&self, data: &str) -> (OpCode, Vec<u8>) {
        let text = Some(Bytes::copy_from_slice(data.as_bytes()));
        match self {
            Self::Create { path, flags } => create(path, text, *flags),
            Self::Delete { path, version } => {
                (OpCode::DELETE, DeleteRequest { path: (*path).into(), version: *version }.to_vec())
            }
            Self::SetData { path, version } => {
                let request = SetDataRequest { path: (*path).into(), data: text, version: *version };
                (OpCode::SET_DATA, request.to_vec())
            }
            Self::SetAcl { path, perms } => {
                let request = SetAclRequest { path: (*path).into(), acl: acl(*perms), version: -1 };
                (OpCode::SET_ACL, request.to_vec())
            }
            Self::Multi(asks) => (OpCode::MULTI, multi(asks, data)),
            Self::Check { path, version } => {
                (OpCode::CHECK, DeleteRequest { path: (*path).into(), version: *version }.to_vec())
            }
            Self::GetData { path, watch } => {
                (OpCode::GET_DATA, GetDataRequest { path: Cow::Borrowed(path), watch: *watch }.to_vec())
            }
            Self::Exists { path, watch } => {
                (OpCode::EXISTS, ExistsRequest { path: Cow::Borrowed(path), watch: *watch }.to_vec())
            }
            Self::GetChildren { path, watch } => (
                OpCode::GET_CHILDREN,
                GetChildrenRequest { path: Cow::Borrowed(path), watch: *watch }.to_vec(),
            ),
            Self::Sync => (OpCode::SYNC, ByteStr::from("/").to_vec()),
            Self::Ping => (OpCode::PING, Vec::new()),
            Self::Close => (OpCode::CLOSE_SESSION, Vec::new()),
        }
    }
}

fn acl(perms: i32) -> Option<Vec<Acl>> {
    let id = Id { scheme: "world".into(), id: "anyone".into() };
    Some(vec![Acl { perms: Perms(perms), id }])
}

fn create(path: &str, data: Option<Bytes>, flags: i32) -> (OpCode, Vec<u8>) {
    let (path, acl) = (path.into(), acl(31));
    match flags {
        5 => (OpCode::CREATE_TTL, CreateTtlRequest { path, data, acl, flags, ttl: TTL_MS }.to_vec()),
        4 => (OpCode::CREATE_CONTAINER, CreateRequest { path, data, acl, flags }.to_vec()),
        0 => (OpCode::CREATE, CreateRequest { path, data, acl, flags }.to_vec()),
        _ => (OpCode::CREATE2, CreateRequest { path, data, acl, flags }.to_vec()),
    }
}

fn multi(asks: &[Ask], data: &str) -> Vec<u8> {
    let mut body = Vec::new();
    for ask in asks {
        let (op, record) = ask.record(data);
        MultiHeader { op, done: false, err: -1 }.encode(&mut body);
        body.extend(record);
    }
    MultiHeader { op: OpCode::ERROR, done: true, err: -1 }.encode(&mut body);
    body
}

/// An answer, as the client has it.
#[derive(Debug)]
pub(crate) struct Answer<'a> {
    /// Of the reply's header.
    pub(crate) zxid: Zxid,
    /// Of the reply's header.
    pub(crate) code: Code,
    /// What follows the header.
    pub(crate) body: &'a [u8],
}

/// Checks the answer to a write: its transaction is the one that the request asked for.
pub(crate) fn check_write(
    check: &Check,
    ask: &Ask,
    session: SessionId,
    xid: i32,
    data: &str,
    answer: &Answer<'_>,
) {
    // The disk did not take it: nothing was done.
    if answer.code == Code::SYSTEM_ERROR {
        return;
    }
    let logged = check.transaction(answer.zxid);
    assert_eq!((logged.header.client_id, logged.header.cxid), (session, xid), "the reply to {ask:?}");
    let code = if let Txn::Error(error) = &logged.txn { error.err } else { Code::OK };
    assert_eq!(answer.code, code, "{ask:?}");
    if code != Code::OK {
        return;
    }
    let mut reader = Reader::new(answer.body);
    let path = match (ask, &logged.txn) {
        (Ask::Create { path, flags }, _) => {
            let created = ByteStr::decode(&mut reader).unwrap();
            check_created(check, path, &created, data, answer.zxid);
            if *flags == 0 {
                return;
            }
            created
        }
        (Ask::SetData { path, .. }, Txn::SetData(txn)) => {
            assert_eq!((txn.path.as_str(), txn.data.as_deref()), (*path, Some(data.as_bytes())));
            txn.path.clone()
        }
        (Ask::SetAcl { path, .. }, Txn::SetAcl(_)) => ByteStr::from(*path),
        (Ask::Delete { path, .. }, Txn::Delete(_)) => {
            return assert!(check.state(path, answer.zxid).is_none(), "it was deleted");
        }
        (Ask::Multi(_), Txn::Multi(_)) | (Ask::Close, Txn::CloseSession(_)) => return,
        other => panic!("another transaction: {other:?}"),
    };
    let stat = Stat::decode(&mut reader).unwrap();
    assert_eq!(Some(&stat), check.state(&path, answer.zxid).map(|state| &state.stat), "{ask:?}");
}

/// What was created is there, with its data.
fn check_created(check: &Check, wanted: &str, created: &str, data: &str, zxid: Zxid) {
    assert!(created.starts_with(wanted), "{created}");
    let state = check.state(created, zxid).expect("it was created");
    assert_eq!(state.data.as_deref(), Some(data.as_bytes()));
    assert_eq!(state.stat.czxid, zxid);
}

/// Checks the answer to a read: it shows the state at its zxid.
pub(crate) fn check_read(check: &Check, ask: &Ask, answer: &Answer<'_>) {
    let path = match ask {
        Ask::GetData { path, .. } | Ask::Exists { path, .. } | Ask::GetChildren { path, .. } => *path,
        _ => return assert_eq!(answer.code, Code::OK, "{ask:?}"),
    };
    let Some(state) = check.state(path, answer.zxid) else {
        return assert_eq!(answer.code, Code::NO_NODE, "{ask:?} at {}", answer.zxid);
    };
    assert_eq!(answer.code, Code::OK, "{ask:?} at {}", answer.zxid);
    let mut reader = Reader::new(answer.body);
    match ask {
        Ask::GetData { .. } => {
            let GetDataResponse { data, stat } = GetDataResponse::decode(&mut reader).unwrap();
            assert_eq!((data.map(|data| data.to_vec()), &stat), (state.data.clone(), &state.stat), "{ask:?}");
        }
        Ask::Exists { .. } => assert_eq!(Stat::decode(&mut reader).unwrap(), state.stat, "{ask:?}"),
        _ => {
            let names: Vec<ByteStr> = Vec::decode(&mut reader).unwrap();
            let mut names: Vec<String> = names.iter().map(ToString::to_string).collect();
            names.sort();
            assert_eq!(names, state.children, "{ask:?}");
        }
    }
}
