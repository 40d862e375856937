//! The server configurations that cases share.
//!
//! Settings that the official server takes only as a JVM property are given both ways; oxkeeper reads them from zoo.cfg.

use crate::sut::Setup;

const fn setup(name: &'static str, keys: &'static [&'static str], props: &'static [&'static str]) -> Setup {
    Setup { name, keys, props, fresh: false }
}

const WORDS: &str = "4lw.commands.whitelist=*";
const TICK: &str = "tickTime=2000";

/// Nothing special.
pub(super) const PLAIN: Setup = setup("plain", &[TICK, WORDS], &[]);
/// An empty server of its own for each case.
pub(super) const FRESH: Setup = Setup { name: "fresh", keys: &[TICK, WORDS], props: &[], fresh: true };
/// TTL nodes and containers that are looked at five times a second.
pub(super) const TYPED: Setup = setup(
    "typed",
    &[TICK, WORDS, "extendedTypesEnabled=true", "znode.container.checkIntervalMs=200"],
    &["-Dznode.container.checkIntervalMs=200"],
);
/// The same on an empty server for each case.
pub(super) const TYPED_FRESH: Setup = Setup { name: "typed-fresh", fresh: true, ..TYPED };
/// Short ticks, short sessions, and a short patience with connections that say nothing.
pub(super) const QUICK: Setup =
    setup("quick", &["tickTime=200", WORDS, "nio.sessionlessCnxnTimeout=500"], &[]);
/// Hard quotas are enforced.
pub(super) const QUOTA: Setup = setup("quota", &[TICK, WORDS, "enforceQuota=true"], &[]);
/// The password of "super" is "admin".
pub(super) const SUPER: Setup = setup(
    "super",
    &[TICK, WORDS, "DigestAuthenticationProvider.superDigest=super:xQJmxLMiHGwaqBvst5y6rkB6HQs="],
    &[],
);
/// Only authenticated connections are served.
pub(super) const ENFORCED: Setup =
    setup("enforced", &[TICK, WORDS, "enforce.auth.enabled=true", "enforce.auth.schemes=digest"], &[]);
/// Packets of 4096 bytes at most.
pub(super) const SMALL: Setup =
    setup("small", &[TICK, WORDS, "jute.maxbuffer=4096"], &["-Djute.maxbuffer=4096"]);
/// Three connections for each address.
pub(super) const FEW: Setup = setup("few", &[TICK, WORDS, "maxClientCnxns=3"], &[]);
/// Three connections in all.
pub(super) const FEW_IN_ALL: Setup = setup("few-in-all", &[TICK, WORDS, "maxCnxns=3"], &[]);
/// The default whitelist of four-letter words.
pub(super) const WHITELIST: Setup = setup("whitelist", &[TICK], &[]);
/// One request in the pipeline at a time; what waited for more than 30 ms is answered THROTTLEDOP.
pub(super) const THROTTLED: Setup = setup(
    "throttled",
    &[
        TICK,
        WORDS,
        "request_throttle_max_requests=1",
        "throttled_op_wait_time=30",
        "request_throttle_drop_stale=false",
    ],
    &[],
);
/// One request in the pipeline at a time; requests of closed connections are dropped.
pub(super) const STALE: Setup = setup("stale", &[TICK, WORDS, "request_throttle_max_requests=1"], &[]);
/// Requests above 1000 bytes are large, and 3000 bytes of them fit at a time.
pub(super) const LARGE: Setup =
    setup("large", &[TICK, WORDS, "largeRequestThreshold=1000", "largeRequestMaxBytes=3000"], &[]);
/// One outstanding request before connections are no longer read.
pub(super) const OUTSTANDING: Setup = setup("outstanding", &[TICK, WORDS, "globalOutstandingLimit=1"], &[]);
/// reconfig is enabled, although there is no ensemble.
pub(super) const RECONFIG: Setup = setup("reconfig", &[TICK, WORDS, "reconfigEnabled=true"], &[]);
/// Snapshots after a few transactions, for the data directory.
pub(super) const SNAPS: Setup =
    Setup { name: "snaps", keys: &[TICK, WORDS, "snapCount=20"], props: &[], fresh: true };
/// The same with TTL nodes.
pub(super) const TYPED_SNAPS: Setup = Setup {
    name: "typed-snaps",
    keys: &[TICK, WORDS, "snapCount=20", "extendedTypesEnabled=true"],
    props: &[],
    fresh: true,
};
