//! What leader and learner tell each other on the quorum port, as values: one type for each direction.
//!
//! On the wire each is a `QuorumPacket` (`zookeeper.jute`): int32 type, int64 zxid, buffer data, vector of ids (null but
//! in REQUEST), with no length in front: [`crate::packet`] finds its end. The comments name type (`Leader.java`) and data.
//!
//! Data may be longer than its type needs: receivers ignore what is behind that. What they do not look at (the zxid of
//! UPTODATE, the data of an ACK) may be anything, and is written as official servers write it.

use crate::{
    ByteStr, Decode, DecodeError, Encode, ErrorKind, OpCode, PacketType, Reader, SessionId, Zxid,
    ids::ServerId,
    packet::{PACKET_TAIL, PacketError, QuorumPacket},
    records::Id,
    wire,
};
use bytes::Bytes;

/// The version of the protocol that all servers since 3.4 speak.
pub const PROTOCOL_VERSION: i32 = 0x10000;

/// What a learner tells its leader.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ToLeader {
    /// FOLLOWERINFO (11) or OBSERVERINFO (16). zxid: the accepted epoch with counter 0; data: 12 or 20 bytes, int64
    /// server id, int32 protocol version, int64 configuration version (3.5 and later).
    Info(LearnerInfo),
    /// ACKEPOCH (18). zxid: the last logged; data: int32 current epoch, or -1 if the epoch had been accepted before.
    AckEpoch {
        /// The learner's last logged zxid.
        last_zxid: Zxid,
        /// Its current epoch; `None`: this does not count as an acknowledgement of the epoch.
        current_epoch: Option<i32>,
    },
    /// ACK (3): everything up to the zxid is durable here. With counter 0: of NEWLEADER, or of UPTODATE.
    Ack(Zxid),
    /// PING (5), an answer. zxid: the leader's; data: int64 session, int32 time-out in ms, for each session heard from.
    Ping {
        /// What the leader's had.
        zxid: Zxid,
        /// Sessions, and their time-outs in ms.
        touched: Vec<(SessionId, i32)>,
    },
    /// REQUEST (1). zxid: -1; data: int64 session, int32 cxid, int32 op, body; the identities beside it.
    Request(ForwardedRequest),
    /// REVALIDATE (6). data: int64 session, int32 time-out in ms.
    Revalidate {
        /// The session that a client wants to go on with.
        session: SessionId,
        /// The negotiated time-out in ms.
        timeout_ms: i32,
    },
}

/// Who wants to learn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LearnerInfo {
    /// Without a vote in what it is told (OBSERVERINFO).
    pub observer: bool,
    /// The last epoch that it has promised to follow.
    pub accepted_epoch: i64,
    /// Its id.
    pub sid: ServerId,
    /// [`PROTOCOL_VERSION`].
    pub protocol_version: i32,
    /// The version of its configuration; `None` from servers before 3.5.
    pub config_version: Option<i64>,
}

/// A client's request that a learner hands on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForwardedRequest {
    /// The client's session.
    pub session: SessionId,
    /// The client's number for it.
    pub cxid: i32,
    /// What it asks.
    pub op: OpCode,
    /// What follows the request header. For createSession: int32 time-out in ms.
    pub body: Bytes,
    /// The client's identities; null for createSession.
    pub identities: Option<Vec<Id>>,
}

/// What a leader tells its learner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ToLearner {
    /// LEADERINFO (17). zxid: the new epoch with counter 0; data: int32 protocol version.
    LeaderInfo {
        /// The new epoch.
        epoch: i64,
        /// [`PROTOCOL_VERSION`].
        protocol_version: i32,
    },
    /// DIFF (13): transactions follow. zxid: where the learner will be then.
    Diff(Zxid),
    /// TRUNC (14): the learner has to forget everything behind the zxid.
    Trunc(Zxid),
    /// SNAP (15): a snapshot follows, raw, and the text `BenWasHere`. zxid: the snapshot's.
    Snap(Zxid),
    /// NEWLEADER (10). zxid: the epoch with counter 0; data: the configuration, or null from servers before 3.5.
    NewLeader {
        /// The epoch.
        epoch: i64,
        /// The text of the configuration.
        config: Option<ByteStr>,
    },
    /// UPTODATE (12): the learner serves from now on.
    UpToDate,
    /// PROPOSAL (2). data: header and transaction, as in the log.
    Proposal(Zxid, Bytes),
    /// COMMIT (4).
    Commit(Zxid),
    /// COMMITANDACTIVATE (9). data: int64, who leads the new configuration.
    CommitAndActivate(Zxid, ServerId),
    /// INFORM (8), to observers: committed. data: as of a proposal.
    Inform(Zxid, Bytes),
    /// INFORMANDACTIVATE (19). data: int64, who leads, then as of a proposal.
    InformAndActivate(Zxid, ServerId, Bytes),
    /// PING (5). zxid: the newest proposal.
    Ping(Zxid),
    /// REVALIDATE (6), an answer. data: int64 session, bool.
    Revalidated {
        /// The session.
        session: SessionId,
        /// Whether it lives, and belongs to the asking server now.
        valid: bool,
    },
    /// SYNC (7): the oldest sync request that the learner handed on is answered here. zxid 0, data null.
    Sync,
}

