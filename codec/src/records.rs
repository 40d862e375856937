//! The table: every record of the client protocol, of transactions and of files, in the order of the protocol's
//! own definition (`zookeeper.jute` of 3.9). Layouts follow from the field types; see [`crate::wire`].

use crate::{
    ByteStr, Code, Decode, Encode, EventType, OpCode, Perms, Reader, SessionId, Zxid, macros::records, wire,
};
use bytes::Bytes;
use std::borrow::Cow;

/// An access control list as it is sent; null is told apart from empty.
pub type AclList = Option<Vec<Acl>>;

/// Who: an identity of an authentication scheme (`data.Id`). A null field is taken, and found by [`ByteStr::is_null`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Id {
    /// Name of the scheme: `world`, `auth`, `digest`, `ip`, ….
    pub scheme: ByteStr,
    /// The identity, in the scheme's own form.
    pub id: ByteStr,
}

impl Id {
    /// The record's name and its fields, in wire order.
    pub const SCHEMA: (&'static str, &'static [&'static str]) = ("Id", &["scheme", "id"]);
}

impl<'a> Decode<'a> for Id {
    const MIN_LEN: usize = 8;
    fn decode(reader: &mut Reader<'a>) -> wire::Result<Self> {
        let mut text = || Option::<ByteStr>::decode(reader).map(|text| text.unwrap_or(ByteStr::null()));
        Ok(Self { scheme: text().map_err(|e| e.within("scheme"))?, id: text().map_err(|e| e.within("id"))? })
    }
}

impl Encode for Id {
    fn encode(&self, out: &mut Vec<u8>) {
        self.scheme.encode(out);
        self.id.encode(out);
    }
    fn encoded_len(&self) -> usize {
        self.scheme.encoded_len() + self.id.encoded_len()
    }
}

records! {
    /// Who may do what (`data.ACL`).
    Acl {
        /// What is granted.
        perms: Perms,
        /// To whom.
        id: Id,
    }
    /// What clients are told about a znode (`data.Stat`, 68 bytes).
    Stat {
        /// The transaction that created it.
        czxid: Zxid,
        /// The transaction that last wrote its data.
        mzxid: Zxid,
        /// When it was created, in ms of wall clock.
        ctime: i64,
        /// When its data was last written, in ms of wall clock.
        mtime: i64,
        /// How often its data was written.
        version: i32,
        /// How many children were created and deleted.
        cversion: i32,
        /// How often its ACL was written.
        aversion: i32,
        /// The owning session of an ephemeral, else 0.
        ephemeral_owner: i64,
        /// Length of the data, in bytes.
        data_length: i32,
        /// Number of children.
        num_children: i32,
        /// The transaction that last created or deleted a child.
        pzxid: Zxid,
    }
    /// What is stored about a znode (`data.StatPersisted`, 60 bytes).
    StatPersisted {
        /// The transaction that created it.
        czxid: Zxid,
        /// The transaction that last wrote its data.
        mzxid: Zxid,
        /// When it was created, in ms of wall clock.
        ctime: i64,
        /// When its data was last written, in ms of wall clock.
        mtime: i64,
        /// How often its data was written.
        version: i32,
        /// How many children were ever created: the number of the next sequential child.
        cversion: i32,
        /// How often its ACL was written.
        aversion: i32,
        /// The owning session, or the marks of container and TTL nodes (`EphemeralType`).
        ephemeral_owner: i64,
        /// The transaction that last created or deleted a child.
        pzxid: Zxid,
    }
    /// One identity of a connection (`data.ClientInfo`).
    ClientInfo {
        /// Authentication scheme.
        auth_scheme: ByteStr,
        /// User name, or what else identifies the client.
        user: ByteStr,
    }

    /// The first packet of a connection (`proto.ConnectRequest`); older clients leave out the last field, see
    /// [`crate::request::Handshake`].
    ConnectRequest {
        /// Ignored by every server.
        protocol_version: i32,
        /// The newest zxid that the client has seen.
        last_zxid_seen: Zxid,
        /// The session time-out asked for, in ms.
        time_out: i32,
        /// The session to renew; 0 asks for a new one.
        session_id: SessionId,
        /// The session's password.
        passwd: Option<Bytes>,
        /// Whether a read-only server will do.
        read_only: bool,
    }
    /// The answer to it (`proto.ConnectResponse`).
    ConnectResponse {
        /// Always 0.
        protocol_version: i32,
        /// The negotiated time-out in ms; 0 tells that the session is gone.
        time_out: i32,
        /// The session.
        session_id: SessionId,
        /// Its password, 16 bytes.
        passwd: Option<Bytes>,
        /// Whether the server is read-only.
        read_only: bool,
    }
    /// Brings watches back (`proto.SetWatches`).
    SetWatches {
        /// Changes after this zxid are told at once.
        relative_zxid: Zxid,
        /// Paths with data watches.
        data_watches: Option<Vec<ByteStr>>,
        /// Paths with exist watches.
        exist_watches: Option<Vec<ByteStr>>,
        /// Paths with child watches.
        child_watches: Option<Vec<ByteStr>>,
    }
    /// Brings watches back, persistent ones too (`proto.SetWatches2`).
    SetWatches2 {
        /// Changes after this zxid are told at once.
        relative_zxid: Zxid,
        /// Paths with data watches.
        data_watches: Option<Vec<ByteStr>>,
        /// Paths with exist watches.
        exist_watches: Option<Vec<ByteStr>>,
        /// Paths with child watches.
        child_watches: Option<Vec<ByteStr>>,
        /// Paths with persistent watches.
        persistent_watches: Option<Vec<ByteStr>>,
        /// Paths with persistent recursive watches.
        persistent_recursive_watches: Option<Vec<ByteStr>>,
    }
    /// In front of every request (`proto.RequestHeader`, 8 bytes).
    RequestHeader {
        /// The client's number for it, echoed in the reply.
        xid: i32,
        /// What is asked.
        op: OpCode,
    }
    /// In front of every operation and result of a multi (`proto.MultiHeader`, 9 bytes).
    MultiHeader {
        /// The operation; -1 for an error result and at the end.
        op: OpCode,
        /// Whether this is the end.
        done: bool,
        /// The error, or -1.
        err: i32,
    }
    /// Adds an identity (`proto.AuthPacket`).
    AuthPacket {
        /// Not used.
        kind: i32,
        /// Authentication scheme.
        scheme: ByteStr,
        /// What the scheme wants to know.
        auth: Option<Bytes>,
    }
    /// In front of every reply (`proto.ReplyHeader`, 16 bytes).
    ReplyHeader {
        /// The request's number.
        xid: i32,
        /// The last zxid applied when the reply was made.
        zxid: Zxid,
        /// How the request ended; when not 0, nothing follows.
        err: Code,
    }
    /// Reads data (`proto.GetDataRequest`).
    GetDataRequest<'a> {
        /// The znode.
        path: Cow<'a, str>,
        /// Whether to leave a watch.
        watch: bool,
    }
    /// Writes data (`proto.SetDataRequest`).
    SetDataRequest {
        /// The znode.
        path: ByteStr,
        /// Its new data.
        data: Option<Bytes>,
        /// The version it must have; -1 for any.
        version: i32,
    }
    /// Changes the ensemble (`proto.ReconfigRequest`).
    ReconfigRequest {
        /// Members to add or change, separated by commas.
        joining_servers: Option<ByteStr>,
        /// Ids of members to remove, separated by commas.
        leaving_servers: Option<ByteStr>,
        /// The whole new membership, instead of the two above.
        new_members: Option<ByteStr>,
        /// The configuration version it builds on; -1 for any.
        cur_config_id: i64,
    }
    /// The new `Stat` (`proto.SetDataResponse`).
    SetDataResponse {
        /// After the write.
        stat: Stat,
    }
    /// A SASL token of the client (`proto.GetSASLRequest`).
    GetSaslRequest {
        /// The mechanism's bytes.
        token: Option<Bytes>,
    }
    /// A SASL token of the server (`proto.SetSASLResponse`).
    SetSaslResponse {
        /// The mechanism's bytes.
        token: Option<Bytes>,
    }
    /// Creates a znode (`proto.CreateRequest`).
    CreateRequest {
        /// The znode, or its prefix if sequential.
        path: ByteStr,
        /// Its data.
        data: Option<Bytes>,
        /// Its ACL.
        acl: AclList,
        /// Its kind (`CreateMode`).
        flags: i32,
    }
    /// Creates a znode with a time to live (`proto.CreateTTLRequest`).
    CreateTtlRequest {
        /// The znode, or its prefix if sequential.
        path: ByteStr,
        /// Its data.
        data: Option<Bytes>,
        /// Its ACL.
        acl: AclList,
        /// Its kind (`CreateMode`).
        flags: i32,
        /// Time to live after the last write, in ms.
        ttl: i64,
    }
    /// Deletes a znode (`proto.DeleteRequest`).
    DeleteRequest {
        /// The znode.
        path: ByteStr,
        /// The version it must have; -1 for any.
        version: i32,
    }
    /// Lists children (`proto.GetChildrenRequest`).
    GetChildrenRequest<'a> {
        /// The parent.
        path: Cow<'a, str>,
        /// Whether to leave a watch.
        watch: bool,
    }
    /// Counts descendants (`proto.GetAllChildrenNumberRequest`).
    GetAllChildrenNumberRequest<'a> {
        /// The ancestor.
        path: Cow<'a, str>,
    }
    /// Lists children with the parent's `Stat` (`proto.GetChildren2Request`).
    GetChildren2Request<'a> {
        /// The parent.
        path: Cow<'a, str>,
        /// Whether to leave a watch.
        watch: bool,
    }
    /// Checks a version (`proto.CheckVersionRequest`).
    CheckVersionRequest {
        /// The znode.
        path: ByteStr,
        /// The version it must have; -1 for any.
        version: i32,
    }
    /// Waits for the leader's state (`proto.SyncRequest`).
    SyncRequest<'a> {
        /// Echoed.
        path: Option<Cow<'a, str>>,
    }
    /// The answer to it (`proto.SyncResponse`).
    SyncResponse<'a> {
        /// Of the request.
        path: Option<Cow<'a, str>>,
    }
    /// Reads an ACL (`proto.GetACLRequest`).
    GetAclRequest<'a> {
        /// The znode.
        path: Cow<'a, str>,
    }
    /// Writes an ACL (`proto.SetACLRequest`).
    SetAclRequest {
        /// The znode.
        path: ByteStr,
        /// Its new ACL.
        acl: AclList,
        /// The ACL version it must have; -1 for any.
        version: i32,
    }
    /// The new `Stat` (`proto.SetACLResponse`).
    SetAclResponse {
        /// After the write.
        stat: Stat,
    }
    /// Sets a persistent watch (`proto.AddWatchRequest`).
    AddWatchRequest<'a> {
        /// The znode, which need not exist.
        path: Option<Cow<'a, str>>,
        /// 0 persistent, 1 persistent recursive.
        mode: i32,
    }
    /// A watch event (`proto.WatcherEvent`).
    WatcherEvent<'a> {
        /// What happened.
        event: EventType,
        /// Always [`crate::codes::STATE_SYNC_CONNECTED`].
        state: i32,
        /// Where.
        path: Cow<'a, str>,
    }
    /// An error inside a body (`proto.ErrorResponse`).
    ErrorResponse {
        /// The error.
        err: Code,
    }
    /// The created path (`proto.CreateResponse`).
    CreateResponse {
        /// With its sequence number.
        path: ByteStr,
    }
    /// The created path and its `Stat` (`proto.Create2Response`).
    Create2Response {
        /// With its sequence number.
        path: ByteStr,
        /// Of the new znode.
        stat: Stat,
    }
    /// Asks for a `Stat` (`proto.ExistsRequest`).
    ExistsRequest<'a> {
        /// The znode.
        path: Cow<'a, str>,
        /// Whether to leave a watch, also when there is no such znode.
        watch: bool,
    }
    /// The `Stat` (`proto.ExistsResponse`).
    ExistsResponse {
        /// Of the znode.
        stat: Stat,
    }
    /// Data and `Stat` (`proto.GetDataResponse`).
    GetDataResponse {
        /// The data; null and empty are told apart.
        data: Option<Bytes>,
        /// Of the znode.
        stat: Stat,
    }
    /// Names of children (`proto.GetChildrenResponse`).
    GetChildrenResponse {
        /// In no particular order.
        children: Vec<ByteStr>,
    }
    /// Number of descendants (`proto.GetAllChildrenNumberResponse`).
    GetAllChildrenNumberResponse {
        /// At any depth.
        total_number: i32,
    }
    /// Names of children and the parent's `Stat` (`proto.GetChildren2Response`).
    GetChildren2Response {
        /// In no particular order.
        children: Vec<ByteStr>,
        /// Of the parent.
        stat: Stat,
    }
    /// An ACL (`proto.GetACLResponse`).
    GetAclResponse {
        /// The entries.
        acl: Vec<Acl>,
        /// Of the znode.
        stat: Stat,
    }
    /// Asks whether a watch is set (`proto.CheckWatchesRequest`).
    CheckWatchesRequest<'a> {
        /// The znode.
        path: Cow<'a, str>,
        /// 1 children, 2 data, 3 any, 4 persistent, 5 persistent recursive.
        kind: i32,
    }
    /// Takes watches back (`proto.RemoveWatchesRequest`).
    RemoveWatchesRequest<'a> {
        /// The znode.
        path: Cow<'a, str>,
        /// 1 children, 2 data, 3 any, 4 persistent, 5 persistent recursive.
        kind: i32,
    }
    /// Lists the session's ephemerals (`proto.GetEphemeralsRequest`).
    GetEphemeralsRequest<'a> {
        /// What their paths start with.
        prefix_path: Option<Cow<'a, str>>,
    }
    /// Paths of ephemerals (`proto.GetEphemeralsResponse`).
    GetEphemeralsResponse {
        /// In no particular order.
        ephemerals: Vec<ByteStr>,
    }
    /// Identities of the connection (`proto.WhoAmIResponse`).
    WhoAmIResponse {
        /// In no particular order.
        client_info: Vec<ClientInfo>,
    }

    /// At the start of every log and snapshot (`persistence.FileHeader`, 16 bytes).
    FileHeader {
        /// Which kind of file; see [`crate::file`].
        magic: i32,
        /// Format version: 2.
        version: i32,
        /// 0 in logs, -1 in snapshots.
        dbid: i64,
    }
    /// A znode in a snapshot, behind its path (`DataNode.serialize`).
    DataNode<'a> {
        /// The data; null and empty are told apart.
        data: Option<&'a [u8]>,
        /// Number of its ACL in the snapshot's table; -1 is world:anyone with all permissions.
        acl: i64,
        /// Its stored fields.
        stat: StatPersisted,
    }

    /// The tree's digest behind a transaction (`txn.TxnDigest`, 12 bytes).
    TxnDigest {
        /// How the digest is computed: 2.
        version: i32,
        /// Sum of the digests of all znodes.
        tree_digest: i64,
    }
    /// In front of every transaction (`txn.TxnHeader`, 32 bytes).
    TxnHeader {
        /// The session that asked.
        client_id: SessionId,
        /// The xid of its request.
        cxid: i32,
        /// The transaction's place in the order.
        zxid: Zxid,
        /// The leader's wall clock when it was prepared, in ms.
        time: i64,
        /// What it did.
        op: OpCode,
    }
    /// A znode as written by 3.3 (`txn.CreateTxnV0`).
    CreateTxnV0 {
        /// The znode.
        path: ByteStr,
        /// Its data.
        data: Option<Bytes>,
        /// Its ACL.
        acl: Vec<Acl>,
        /// Whether its session owns it.
        ephemeral: bool,
    }
    /// A znode (`txn.CreateTxn`).
    CreateTxn {
        /// The znode.
        path: ByteStr,
        /// Its data.
        data: Option<Bytes>,
        /// Its ACL.
        acl: Vec<Acl>,
        /// Whether its session owns it.
        ephemeral: bool,
        /// The parent's stored cversion afterwards; -1 stands for "one more".
        parent_cversion: i32,
    }
    /// A znode with a time to live (`txn.CreateTTLTxn`).
    CreateTtlTxn {
        /// The znode.
        path: ByteStr,
        /// Its data.
        data: Option<Bytes>,
        /// Its ACL.
        acl: Vec<Acl>,
        /// The parent's stored cversion afterwards.
        parent_cversion: i32,
        /// Time to live after the last write, in ms.
        ttl: i64,
    }
    /// A container (`txn.CreateContainerTxn`).
    CreateContainerTxn {
        /// The znode.
        path: ByteStr,
        /// Its data.
        data: Option<Bytes>,
        /// Its ACL.
        acl: Vec<Acl>,
        /// The parent's stored cversion afterwards.
        parent_cversion: i32,
    }
    /// A deletion (`txn.DeleteTxn`).
    DeleteTxn {
        /// The znode.
        path: ByteStr,
    }
    /// New data (`txn.SetDataTxn`).
    SetDataTxn {
        /// The znode.
        path: ByteStr,
        /// Its data.
        data: Option<Bytes>,
        /// Its version afterwards.
        version: i32,
    }
    /// A version that was checked (`txn.CheckVersionTxn`).
    CheckVersionTxn {
        /// The znode.
        path: ByteStr,
        /// One more than the version found.
        version: i32,
    }
    /// A new ACL (`txn.SetACLTxn`).
    SetAclTxn {
        /// The znode.
        path: ByteStr,
        /// Its ACL.
        acl: Vec<Acl>,
        /// Its ACL version afterwards.
        version: i32,
    }
    /// A new session (`txn.CreateSessionTxn`).
    CreateSessionTxn {
        /// Its time-out, in ms.
        time_out: i32,
    }
    /// The end of a session (`txn.CloseSessionTxn`, since 3.6).
    CloseSessionTxn {
        /// The ephemerals that go with it.
        paths_to_delete: Vec<ByteStr>,
    }
    /// A request that failed (`txn.ErrorTxn`).
    ErrorTxn {
        /// Why.
        err: Code,
    }
    /// One transaction inside a multi (`txn.Txn`).
    RawTxn {
        /// What it did.
        op: OpCode,
        /// Its record.
        data: Option<Bytes>,
    }
    /// Several transactions as one (`txn.MultiTxn`).
    MultiTxn {
        /// In order.
        txns: Vec<RawTxn>,
    }
}

impl StatPersisted {
    /// What is stored about a znode that a transaction has just created.
    pub const fn created(zxid: Zxid, time: i64, ephemeral_owner: i64) -> Self {
        Self {
            czxid: zxid,
            mzxid: zxid,
            ctime: time,
            mtime: time,
            version: 0,
            cversion: 0,
            aversion: 0,
            ephemeral_owner,
            pzxid: zxid,
        }
    }
}
