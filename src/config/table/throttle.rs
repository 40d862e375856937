//! Rows about batching of writes, and throttling of requests and connections.

use super::keys;
use crate::config::rules::*;

keys! {
    FLUSH_DELAY: Off<u64> = "flushDelay", off(number(1, i64::MAX), "at once"), "0", "3.6.x",
        "ms to wait for more writes before the log is synced";
    MAX_WRITE_QUEUE_POLL: Int<u64> = "maxWriteQueuePollTime", number(0, i64::MAX), "a third of flushDelay",
        "3.6.x",
        "ms to wait for a write when there is none";
    MAX_BATCH_SIZE: Off<u32> = "maxBatchSize", off(number(1, INT_MAX), "unlimited"), "1000", "3.6.x",
        "writes in one sync of the log";

    GLOBAL_OUTSTANDING: Int<u32> = "globalOutstandingLimit", number(0, INT_MAX), "1000", "<=3.4",
        "requests in work from which on busy connections are not read";
    THROTTLE_LIMIT: Off<u32> = "requestThrottleLimit" | "request_throttle_max_requests",
        off(number(1, INT_MAX), "off"), "0", "3.6.x", "requests in work from which on new ones wait";
    THROTTLE_STALL: Int<u32> = "requestThrottleStallTime" | "request_throttle_stall_time",
        number(0, INT_MAX), "100", "3.6.x", "ms; longest single wait";
    THROTTLE_DROP_STALE: Switch = "requestThrottleDropStale" | "request_throttle_drop_stale", Switch, "true",
        "3.6.x",
        "drop requests that became stale while they waited, and their connection";
    STALE_LATENCY: Switch = "requestStaleLatencyCheck" | "request_stale_latency_check", Switch, "false", "3.6.x",
        "a request older than its session's timeout is stale";
    STALE_CONNECTION: Switch = "requestStaleConnectionCheck" | "request_stale_connection_check", Switch, "true",
        "3.6.x",
        "a request whose connection is gone is stale";
    THROTTLE_SHUTDOWN: Int<u32> = "request_throttler.shutdownTimeout", number(0, INT_MAX), "10000", "3.6.x",
        "ms that a stop waits at most until the requests in work are answered";
    THROTTLED_OP_WAIT: Off<u32> = "throttledOpWaitTime" | "throttled_op_wait_time", off(number(1, INT_MAX), "off"),
        "0", "3.7.x", "ms; requests that waited longer are answered with THROTTLEDOP";
    LARGE_THRESHOLD: Off<u32> = "largeRequestThreshold", off(number(1, INT_MAX), "off"), "-1", "3.6.x",
        "bytes from which on a request counts as large";
    LARGE_MAX_BYTES: Int<u32> = "largeRequestMaxBytes", number(1, INT_MAX), "104857600", "3.6.x",
        "bytes of all large requests in work; more closes the connection";

    CNXN_TOKENS: Off<u32> = "connectionMaxTokens" | "connection_throttle_tokens", off(number(1, INT_MAX), "off"),
        "0", "3.6.x", "size of the token bucket for new connections";
    CNXN_FILL_TIME: Int<u32> = "connectionTokenFillTime" | "connection_throttle_fill_time", number(1, INT_MAX),
        "1", "3.6.x", "ms between refills";
    CNXN_FILL_COUNT: Int<u32> = "connectionTokenFillCount" | "connection_throttle_fill_count", number(0, INT_MAX),
        "1", "3.6.x", "tokens in a refill";
    CNXN_FREEZE_TIME: Off<u32> = "connectionFreezeTime" | "connection_throttle_freeze_time",
        off(number(0, INT_MAX), "off"), "-1", "3.6.x",
        "ms between changes of the chance to drop a connection";
    CNXN_DROP_INCREASE: Share = "connectionDropIncrease" | "connection_throttle_drop_increase", Share,
        "0.02", "3.6.x", "step up of that chance";
    CNXN_DROP_DECREASE: Share = "connectionDropDecrease" | "connection_throttle_drop_decrease", Share,
        "0.002", "3.6.x", "step down of that chance";
    CNXN_DECREASE_RATIO: Share = "connectionDecreaseRatio" | "connection_throttle_decrease_ratio", Share,
        "0", "3.6.x", "filling of the bucket from which on the chance falls";
    CNXN_WEIGHTS: Switch = "connection_throttle_weight_enabled", Switch, "false", "3.6.x",
        "weigh new connections by kind";
    CNXN_WEIGHT_GLOBAL: Int<u32> = "connection_throttle_global_session_weight", number(1, INT_MAX), "3",
        "3.6.x",
        "tokens for a new session";
    CNXN_WEIGHT_LOCAL: Int<u32> = "connection_throttle_local_session_weight", number(1, INT_MAX), "1",
        "3.6.x",
        "tokens for a new local session";
    CNXN_WEIGHT_RENEW: Int<u32> = "connection_throttle_renew_session_weight", number(1, INT_MAX), "2",
        "3.6.x",
        "tokens for a session that comes back";
}