/// What follows the raw snapshot behind SNAP: the text `BenWasHere`, as jute writes it.
pub const SNAPSHOT_END: &[u8; 14] = b"\0\0\0\x0aBenWasHere";

/// Checks that `input`, which begins behind a snapshot, begins with [`SNAPSHOT_END`]: `true` if so, `false` while more
/// has to arrive.
///
/// # Errors
/// It begins with anything else: what came before was no snapshot.
pub fn check_snapshot_end(input: &[u8]) -> wire::Result<bool> {
    match SNAPSHOT_END.iter().zip(input).position(|(expected, byte)| expected != byte) {
        Some(offset) => {
            let kind = ErrorKind::BadValue(input[offset].into());
            Err(DecodeError { kind, offset, field: "signature" })
        }
        None => Ok(input.len() >= SNAPSHOT_END.len()),
    }
}

/// Appends a packet without identities.
fn put(kind: PacketType, zxid: Zxid, data: Option<&[u8]>, out: &mut Vec<u8>) {
    kind.encode(out);
    zxid.encode(out);
    data.encode(out);
    out.extend_from_slice(&PACKET_TAIL);
}

/// Puts the data of a packet together: numbers behind each other.
fn joined(parts: &[&dyn Encode]) -> Vec<u8> {
    let mut data = Vec::with_capacity(parts.iter().map(|part| part.encoded_len()).sum());
    parts.iter().for_each(|part| part.encode(&mut data));
    data
}

/// The data of a packet whose type needs some.
fn required(data: Option<&Bytes>) -> Result<&Bytes, DecodeError> {
    data.ok_or(DecodeError { kind: ErrorKind::UnexpectedNull, offset: 0, field: "data" })
}

/// Reads one of the values that the data of a packet is made of.
fn field<'a, T: Decode<'a>>(reader: &mut Reader<'a>, name: &'static str) -> wire::Result<T> {
    T::decode(reader).map_err(|e| e.within(name))
}

impl ToLeader {
    /// The packet's type.
    pub const fn kind(&self) -> PacketType {
        match self {
            Self::Info(LearnerInfo { observer: false, .. }) => PacketType::FOLLOWERINFO,
            Self::Info(LearnerInfo { observer: true, .. }) => PacketType::OBSERVERINFO,
            Self::AckEpoch { .. } => PacketType::ACKEPOCH,
            Self::Ack(_) => PacketType::ACK,
            Self::Ping { .. } => PacketType::PING,
            Self::Request(_) => PacketType::REQUEST,
            Self::Revalidate { .. } => PacketType::REVALIDATE,
        }
    }

    /// Appends the packet.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let kind = self.kind();
        match self {
            Self::Info(info) => put(kind, Zxid::begin_of(info.accepted_epoch), Some(&info.data()), out),
            Self::AckEpoch { last_zxid, current_epoch } => {
                put(kind, *last_zxid, Some(&current_epoch.unwrap_or(-1).to_be_bytes()), out);
            }
            Self::Ack(zxid) => put(kind, *zxid, None, out),
            Self::Ping { zxid, touched } => {
                let mut data = Vec::with_capacity(touched.len() * TOUCH_LEN);
                for (session, timeout_ms) in touched {
                    session.encode(&mut data);
                    timeout_ms.encode(&mut data);
                }
                put(kind, *zxid, Some(&data), out);
            }
            Self::Request(request) => request.encode(kind, out),
            Self::Revalidate { session, timeout_ms } => {
                put(kind, NO_ZXID, Some(&joined(&[session, timeout_ms])), out);
            }
        }
    }

    /// Decodes a whole packet, whose end a [`crate::packet::Scanner`] has found. A request's body is a slice of it.
    ///
    /// # Errors
    /// [`PacketError::Unexpected`]: no learner sends this type. [`PacketError::Malformed`]: there is less data than the
    /// type needs; for FOLLOWERINFO and OBSERVERINFO that is a server before 3.4.
    pub fn decode(packet: &Bytes) -> Result<Self, PacketError> {
        let QuorumPacket { kind, zxid, data, authinfo } = QuorumPacket::decode(&mut Reader::shared(packet))?;
        let data = data.as_ref();
        Ok(match kind {
            PacketType::FOLLOWERINFO => Self::Info(LearnerInfo::decode(false, zxid, required(data)?)?),
            PacketType::OBSERVERINFO => Self::Info(LearnerInfo::decode(true, zxid, required(data)?)?),
            PacketType::ACKEPOCH => {
                let epoch: i32 = field(&mut Reader::new(required(data)?), "current_epoch")?;
                Self::AckEpoch { last_zxid: zxid, current_epoch: (epoch != -1).then_some(epoch) }
            }
            PacketType::ACK => Self::Ack(zxid),
            PacketType::PING => Self::Ping { zxid, touched: decode_touches(required(data)?)? },
            PacketType::REQUEST => Self::Request(ForwardedRequest::decode(required(data)?, authinfo)?),
            PacketType::REVALIDATE => {
                let mut reader = Reader::new(required(data)?);
                let session = field(&mut reader, "session")?;
                Self::Revalidate { session, timeout_ms: field(&mut reader, "timeout_ms")? }
            }
            other => return Err(PacketError::Unexpected(other)),
        })
    }
}

