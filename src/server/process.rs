//! What a server asks of its process: descriptors, and no death by signals that are errors.
//!
//! Invariant: connections never take the last descriptors. A log that rolls and a snapshot need some, and without
//! them every write of everybody would be refused until a client leaves.

use crate::topics;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::sync::{Arc, atomic::AtomicBool};

/// Descriptors that are kept from connections besides those that are open when the server begins: logs, snapshots,
/// a connection that is about to be refused.
const KEPT: u64 = 64;
/// Open descriptors of a server without workers, and of each worker's runtime, where they cannot be counted.
const ASSUMED: (u64, u64) = (16, 6);

/// Sets the process up.
pub(super) fn set_up() {
    super::allocator::set_up();
    raise_descriptors();
}

/// How many connections the descriptors are enough for, once so many workers have their runtimes.
pub(super) fn connections(workers: usize) -> u32 {
    let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let workers = u64::try_from(workers).unwrap_or(u64::MAX);
    let open = open_descriptors().unwrap_or_else(|| ASSUMED.0 + ASSUMED.1.saturating_mul(workers));
    let for_connections = connections_of(limit, open);
    tracing::debug!(target: topics::SERVER, descriptors = limit, open, connections = for_connections, "limits of the process");
    for_connections
}

fn open_descriptors() -> Option<u64> {
    u64::try_from(std::fs::read_dir("/proc/self/fd").ok()?.count()).ok()
}

/// A file that reaches the limit of its size (`ulimit -f`) is an error to us, as it is to the official server (the JVM
/// handles the signal), and not the end. The log may be such a file: this comes before its first line.
pub fn take_file_size_limit_as_error() {
    let noted = Arc::new(AtomicBool::new(false));
    if let Err(error) = signal_hook::flag::register(signal_hook::consts::signal::SIGXFSZ, noted) {
        tracing::warn!(target: topics::SERVER, %error, "a file that reaches the limit of its size will end the server");
    }
}

/// As many as may be, as the JVM does (`MaxFDLimit`).
fn raise_descriptors() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current == maximum {
        return;
    }
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        tracing::warn!(target: topics::SERVER, ?current, ?maximum, %error, "cannot raise the number of descriptors");
    }
}

/// Connections that so many descriptors are enough for, some of which are `open` already.
fn connections_of(descriptors: u64, open: u64) -> u32 {
    let left = descriptors.saturating_sub(open);
    // Whoever allows only a few has to share them fairly.
    let kept = KEPT.min(left / 2);
    u32::try_from(left - kept).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_descriptors_are_kept() {
        for (descriptors, connections) in [(1024, 960), (100, 50), (2, 1), (0, 0), (u64::MAX, u32::MAX)] {
            assert_eq!(connections_of(descriptors, 0), connections, "{descriptors}");
        }
    }

    #[test]
    fn what_is_open_is_not_for_connections() {
        for (descriptors, open, connections) in [(512, 265, 183), (100, 20, 40), (64, 64, 0), (64, 70, 0)] {
            assert_eq!(connections_of(descriptors, open), connections, "{descriptors}, {open} open");
        }
        assert!(open_descriptors().is_some_and(|open| open >= 3));
    }
}
