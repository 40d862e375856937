//! Rows about several servers. A standalone server checks them and, like the official one, makes no use of
//! them.

use super::{Status, accepted, keys};
use crate::config::rules::*;
use crate::membership::Role;

keys! {
    STANDALONE_ENABLED: Flag = "standaloneEnabled", Flag, "true", "3.5.x",
        "one listed server is a standalone server; false makes it an ensemble of one";
    DYNAMIC_CONFIG_FILE: Place = "dynamicConfigFile", Place, "unset", "3.5.x",
        "file with the server, group and weight lines; its suffix is the version in hexadecimal";
    RECONFIG_ENABLED: Flag = "reconfigEnabled", Flag, "false", "3.5.3",
        "allow the reconfig operation; a standalone server has nothing to change";
    READ_ONLY_MODE: Switch = "readonlymode.enabled", Switch, "false", "<=3.4",
        "serve reads without a quorum; a standalone server only adds isro to the four-letter words";

    PEER_TYPE: OneOf<Role> = "peerType",
        one_of(&[("participant", Role::Participant), ("observer", Role::Observer)]), "participant", "<=3.4",
        "own role; the server's line counts",
        ensemble;
    INIT_LIMIT: Int<i32> = "initLimit", decimal(INT_MIN, INT_MAX), "required there", "<=3.4",
        "ticks to connect and sync to a leader",
        ensemble;
    SYNC_LIMIT: Int<i32> = "syncLimit", decimal(INT_MIN, INT_MAX), "required there", "<=3.4",
        "ticks a member may lag or be silent",
        ensemble;
    CONNECT_LIMIT: Int<i32> = "connectToLearnerMasterLimit", decimal(INT_MIN, INT_MAX), "0", "3.6.x",
        "ticks to connect to a leader; 0 or less means initLimit",
        ensemble;
    CONNECT_RETRY_DELAY: Int<u32> = "leaderConnectDelayDuringRetryMs", number(0, INT_MAX), "100", "3.6.x",
        "ms between connects to a leader",
        ensemble;
    LISTEN_ON_ALL: Flag = "quorumListenOnAllIPs", Flag, "false", "<=3.4",
        "bind quorum and election ports on every address",
        ensemble;
    ELECTION_BIND_RETRIES: Int<u32> = "electionPortBindRetry", number(0, INT_MAX), "3", "3.5.x",
        "attempts to bind the election port; 0 means without end",
        ensemble;
    CNX_TIMEOUT: Lenient<Int<u32>> = "cnxTimeout", lenient(decimal(0, INT_MAX)), "5000", "<=3.4",
        "ms to connect an election channel",
        ensemble;
    QUORUM_CNXN_TIMEOUT: Off<u32> = "quorumCnxnTimeoutMs", off(number(1, INT_MAX), "syncLimit x tickTime"), "-1",
        "3.6.x",
        "ms an election channel may be silent",
        ensemble;
    ELECTION_KEEP_ALIVE: Switch = "tcpKeepAlive", Switch, "false", "3.5.4", "SO_KEEPALIVE on election channels",
        ensemble;
    MIN_NOTIFICATION: Int<u32> = "fastleader.minNotificationInterval", number(1, INT_MAX), "200", "3.6.x",
        "ms; first election wait",
        ensemble;
    MAX_NOTIFICATION: Int<u32> = "fastleader.maxNotificationInterval", number(1, INT_MAX), "60000", "3.6.x",
        "ms; longest election wait",
        ensemble;
    LEADER_SERVES: Lenient<OneOf<bool>> = "leaderServes", lenient(exactly(&[("yes", true), ("no", false)])), "yes",
        "<=3.4",
        "whether the leader serves clients",
        ensemble;
    EPOCH_WAIT: Off<u32> = "leader.maxTimeToWaitForEpoch", off(number(0, INT_MAX), "never"), "-1",
        "3.6.x",
        "ms after which a leader gives up when a voter that it waits for turns away",
        ensemble;
    SNAP_SYNCS: Int<u32> = "leader.maxConcurrentSnapSyncs", number(1, INT_MAX), "10", "3.6.x",
        "snapshots sent at once",
        ensemble;
    DIFF_SYNCS: Int<u32> = "leader.maxConcurrentDiffSyncs", number(1, INT_MAX), "100", "3.6.x",
        "diffs sent at once",
        ensemble;
    ACK_LOGGING: Off<u32> = "leader.ackLoggingFrequency", off(number(1, INT_MAX), "none"), "1000", "3.6.x",
        "each how manieth transaction counts for ack_latency",
        ensemble;
    FORCE_SNAPSHOT_SYNC: Switch = "forceSnapshotSync", Switch, "false", "3.5.x", "always sync by snapshot",
        ensemble;
    LEADER_NO_DELAY: Switch = "leader.nodelay", Switch, "true", "<=3.4", "TCP_NODELAY towards followers",
        ensemble;
    FOLLOWER_NO_DELAY: Switch = "follower.nodelay", Switch, "true", "<=3.4", "TCP_NODELAY towards the leader",
        ensemble;
    SYNC_ENABLED: Flag = "syncEnabled", Flag, "true", "3.4.6", "observers write log and snapshots",
        ensemble;
    OBSERVER_SYNC_ENABLED: Switch = "observer.syncEnabled", Switch, "value of syncEnabled", "3.4.6",
        "the same as a property, which wins",
        ensemble;
    OBSERVER_MASTER_PORT: Int<i32> = "observerMasterPort", decimal(INT_MIN, INT_MAX), "0", "3.6.x",
        "port on which followers serve observers; 0 or less means off",
        ensemble;
    OBSERVER_MASTER_SIZE: Off<u32> = "observerMaster.sizeLimit", off(number(1, INT_MAX), "nothing"), "33554432", "3.6.x",
        "bytes kept for observers",
        ensemble;
    OBSERVER_RECONNECT: Int<u64> = "observer.reconnectDelayMs", number(0, i64::MAX), "0", "3.6.x",
        "ms before an observer reconnects, at most: each time another part of them",
        ensemble;
    OBSERVER_ELECTION: Int<u64> = "observer.election.DelayMs", number(0, i64::MAX), "0", "3.6.x",
        "ms before an observer that has lost its leader looks again, at most; officially 200",
        ensemble;
    KEEP_CONNECTIONS: Switch = "keepConnections", Switch, "true", "oxkeeper",
        "clients that wait for no write keep their connections when the leader goes",
        ensemble;
    LOCAL_SESSIONS: Flag = "localSessionsEnabled", Flag, "false", "3.5.x",
        "new sessions stay on the server that made them",
        ensemble;
    LOCAL_UPGRADING: Flag = "localSessionsUpgradingEnabled", Flag, "false", "3.5.x",
        "a local session becomes global when it has to",
        ensemble;
    ORACLE_PATH: Text = "oraclePath", Text, "unset", "3.8.x", "oracle file of two-server ensembles",
        ensemble;
    MULTI_ADDRESS: Flag = "multiAddress.enabled", Flag, "false", "3.6.x",
        "several addresses for a server (officially as a property of the command line alone)",
        ensemble;
    REACHABILITY_TIMEOUT: Int<i32> = "multiAddress.reachabilityCheckTimeoutMs", decimal(INT_MIN, INT_MAX), "1000",
        "3.6.x",
        "ms to probe an address",
        ensemble;
    REACHABILITY_CHECK: Flag = "multiAddress.reachabilityCheckEnabled", Flag, "true", "3.6.x",
        "probe addresses before choosing one",
        ensemble;
}

