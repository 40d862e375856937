//! The configurations under which sequences run.
//!
//! In all of them sessions and containers last longer than a run, so that nothing ends by time, and the user `super` has
//! the password `admin`, for whoever clears up. Nothing is synced to the disk: that changes no answer.

use super::operations::Taste;
use crate::sut::Setup;

/// A configuration and what is asked under it.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// The servers' settings.
    pub setup: Setup,
    /// What is asked.
    pub taste: Taste,
    /// Whether most requests are let in, so that every op code succeeds now and then.
    pub lets_in: bool,
}

const WORDS: &str = "4lw.commands.whitelist=*";
/// The shortest session then lasts 400 s, the longest run of one configuration (`--full`) about 60 s.
const TICK: &str = "tickTime=200000";
const SYNC: &str = "forceSync=no";
const SUPER: &str = "DigestAuthenticationProvider.superDigest=super:xQJmxLMiHGwaqBvst5y6rkB6HQs=";
const NEVER: &str = "znode.container.checkIntervalMs=3600000";
const NEVER_PROP: &str = "-Dznode.container.checkIntervalMs=3600000";

const fn config(name: &'static str, keys: &'static [&'static str], props: &'static [&'static str]) -> Config {
    let taste = Taste { max_packet: 1_048_575, quotas: 2, auths: 3, narrow: 25 };
    Config { setup: Setup { name, keys, props, fresh: false }, taste, lets_in: true }
}

const PLAIN: Config = config("plain", &[TICK, WORDS, SYNC, SUPER, NEVER], &[NEVER_PROP]);
const TYPED: Config = config(
    "typed",
    &[TICK, WORDS, SYNC, SUPER, NEVER, "extendedTypesEnabled=true", "reconfigEnabled=true"],
    &[NEVER_PROP],
);
const TYPED_353: Config = config(
    "typed-353",
    &[
        TICK,
        WORDS,
        SYNC,
        SUPER,
        NEVER,
        "extendedTypesEnabled=true",
        "emulate353TTLNodes=true",
        "closeSessionTxn.enabled=false",
    ],
    &[NEVER_PROP],
);
const QUOTA: Config = {
    let base = config("quota", &[TICK, WORDS, SYNC, SUPER, NEVER, "enforceQuota=true"], &[NEVER_PROP]);
    Config { taste: Taste { quotas: 25, narrow: 5, ..base.taste }, ..base }
};
const SMALL: Config = {
    let base = config(
        "small",
        &[TICK, WORDS, SYNC, SUPER, NEVER, "jute.maxbuffer=4096"],
        &[NEVER_PROP, "-Djute.maxbuffer=4096"],
    );
    Config { taste: Taste { max_packet: 4096, ..base.taste }, ..base }
};
const ACLS: Config = {
    let base = config("acls", &[TICK, WORDS, SYNC, SUPER, NEVER, "digest.enabled=false"], &[NEVER_PROP]);
    Config { taste: Taste { auths: 12, narrow: 60, ..base.taste }, ..base }
};

const ENFORCED: Config = {
    let keys = &[TICK, WORDS, SYNC, SUPER, NEVER, "enforce.auth.enabled=true", "enforce.auth.schemes=digest"];
    let base = config("enforced", keys, &[NEVER_PROP]);
    Config { taste: Taste { auths: 30, ..base.taste }, lets_in: false, ..base }
};

/// All of them.
pub const CONFIGS: &[Config] = &[PLAIN, TYPED, TYPED_353, QUOTA, SMALL, ACLS, ENFORCED];
