//! The shell's `server/sequence/token.rs` and `server/sequence/turn.rs` under loom, which runs a test in every interleaving that the
//! memory model allows.
//!
//! The very files are compiled here, with loom's locks in the place of the server's.
#![cfg(test)]

mod sync;
#[allow(dead_code, unreachable_pub, reason = "only a part of it is exercised here")]
#[path = "../../../src/server/sequence/token.rs"]
mod token;
#[allow(dead_code, unreachable_pub, reason = "only a part of it is exercised here")]
#[path = "../../../src/server/sequence/turn.rs"]
mod turn;
mod turn_tests;

use loom::{cell::UnsafeCell, thread};

/// A tree whose every access loom watches.
#[derive(Debug)]
struct Watched(UnsafeCell<u64>);

#[expect(unsafe_code, reason = "loom checks what this claims")]
// SAFETY: that accesses never overlap is what the tests show; loom fails them otherwise.
unsafe impl Sync for Watched {}

impl Watched {
    fn read(&self) -> u64 {
        #[expect(unsafe_code, reason = "loom checks the access")]
        // SAFETY: as above.
        self.0.with(|value| unsafe { *value })
    }

    fn write(&mut self, new: u64) {
        #[expect(unsafe_code, reason = "loom checks the access")]
        // SAFETY: as above.
        self.0.with_mut(|value| unsafe { *value = new });
    }
}

#[test]
fn readers_and_the_writer_never_overlap_and_shards_agree_with_the_tree() {
    loom::model(|| {
        let (mut writer, readers) = token::share(Watched(UnsafeCell::new(0)), [0, 0]);
        let threads: Vec<_> = readers
            .into_iter()
            .map(|reader| {
                thread::spawn(move || {
                    let guard = reader.lock();
                    assert_eq!(guard.tree().read(), *guard.shard, "told while all locks were held");
                })
            })
            .collect();
        {
            let mut guard = writer.write();
            guard.tree().write(1);
            for shard in &mut guard.shards {
                **shard = 1;
            }
        }
        assert_eq!(writer.tree().read(), 1, "the only writer reads without a lock");
        for thread in threads {
            thread.join().unwrap();
        }
    });
}

#[test]
fn the_writer_reads_beside_readers() {
    loom::model(|| {
        let (writer, mut readers) = token::share(Watched(UnsafeCell::new(7)), [0]);
        let reader = readers.pop().unwrap();
        let thread = thread::spawn(move || reader.lock().tree().read());
        assert_eq!(writer.tree().read(), 7);
        *writer.shard(0) = 1;
        assert_eq!(thread.join().unwrap(), 7);
    });
}
