//! Which oxkeeper this is.

/// This server's version, and the commit that it was built from: `unknown` outside of its repository, with a `+` behind it
/// when the sources were changed.
pub const OXKEEPER: &str = concat!(env!("CARGO_PKG_VERSION"), "-", env!("OXKEEPER_COMMIT"));

/// The version as clients and scripts parse it: that of the official server, this server's, and when it was built.
pub const FULL: &str = concat!(
    "3.9.5-oxkeeper-",
    env!("CARGO_PKG_VERSION"),
    "-",
    env!("OXKEEPER_COMMIT"),
    ", built on ",
    env!("OXKEEPER_BUILT")
);
