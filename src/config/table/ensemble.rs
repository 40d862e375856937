//! Rows about several servers. A standalone server checks them and, like the official one, makes no use of
//! them.

use super::{Status, accepted, keys};
use crate::config::rules::*;

keys! {
    STANDALONE_ENABLED: Flag = "standaloneEnabled", Flag, "true", "3.5.x",
        "one listed server is a standalone server; false makes it an ensemble of one";
    DYNAMIC_CONFIG_FILE: Place = "dynamicConfigFile", Place, "unset", "3.5.x",
        "file with the server, group and weight lines; its suffix is the version in hexadecimal";
    RECONFIG_ENABLED: Flag = "reconfigEnabled", Flag, "false", "3.5.3",
        "allow the reconfig operation; a standalone server has nothing to change";
    READ_ONLY_MODE: Switch = "readonlymode.enabled", Switch, "false", "<=3.4",
        "serve reads without a quorum; a standalone server only adds isro to the four-letter words";
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
    "peerType", one_of(&[("participant", ()), ("observer", ())]), "participant", "<=3.4", "own role";
    "initLimit", decimal::<i32>(INT_MIN, INT_MAX), "required there", "<=3.4",
        "ticks to connect and sync to a leader";
    "syncLimit", decimal::<i32>(INT_MIN, INT_MAX), "required there", "<=3.4", "ticks a member may lag or be silent";
    "connectToLearnerMasterLimit", decimal::<i32>(INT_MIN, INT_MAX), "0", "3.6.x", "ticks to connect to a leader";
    "electionAlg", decimal::<u8>(3, 3), "3", "<=3.4", "election algorithm";
    "electionPortBindRetry", number::<u32>(0, INT_MAX), "3", "3.5.x", "attempts to bind the election port";
    "cnxTimeout", lenient(decimal::<u32>(0, INT_MAX)), "5000", "<=3.4", "ms to connect an election channel";
    "quorumCnxnTimeoutMs", number::<i32>(-INT_MAX, INT_MAX), "-1", "3.6.x",
        "ms an election channel may be silent";
    "tcpKeepAlive", Switch, "false", "3.5.4", "SO_KEEPALIVE on election channels";
    "quorumListenOnAllIPs", Flag, "false", "<=3.4", "bind quorum and election ports on every address";
    "leaderServes", lenient(exactly(&[("yes", ()), ("no", ())])), "yes", "<=3.4", "whether the leader serves clients";
    "syncEnabled", Flag, "true", "3.4.6", "observers write log and snapshots";
    "observer.syncEnabled", Switch, "true", "3.4.6", "the same as a property";
    "observerMasterPort", decimal::<i32>(INT_MIN, INT_MAX), "0", "3.6.x",
        "port on which followers serve observers";
    "observerMaster.sizeLimit", number::<i32>(-INT_MAX, INT_MAX), "33554432", "3.6.x",
        "bytes kept for observers";
    "observer.reconnectDelayMs", number::<u64>(0, i64::MAX), "0", "3.6.x", "ms before an observer reconnects";
    "observer.election.DelayMs", number::<u64>(0, i64::MAX), "200", "3.6.x",
        "ms before an observer looks again";
    "localSessionsEnabled", Flag, "false", "3.5.x", "new sessions stay on the server that made them";
    "localSessionsUpgradingEnabled", Flag, "false", "3.5.x", "a local session becomes global when it has to";
    "oraclePath", Text, "unset", "3.8.x", "oracle file of two-server ensembles";
    "fastleader.minNotificationInterval", number::<u32>(0, INT_MAX), "200", "3.6.x",
        "ms; first election wait";
    "fastleader.maxNotificationInterval", number::<u32>(0, INT_MAX), "60000", "3.6.x",
        "ms; longest election wait";
    "leader.maxTimeToWaitForEpoch", number::<i32>(-INT_MAX, INT_MAX), "-1", "3.6.x", "ms to wait for epochs";
    "leader.maxConcurrentSnapSyncs", number::<u32>(0, INT_MAX), "10", "3.6.x", "snapshots sent at once";
    "leader.maxConcurrentDiffSyncs", number::<u32>(0, INT_MAX), "100", "3.6.x", "diffs sent at once";
    "leader.ackLoggingFrequency", number::<u32>(0, INT_MAX), "1000", "3.6.x", "sample rate of ack_latency";
    "leader.closeSocketAsync", Switch, "false", "3.7.x", "close followers' sockets in the background";
    "learner.closeSocketAsync", Switch, "false", "3.7.x", "the same on the follower";
    "learner.asyncSending", Switch, "false", "3.6.x", "a follower sends through a queue";
    "leaderConnectDelayDuringRetryMs", number::<u32>(0, INT_MAX), "100", "3.6.x",
        "ms between connects to a leader";
    "follower.skipLearnerRequestToNextProcessor", Switch, "false", "3.7.x",
        "keep observers' requests off the commits";
    "forward_learner_requests_to_commit_processor_disabled", Switch, "false", "3.7.x",
        "the leader's side of it";
    "forceSnapshotSync", Switch, "false", "3.5.x", "always sync by snapshot";
    "leader.nodelay", Switch, "true", "<=3.4", "TCP_NODELAY towards followers";
    "follower.nodelay", Switch, "true", "<=3.4", "TCP_NODELAY towards the leader";
    "multiAddress.enabled", Flag, "false", "3.6.x", "several addresses for a server";
    "multiAddress.reachabilityCheckTimeoutMs", decimal::<i32>(INT_MIN, INT_MAX), "1000", "3.6.x",
        "ms to probe an address";
    "multiAddress.reachabilityCheckEnabled", Flag, "true", "3.6.x", "probe addresses before choosing one";
    "test.allowDiscontinuousProposals", Switch, "false", "3.9.x", "tests only";
    "controllerPort", lenient(decimal::<u16>(0, 65535)), "unset", "3.7.x", "tests only: port of the fault injector";
}
