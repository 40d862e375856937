//! Disks that are full, read-only, stopped or failing, under the real server. Needs the release binary; most of it
//! needs root and mounts, some of it loop devices: where they are missing, the tests say so beside `skipped`.

use oxkeeper_compat_tests::disk;
use oxkeeper_compat_tests::ground;

fn judge(name: &str, needs: Result<(), String>, run: fn() -> Result<(), String>) {
    match needs {
        Err(reason) => println!("skipped {name}: {reason}"),
        Ok(()) => run().unwrap_or_else(|problem| panic!("{name}: {problem}")),
    }
}

#[test]
fn a_full_disk_refuses_writes_and_nothing_else() {
    judge("full", ground::possible(false), disk::full);
}

#[test]
fn a_file_size_limit_is_no_death() {
    judge("file size", Ok(()), disk::file_size);
}

#[test]
fn a_read_only_disk_is_served_from() {
    judge("read-only", ground::possible(true), disk::read_only);
}

#[test]
fn a_failing_disk_is_reported_and_read_from() {
    judge("failing", disk::can_fail(), disk::failing);
}

#[test]
fn a_disk_that_stands_still_holds_up_writes_only() {
    judge("frozen", ground::possible(true), disk::frozen);
}

#[test]
fn connections_leave_descriptors_for_the_log() {
    judge("descriptors", Ok(()), disk::descriptors);
}
