//! The numbers of the protocol: op codes, error codes, event types, permissions, types of packets. One table each; a
//! value that a newer peer invents stays a number.

use crate::macros::numbers;

numbers! {
    /// What a request asks for, and what a transaction did (`ZooDefs.OpCode`).
    OpCode: i32 {
        /// Opens a session; only inside transactions.
        CREATE_SESSION = -10,
        /// Ends a session.
        CLOSE_SESSION = -11,
        /// A request that failed; only inside transactions.
        ERROR = -1,
        /// Never sent by clients.
        NOTIFICATION = 0,
        /// Creates a znode.
        CREATE = 1,
        /// Deletes a znode.
        DELETE = 2,
        /// Asks for a `Stat`.
        EXISTS = 3,
        /// Reads data.
        GET_DATA = 4,
        /// Writes data.
        SET_DATA = 5,
        /// Reads an ACL.
        GET_ACL = 6,
        /// Writes an ACL.
        SET_ACL = 7,
        /// Lists children.
        GET_CHILDREN = 8,
        /// Waits until this server has caught up with the leader.
        SYNC = 9,
        /// Keeps a session alive.
        PING = 11,
        /// Lists children with the parent's `Stat`.
        GET_CHILDREN2 = 12,
        /// Checks a version, inside a multi.
        CHECK = 13,
        /// Several writes as one.
        MULTI = 14,
        /// Creates a znode and answers with its `Stat`.
        CREATE2 = 15,
        /// Changes the ensemble.
        RECONFIG = 16,
        /// Asks whether a watch is set.
        CHECK_WATCHES = 17,
        /// Takes watches back.
        REMOVE_WATCHES = 18,
        /// Creates a container.
        CREATE_CONTAINER = 19,
        /// Deletes an empty container or an expired TTL node; made by the server itself.
        DELETE_CONTAINER = 20,
        /// Creates a znode with a time to live.
        CREATE_TTL = 21,
        /// Several reads as one.
        MULTI_READ = 22,
        /// Adds an identity to the connection.
        AUTH = 100,
        /// Brings watches back after a reconnect.
        SET_WATCHES = 101,
        /// One step of a SASL exchange.
        SASL = 102,
        /// Lists the session's ephemerals.
        GET_EPHEMERALS = 103,
        /// Counts descendants.
        GET_ALL_CHILDREN_NUMBER = 104,
        /// Brings watches back, persistent ones too.
        SET_WATCHES2 = 105,
        /// Sets a persistent watch.
        ADD_WATCH = 106,
        /// Lists the identities of the connection.
        WHO_AM_I = 107,
    }
}

numbers! {
    /// How a request ended (`KeeperException.Code`).
    Code: i32 {
        /// Success.
        OK = 0,
        /// Something failed inside the server.
        SYSTEM_ERROR = -1,
        /// Not tried, because an earlier operation of the same multi failed.
        RUNTIME_INCONSISTENCY = -2,
        /// The connection is gone; whether the request took effect, nobody knows. Only clients say so.
        CONNECTION_LOSS = -4,
        /// The request could not be decoded.
        MARSHALLING_ERROR = -5,
        /// The server does not do this.
        UNIMPLEMENTED = -6,
        /// An argument is out of range.
        BAD_ARGUMENTS = -8,
        /// No quorum of the new configuration is in sync.
        NEW_CONFIG_NO_QUORUM = -13,
        /// Another reconfiguration is under way.
        RECONFIG_IN_PROGRESS = -14,
        /// No such znode.
        NO_NODE = -101,
        /// The ACL forbids it.
        NO_AUTH = -102,
        /// The expected version does not match.
        BAD_VERSION = -103,
        /// Ephemerals have no children.
        NO_CHILDREN_FOR_EPHEMERALS = -108,
        /// The znode exists.
        NODE_EXISTS = -110,
        /// The znode has children.
        NOT_EMPTY = -111,
        /// The session has ended.
        SESSION_EXPIRED = -112,
        /// The ACL is not valid.
        INVALID_ACL = -114,
        /// Authentication failed.
        AUTH_FAILED = -115,
        /// The session lives on another server now.
        SESSION_MOVED = -118,
        /// A write on a read-only server.
        NOT_READ_ONLY = -119,
        /// A session that is local cannot own an ephemeral.
        EPHEMERAL_ON_LOCAL_SESSION = -120,
        /// No such watch.
        NO_WATCHER = -121,
        /// Reconfiguration is switched off.
        RECONFIG_DISABLED = -123,
        /// An enforced authentication scheme is missing.
        SESSION_CLOSED_REQUIRE_SASL_AUTH = -124,
        /// A hard quota would be exceeded.
        QUOTA_EXCEEDED = -125,
        /// The request waited too long.
        THROTTLED_OP = -127,
    }
}

numbers! {
    /// What a watch event tells (`Watcher.Event.EventType`).
    EventType: i32 {
        /// The znode was created.
        NODE_CREATED = 1,
        /// The znode was deleted.
        NODE_DELETED = 2,
        /// The znode's data was written.
        NODE_DATA_CHANGED = 3,
        /// A child was created or deleted.
        NODE_CHILDREN_CHANGED = 4,
    }
}

numbers! {
    /// A set of permissions (`ZooDefs.Perms`); unknown bits are kept.
    Perms: i32 {
        /// None of them.
        NONE = 0,
        /// Read data, list children, see events.
        READ = 1,
        /// Write data.
        WRITE = 2,
        /// Create children.
        CREATE = 4,
        /// Delete children.
        DELETE = 8,
        /// Write the ACL.
        ADMIN = 16,
        /// All of them.
        ALL = 31,
    }
}

numbers! {
    /// What a packet between leader and learner is (`Leader`).
    PacketType: i32 {
        /// A client's request, handed on to the leader.
        REQUEST = 1,
        /// A transaction to log.
        PROPOSAL = 2,
        /// Everything up to here is durable.
        ACK = 3,
        /// A proposal that is decided.
        COMMIT = 4,
        /// Asks for a sign of life, and is one.
        PING = 5,
        /// Asks whether a session lives, and answers that.
        REVALIDATE = 6,
        /// Answers a sync request.
        SYNC = 7,
        /// A decided transaction, to observers.
        INFORM = 8,
        /// A decided change of the ensemble.
        COMMITANDACTIVATE = 9,
        /// Ends what a learner is brought up to date with.
        NEWLEADER = 10,
        /// A follower names itself.
        FOLLOWERINFO = 11,
        /// The learner may serve.
        UPTODATE = 12,
        /// The learner is sent what it lacks.
        DIFF = 13,
        /// The learner has to cut its log.
        TRUNC = 14,
        /// The learner is sent a snapshot.
        SNAP = 15,
        /// An observer names itself.
        OBSERVERINFO = 16,
        /// The leader names its epoch.
        LEADERINFO = 17,
        /// The learner takes the epoch.
        ACKEPOCH = 18,
        /// A decided change of the ensemble, to observers.
        INFORMANDACTIVATE = 19,
    }
}

impl Perms {
    /// Whether the two sets share a permission: an entry grants when it shares any bit with what is wanted.
    pub const fn intersects(self, wanted: Self) -> bool {
        self.0 & wanted.0 != 0
    }
}

/// The state that every watch event carries: connected (`KeeperState.SyncConnected`).
pub const STATE_SYNC_CONNECTED: i32 = 3;

/// The xid of a watch event.
pub const XID_EVENT: i32 = -1;
/// The xid of every answer to a ping.
pub const XID_PING: i32 = -2;