/// The zxid of packets that are not about one.
const NO_ZXID: Zxid = Zxid(-1);

/// A session and its time-out in a ping's answer, in bytes.
const TOUCH_LEN: usize = 12;

fn decode_touches(data: &Bytes) -> wire::Result<Vec<(SessionId, i32)>> {
    let mut reader = Reader::new(data);
    let mut touched = Vec::with_capacity(data.len() / TOUCH_LEN);
    while reader.remaining() > 0 {
        touched.push((field(&mut reader, "touched")?, field(&mut reader, "touched")?));
    }
    Ok(touched)
}

impl LearnerInfo {
    fn data(&self) -> Vec<u8> {
        let mut data = joined(&[&self.sid.0, &self.protocol_version]);
        if let Some(version) = self.config_version {
            version.encode(&mut data);
        }
        data
    }

    fn decode(observer: bool, zxid: Zxid, data: &Bytes) -> wire::Result<Self> {
        let mut reader = Reader::new(data);
        let sid = ServerId(field(&mut reader, "sid")?);
        let protocol_version = field(&mut reader, "protocol_version")?;
        let config_version = i64::decode(&mut reader).ok();
        Ok(Self { observer, accepted_epoch: zxid.epoch(), sid, protocol_version, config_version })
    }
}

impl ForwardedRequest {
    /// In front of the body, in bytes.
    const HEAD_LEN: usize = 16;

    fn encode(&self, kind: PacketType, out: &mut Vec<u8>) {
        kind.encode(out);
        NO_ZXID.encode(out);
        let len = Self::HEAD_LEN + self.body.len();
        i32::try_from(len).expect("a request came in one packet").encode(out);
        self.session.encode(out);
        self.cxid.encode(out);
        self.op.encode(out);
        out.extend_from_slice(&self.body);
        self.identities.encode(out);
    }

    fn decode(data: &Bytes, identities: Option<Vec<Id>>) -> wire::Result<Self> {
        let mut reader = Reader::new(data);
        let session = field(&mut reader, "session")?;
        let cxid = field(&mut reader, "cxid")?;
        let op = field(&mut reader, "op")?;
        Ok(Self { session, cxid, op, body: data.slice(Self::HEAD_LEN..), identities })
    }
}

impl ToLearner {
    /// The packet's type.
    pub const fn kind(&self) -> PacketType {
        match self {
            Self::LeaderInfo { .. } => PacketType::LEADERINFO,
            Self::Diff(_) => PacketType::DIFF,
            Self::Trunc(_) => PacketType::TRUNC,
            Self::Snap(_) => PacketType::SNAP,
            Self::NewLeader { .. } => PacketType::NEWLEADER,
            Self::UpToDate => PacketType::UPTODATE,
            Self::Proposal(..) => PacketType::PROPOSAL,
            Self::Commit(_) => PacketType::COMMIT,
            Self::CommitAndActivate(..) => PacketType::COMMITANDACTIVATE,
            Self::Inform(..) => PacketType::INFORM,
            Self::InformAndActivate(..) => PacketType::INFORMANDACTIVATE,
            Self::Ping(_) => PacketType::PING,
            Self::Revalidated { .. } => PacketType::REVALIDATE,
            Self::Sync => PacketType::SYNC,
        }
    }

    /// Appends the packet.
    pub fn encode(&self, out: &mut Vec<u8>) {
        if let Some(txn) = self.encode_head(out) {
            out.extend_from_slice(txn);
            out.extend_from_slice(&PACKET_TAIL);
        }
    }

