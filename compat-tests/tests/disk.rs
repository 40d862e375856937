//! Disks that are full, read-only, stopped or failing, under the real server. Needs the release binary; most of it
//! needs root and mounts, some of it loop devices.

use oxkeeper_compat_tests::harness::{self, Case};
use oxkeeper_compat_tests::{disk, ground};
use std::process::ExitCode;

fn main() -> ExitCode {
    harness::run(vec![
        Case::new("a full disk refuses writes and nothing else", disk::full)
            .needs(|| ground::possible(false)),
        Case::new("a limit of file sizes is no death", disk::file_size),
        Case::new("a start on a read-only disk is refused", disk::read_only).needs(|| ground::possible(true)),
        Case::new("a failing disk is told of and read from", disk::failing).needs(disk::can_fail),
        Case::new("a disk that stands still holds up writes only", disk::frozen)
            .needs(|| ground::possible(true)),
        Case::new("connections leave descriptors for the log", disk::descriptors),
    ])
}
