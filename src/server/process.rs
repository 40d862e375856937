//! What a server asks of its process before it starts: descriptors, and no death by signals that are errors.
//!
//! Invariant: connections never take the last descriptors. A log that rolls and a snapshot need some, and without
//! them every write of everybody would be refused until a client leaves.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::sync::{Arc, atomic::AtomicBool};

/// Descriptors that are kept from connections: files, listeners, what runtimes need.
const KEPT: u64 = 64;

/// Sets the process up; returns how many connections its descriptors are enough for.
pub(super) fn set_up() -> u32 {
    ignore_file_size_signal();
    raise_descriptors();
    let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let for_connections = connections_of(limit);
    tracing::debug!(descriptors = limit, connections = for_connections, "limits of the process");
    for_connections
}

/// A file that reaches the limit of its size is an error to us, as it is to the official server (the JVM handles the
/// signal), and not the end.
fn ignore_file_size_signal() {
    let noted = Arc::new(AtomicBool::new(false));
    if let Err(error) = signal_hook::flag::register(signal_hook::consts::signal::SIGXFSZ, noted) {
        tracing::warn!(%error, "a file that reaches the limit of its size will end the server");
    }
}

/// As many as may be, as the JVM does (`MaxFDLimit`).
fn raise_descriptors() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current == maximum {
        return;
    }
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        tracing::warn!(?current, ?maximum, %error, "cannot raise the number of descriptors");
    }
}

/// Connections that so many descriptors are enough for.
fn connections_of(descriptors: u64) -> u32 {
    // Whoever allows only a few has to share them fairly.
    let kept = KEPT.min(descriptors / 2);
    u32::try_from(descriptors - kept).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_descriptors_are_kept() {
        for (descriptors, connections) in [(1024, 960), (100, 50), (2, 1), (0, 0), (u64::MAX, u32::MAX)] {
            assert_eq!(connections_of(descriptors), connections, "{descriptors}");
        }
    }
}
