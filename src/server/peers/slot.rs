//! A place for the newest of something: who puts waits for nobody, and what is there twice is there once.

use std::cell::RefCell;
use tokio::sync::Notify;

/// See the module. One task takes.
#[derive(Debug)]
pub(super) struct Slot<T> {
    newest: RefCell<Option<T>>,
    put: Notify,
}

impl<T> Default for Slot<T> {
    fn default() -> Self {
        Self { newest: RefCell::new(None), put: Notify::new() }
    }
}

impl<T> Slot<T> {
    /// Puts it in the place of what is there.
    pub(super) fn put(&self, value: T) {
        *self.newest.borrow_mut() = Some(value);
        self.put.notify_one();
    }

    /// Takes what is there, or comes.
    pub(super) async fn take(&self) -> T {
        loop {
            if let Some(value) = self.newest.borrow_mut().take() {
                return value;
            }
            self.put.notified().await;
        }
    }
}

impl<T: Clone + PartialEq> Slot<T> {
    /// What is there, or comes; it stays.
    pub(super) async fn look(&self) -> T {
        loop {
            if let Some(value) = &*self.newest.borrow() {
                return value.clone();
            }
            self.put.notified().await;
        }
    }

    /// Takes this one away, unless something else has come.
    pub(super) fn done(&self, value: &T) {
        self.newest.borrow_mut().take_if(|newest| newest == value);
    }
}
