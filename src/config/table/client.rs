//! Rows about the client port, connections, sessions, sizes, and the rules of the tree.

use super::keys;
use crate::config::rules::*;

keys! {
    CLIENT_PORT: Int<u16> = "clientPort", decimal(0, 65535), "unset", "<=3.4",
        "TCP port for clients; 0 takes any free one";
    CLIENT_PORT_ADDRESS: Host = "clientPortAddress", Host, "all interfaces", "3.3.0",
        "host or IP address that clientPort is bound to; of several addresses of a host the first one of IPv4";
    LISTEN_BACKLOG: Off<u32> = "clientPortListenBacklog", off(decimal(1, INT_MAX), "a large one"), "-1",
        "3.4.14",
        "connections that may wait to be accepted";
    TCP_KEEP_ALIVE: Switch = "clientTcpKeepAlive", Switch, "false", "3.6.1", "SO_KEEPALIVE towards clients";
    MAX_CLIENT_CNXNS: Off<u32> = "maxClientCnxns", off(decimal(1, INT_MAX), "unlimited"), "60", "<=3.4",
        "open connections of one client address";
    MAX_CNXNS: Off<u32> = "maxCnxns", off(number(1, INT_MAX), "unlimited"), "0", "3.6.x",
        "open connections of all clients";
    SESSIONLESS_TIMEOUT: Int<u32> = "nio.sessionlessCnxnTimeout", number(1, INT_MAX), "10000", "3.5.x",
        "ms after which a connection without a session is closed (at most twice that)";
    IO_WORKERS: Off<u32> = "nio.numWorkerThreads", off(number(1, 65535), "by the number of cores"), "by cores",
        "3.5.x",
        "I/O workers; each serves its share of the connections";
    FOUR_LETTER_WORDS: List = "4lw.commands.whitelist", List, "srvr", "3.4.10",
        "four-letter words that are answered, or * for all; srvr always is";

    TICK_TIME: Int<u32> = "tickTime", decimal(1, INT_MAX), "3000", "<=3.4",
        "ms; base unit of session limits and expiry";
    MIN_SESSION_TIMEOUT: Unset<u32> = "minSessionTimeout", unset(decimal(0, INT_MAX).raised(), "2 x tickTime"), "-1",
        "3.3.0",
        "ms; shortest session timeout a client can get";
    MAX_SESSION_TIMEOUT: Unset<u32> = "maxSessionTimeout", unset(decimal(0, INT_MAX).raised(), "20 x tickTime"), "-1",
        "3.3.0",
        "ms; longest session timeout a client can get";

    JUTE_MAX_BUFFER: Int<u32> = "jute.maxbuffer", number(1, INT_MAX), "1048575", "<=3.4",
        "bytes; largest request, and largest string or buffer in it";
    JUTE_EXTRA_SIZE: Int<u32> = "jute.maxbuffer.extrasize", number(1024, INT_MAX).raised(), "jute.maxbuffer",
        "3.5.7",
        "bytes on top of that for records read from disk or peers",
        idle "what is on the disk is read whatever its size";
    RESPONSE_CACHE: Off<u32> = "maxResponseCacheSize", off(number(1, INT_MAX), "off"), "400", "3.6.x",
        "cached getData replies",
        idle "replies are encoded straight from the tree";
    CHILDREN_CACHE: Off<u32> = "maxGetChildrenResponseCacheSize", off(number(1, INT_MAX), "off"), "400",
        "3.6.x",
        "cached getChildren2 replies";
    REPLY_BUFFER: Int<u32> = "intBufferStartingSizeBytes", number(32, INT_MAX), "1024", "3.6.x",
        "bytes; first size of reply buffers",
        idle "reply buffers are kept and grow as they need";

    DIGEST_ENABLED: Switch = "digest.enabled", Switch, "true", "3.6.x", "keep and compare tree digests";
    CLOSE_SESSION_TXN: Switch = "closeSessionTxn.enabled", Switch, "true", "3.6.x",
        "list the deleted ephemeral nodes in closeSession transactions";
    // These two decide what the owners of znodes in the files mean.
    EXTENDED_TYPES: Flag = "extendedTypesEnabled", Flag, "false", "3.5.x", "TTL nodes";
    EMULATE_353_TTL: Flag = "emulate353TTLNodes", Flag, "false", "3.5.x",
        "read TTL owners in the layout of 3.5.3";
    ENFORCE_QUOTA: Switch = "enforceQuota", Switch, "false", "3.7.x", "refuse writes that exceed a hard quota";

    CONTAINER_CHECK_INTERVAL: Int<u32> = "znode.container.checkIntervalMs", number(1, INT_MAX), "60000",
        "3.5.x",
        "ms between scans for empty containers and expired TTL nodes";
    CONTAINER_MAX_PER_MINUTE: Int<u32> = "znode.container.maxPerMinute", number(1, INT_MAX), "10000", "3.5.x",
        "nodes deleted by that scan in a minute";
    CONTAINER_NEVER_USED: Off<u64> = "znode.container.maxNeverUsedIntervalMs", off(number(1, i64::MAX), "never"),
        "0", "3.6.x", "ms after which a container that never had a child goes too";
}