accepted! {
    MEMBERS, Status::Ensemble;
    "server.*", Text, "unset", "<=3.4",
        "a member: host:port:electionPort[:participant or :observer][;[clientHost:]clientPort]";
    "group.*", Text, "unset", "3.5.x", "members of a hierarchical group, parted by colons";
    "weight.*", decimal::<i64>(i64::MIN, i64::MAX), "1", "3.5.x", "weight of a member's vote";
    "version", Text, "0", "<=3.4", "version of a dynamic configuration, in hexadecimal";
}

accepted! {
    ACCEPTED, Status::Ensemble;
    "electionAlg", decimal::<u8>(3, 3), "3", "<=3.4", "election algorithm";
    "leader.closeSocketAsync", Switch, "false", "3.7.x", "close followers' sockets in the background";
    "learner.closeSocketAsync", Switch, "false", "3.7.x", "the same on the follower";
    "learner.asyncSending", Switch, "false", "3.6.x", "a follower sends through a queue";
    "follower.skipLearnerRequestToNextProcessor", Switch, "false", "3.7.x",
        "keep observers' requests off the commits";
    "forward_learner_requests_to_commit_processor_disabled", Switch, "false", "3.7.x",
        "the leader's side of it";
    "test.allowDiscontinuousProposals", Switch, "false", "3.9.x", "tests only";
    "controllerPort", lenient(decimal::<u16>(0, 65535)), "unset", "3.7.x", "tests only: port of the fault injector";
}
