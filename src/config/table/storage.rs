//! Rows about the data directory, logs and snapshots.

use super::keys;
use crate::config::rules::*;
use crate::config::types::SnapshotCompression;

keys! {
    DATA_DIR: Place = "dataDir", Place, "required", "<=3.4", "folder of snapshots (in version-2) and myid";
    DATA_LOG_DIR: Place = "dataLogDir", Place, "dataDir", "<=3.4", "folder of transaction logs (in version-2)";
    DATA_DIR_AUTOCREATE: Switch = "datadir.autocreate", Switch, "true", "3.5.x",
        "create missing folders at the start";
    DB_AUTOCREATE: Switch = "db.autocreate", Switch, "true", "3.6.x",
        "begin an empty database without a file \"initialize\" beside the logs' version-2; false refuses to start then";
    TRUST_EMPTY: Switch = "snapshot.trust.empty", Switch, "false", "3.5.6",
        "accept transaction logs without any snapshot";
    PRE_ALLOC_SIZE: Lenient<Off<u64>> = "preAllocSize", lenient(off(decimal(1, INT_MAX), "off")), "65536", "<=3.4",
        "KiB; step by which the log file grows";
    SNAP_COUNT: Int<u32> = "snapCount", number(2, INT_MAX).raised(), "100000", "<=3.4",
        "a snapshot follows after somewhat more than half as many transactions, at most after all";
    SNAP_SIZE_LIMIT: Off<u64> = "snapSizeLimitInKb", off(number(1, 1 << 50), "off"), "4194304", "3.6.x",
        "KiB of log after which a snapshot follows";
    TXN_LOG_SIZE_LIMIT: Off<u64> = "txnLogSizeLimitInKb", off(number(1, 1 << 50), "off"), "-1", "3.6.x",
        "KiB after which a new log file is begun";
    COMMIT_LOG_COUNT: Lenient<Int<u32>> = "commitLogCount", lenient(decimal(500, INT_MAX).raised()), "500", "3.6.x",
        "last transactions kept in memory for followers",
        ensemble;
    SNAPSHOT_SIZE_FACTOR: FactorOrOff = "snapshotSizeFactor", FactorOrOff, "0.33", "3.5.x",
        "largest share of the snapshot's size that a follower gets as log",
        ensemble;
    FORCE_SYNC: Lenient<OneOf<bool>> = "forceSync", lenient(exactly(&[("yes", true), ("no", false)])), "yes", "<=3.4",
        "sync the log before a write is acknowledged; \"no\" risks loss";
    FSYNC_WARNING: Int<u64> = "fsync.warningthresholdms", number(0, i64::MAX), "1000", "3.3.4",
        "ms; when writing and syncing the log takes longer, a warning is logged (officially: the sync alone)";
    SNAP_RETAIN_COUNT: Int<u32> = "autopurge.snapRetainCount", decimal(3, INT_MAX).raised(), "3", "3.4.0",
        "snapshots that purging keeps";
    PURGE_INTERVAL: Hours = "autopurge.purgeInterval", Hours, "0", "3.4.0",
        "time between purges of old snapshots and logs";
    COMPRESSION: Lenient<OneOf<SnapshotCompression>> = "snapshot.compression.method", lenient(one_of(SnapshotCompression::WORDS)),
        "",
        "3.6.x", "compression of snapshot files";
    LAST_ZXID: Switch = "serializeLastProcessedZxid.enabled", Switch, "true", "3.9.x",
        "end snapshots with the last processed zxid";
    INITIAL_ZXID: Lenient<Int<u64>> = "testingonly.initialZxid", lenient(decimal(0, i64::MAX)), "unset", "<=3.4",
        "tests only: counter to start with",
        ensemble;
}
