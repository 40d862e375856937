//! One tree for all threads, and the right to read or write it.
//!
//! Every worker has a lock of its own. Whoever holds *its own* lock may read the tree; whoever holds *all* of them may
//! write it. There is one writer (the sequencer), so it may read without any lock. Readers on different cores share
//! no cache line, and what a lock guards besides (its worker's shard) is consistent with the tree it saw.
#![expect(unsafe_code, reason = "the tree is guarded by a set of locks, which no safe type expresses")]

use super::sync::{Mutex, MutexGuard};
use std::{cell::UnsafeCell, ops::Deref, sync::Arc};

/// A lock on a cache line of its own (two, as processors fetch pairs).
#[repr(align(128))]
#[derive(Debug)]
struct Lock<S>(Mutex<S>);

#[derive(Debug)]
struct Shared<T, S> {
    tree: UnsafeCell<T>,
    locks: Box<[Lock<S>]>,
}

// SAFETY: `&T` is handed to threads that hold a lock, and to the writer while it holds none (so `T: Sync`); `&mut T`
// only to the writer while it holds all locks, on its own thread (so `T: Send`).
unsafe impl<T: Send + Sync, S: Send> Sync for Shared<T, S> {}

/// The right to read, with one worker's lock.
#[derive(Debug)]
pub(crate) struct Reader<T, S> {
    shared: Arc<Shared<T, S>>,
    index: usize,
}

/// The right to write. There is exactly one.
#[derive(Debug)]
pub(crate) struct Writer<T, S> {
    shared: Arc<Shared<T, S>>,
}

/// Puts `tree` under as many locks as there are shards.
pub(crate) fn share<T, S>(tree: T, shards: impl IntoIterator<Item = S>) -> (Writer<T, S>, Vec<Reader<T, S>>) {
    let locks = shards.into_iter().map(|shard| Lock(Mutex::new(shard))).collect();
    let shared = Arc::new(Shared { tree: UnsafeCell::new(tree), locks });
    let readers =
        (0..shared.locks.len()).map(|index| Reader { shared: Arc::clone(&shared), index }).collect();
    (Writer { shared }, readers)
}

/// A worker's lock, held: its shard to change and the tree to read.
#[derive(Debug)]
pub(crate) struct ReadGuard<'a, T, S> {
    tree: &'a T,
    /// The worker's shard.
    pub shard: MutexGuard<'a, S>,
}

impl<T, S> Reader<T, S> {
    /// Waits for this worker's lock.
    pub(crate) fn lock(&self) -> ReadGuard<'_, T, S> {
        let shard = self.shared.locks[self.index].0.lock();
        // SAFETY: the writer makes `&mut T` only while it holds this lock too, and the guard holds it for as long as
        // this reference is reachable.
        let tree = unsafe { &*self.shared.tree.get() };
        ReadGuard { tree, shard }
    }
}

impl<T, S> ReadGuard<'_, T, S> {
    /// The tree. Borrowed from the guard: it cannot outlive the lock.
    pub(crate) const fn tree(&self) -> &T {
        self.tree
    }

    /// Shard and tree at once.
    pub(crate) fn parts(&mut self) -> (&T, &mut S) {
        (self.tree, &mut self.shard)
    }
}

impl<T, S> Writer<T, S> {
    /// The tree, for reading without a lock: only this writer ever changes it.
    pub(crate) fn tree(&self) -> &T {
        // SAFETY: `&mut T` is made by `write` alone, which borrows this writer mutably for as long as it lives.
        unsafe { &*self.shared.tree.get() }
    }

    /// One worker's shard, without the right to write the tree.
    pub(crate) fn shard(&self, index: usize) -> MutexGuard<'_, S> {
        self.shared.locks[index].0.lock()
    }

    /// Waits for all locks, in order.
    pub(crate) fn write(&mut self) -> WriteGuard<'_, T, S> {
        let shards: Vec<_> = self.shared.locks.iter().map(|lock| lock.0.lock()).collect();
        // SAFETY: all locks are held by `shards` for as long as the guard lives, so no reader has a reference; the
        // writer itself is borrowed mutably, so `tree()` has handed out none that still lives.
        let tree = unsafe { &mut *self.shared.tree.get() };
        WriteGuard { tree, shards }
    }
}

/// All locks, held: the tree to change, and every shard.
#[derive(Debug)]
pub(crate) struct WriteGuard<'a, T, S> {
    tree: &'a mut T,
    /// All shards, by worker.
    pub shards: Vec<MutexGuard<'a, S>>,
}

impl<T, S> WriteGuard<'_, T, S> {
    /// The tree.
    pub(crate) const fn tree(&mut self) -> &mut T {
        self.tree
    }
}

impl<T, S> Deref for WriteGuard<'_, T, S> {
    type Target = T;
    fn deref(&self) -> &T {
        self.tree
    }
}