    /// Appends what comes before the transaction, and returns that: behind it comes [`PACKET_TAIL`]. So the bytes that
    /// were logged go to all learners without being copied. `None`: the packet has no transaction, and was appended whole.
    pub fn encode_head(&self, out: &mut Vec<u8>) -> Option<&Bytes> {
        let kind = self.kind();
        match self {
            Self::LeaderInfo { epoch, protocol_version } => {
                let data = protocol_version.to_be_bytes();
                put(kind, Zxid::begin_of(*epoch), Some(&data), out);
            }
            Self::Diff(zxid)
            | Self::Trunc(zxid)
            | Self::Snap(zxid)
            | Self::Commit(zxid)
            | Self::Ping(zxid) => {
                put(kind, *zxid, None, out);
            }
            Self::NewLeader { epoch, config } => {
                let config = config.as_ref().map(|text| text.as_bytes().as_ref());
                put(kind, Zxid::begin_of(*epoch), config, out);
            }
            Self::UpToDate => put(kind, NO_ZXID, None, out),
            Self::Proposal(zxid, txn) | Self::Inform(zxid, txn) => {
                return Some(put_head(kind, *zxid, None, txn, out));
            }
            Self::CommitAndActivate(zxid, leader) => {
                put(kind, *zxid, Some(&leader.0.to_be_bytes()), out);
            }
            Self::InformAndActivate(zxid, leader, txn) => {
                return Some(put_head(kind, *zxid, Some(*leader), txn, out));
            }
            Self::Revalidated { session, valid } => {
                put(kind, NO_ZXID, Some(&joined(&[session, valid])), out);
            }
            Self::Sync => put(kind, Zxid::ZERO, None, out),
        }
        None
    }

    /// Decodes a whole packet, whose end a [`crate::packet::Scanner`] has found. Transactions are slices of it. Behind
    /// SNAP comes no packet but the snapshot.
    ///
    /// # Errors
    /// [`PacketError::Unexpected`]: no leader sends this type. [`PacketError::Malformed`]: there is less data than the
    /// type needs.
    pub fn decode(packet: &Bytes) -> Result<Self, PacketError> {
        let QuorumPacket { kind, zxid, data, .. } = QuorumPacket::decode(&mut Reader::shared(packet))?;
        Ok(match kind {
            PacketType::LEADERINFO => {
                let mut reader = Reader::new(required(data.as_ref())?);
                let protocol_version = field(&mut reader, "protocol_version")?;
                Self::LeaderInfo { epoch: zxid.epoch(), protocol_version }
            }
            PacketType::DIFF => Self::Diff(zxid),
            PacketType::TRUNC => Self::Trunc(zxid),
            PacketType::SNAP => Self::Snap(zxid),
            PacketType::NEWLEADER => {
                Self::NewLeader { epoch: zxid.epoch(), config: data.map(ByteStr::from_bytes_lossy) }
            }
            PacketType::UPTODATE => Self::UpToDate,
            PacketType::PROPOSAL => Self::Proposal(zxid, required(data.as_ref())?.clone()),
            PacketType::COMMIT => Self::Commit(zxid),
            PacketType::COMMITANDACTIVATE => {
                Self::CommitAndActivate(zxid, decode_leader(required(data.as_ref())?)?.0)
            }
            PacketType::INFORM => Self::Inform(zxid, required(data.as_ref())?.clone()),
            PacketType::INFORMANDACTIVATE => {
                let (leader, txn) = decode_leader(required(data.as_ref())?)?;
                Self::InformAndActivate(zxid, leader, txn)
            }
            PacketType::PING => Self::Ping(zxid),
            PacketType::REVALIDATE => {
                let mut reader = Reader::new(required(data.as_ref())?);
                let session = field(&mut reader, "session")?;
                Self::Revalidated { session, valid: field(&mut reader, "valid")? }
            }
            PacketType::SYNC => Self::Sync,
            other => return Err(PacketError::Unexpected(other)),
        })
    }
}

/// Appends all that comes before a transaction.
fn put_head<'a>(
    kind: PacketType,
    zxid: Zxid,
    leader: Option<ServerId>,
    txn: &'a Bytes,
    out: &mut Vec<u8>,
) -> &'a Bytes {
    kind.encode(out);
    zxid.encode(out);
    let len = leader.map_or(0, |_| LEADER_LEN) + txn.len();
    i32::try_from(len).expect("a transaction is shorter than 2 GiB").encode(out);
    if let Some(leader) = leader {
        leader.0.encode(out);
    }
    txn
}

/// Who leads a new configuration, in bytes.
const LEADER_LEN: usize = 8;

/// Who leads, and what is behind it.
fn decode_leader(data: &Bytes) -> wire::Result<(ServerId, Bytes)> {
    let leader = field(&mut Reader::new(data), "leader")?;
    Ok((ServerId(leader), data.slice(LEADER_LEN..)))
}
