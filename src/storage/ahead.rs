//! Reading ahead: one thread checks and decodes a file, another one takes in what it holds.
//!
//! Invariants: whoever takes sees the same items in the same order with and without a second thread, so errors are the
//! same, too; no more than [`QUEUED`] items wait.

use super::disk::Disk;
use std::sync::mpsc;

/// So many items may wait to be taken.
const QUEUED: usize = 4;

/// Has `take` see all items until it returns. Where the disk can do [two things at once](Disk::both), they are made on
/// another thread meanwhile, and some may be made that nobody takes.
pub(super) fn ahead<T: Send, R>(
    disk: Option<&dyn Disk>,
    items: &mut (impl Iterator<Item = T> + Send),
    take: impl FnOnce(&mut dyn Iterator<Item = T>) -> R,
) -> R {
    let (sender, receiver) = mpsc::sync_channel(QUEUED);
    let (mut take, mut taken) = (Some(take), None);
    // Each end goes with its side, so that neither waits for one that has ended.
    let (mut sender, mut receiver) = (Some(sender), Some(receiver));
    let mut make = || {
        if let Some(sender) = sender.take() {
            // An error says that nobody takes any more.
            let _ = items.try_for_each(|item| sender.send(item));
        }
    };
    let mut take_all = || {
        if let (Some(receiver), Some(take)) = (receiver.take(), take.take()) {
            taken = Some(take(&mut receiver.into_iter()));
        }
    };
    if let Some(disk) = disk {
        disk.both(&mut make, &mut take_all);
    }
    match (taken, take) {
        (Some(taken), _) => taken,
        (None, Some(take)) => take(items),
        (None, None) => unreachable!("who takes returns something"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::RealDisk;

    #[test]
    fn items_come_in_order_with_two_threads_and_with_one() {
        let dir = tempfile::tempdir().unwrap();
        let disk = RealDisk::open(dir.path()).unwrap();
        for disk in [None, Some(&disk as &dyn Disk)] {
            let sum = ahead(disk, &mut (0..10_000), |items| {
                items.zip(0..).inspect(|(item, place)| assert_eq!(item, place)).count()
            });
            assert_eq!(sum, 10_000);
            // Who has seen enough does not wait for the rest, nor does the rest wait for a taker.
            let mut made = 0;
            let mut endless = std::iter::repeat_with(|| made += 1);
            assert_eq!(ahead(disk, &mut endless, |items| items.take(5).count()), 5);
            assert!(made <= 5 + QUEUED + 2, "{made} made for nobody");
        }
    }
}
