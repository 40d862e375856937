//! What does the log cost beside the disk: appending, and committing to a disk in memory?

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use oxkeeper::storage::{LogOptions, MemoryDisk, TxnLog};
use oxkeeper_bench::set;
use oxkeeper_codec::Zxid;
use std::{hint::black_box, sync::Arc};

fn commits(c: &mut Criterion) {
    let mut body = Vec::new();
    set(1, "/app/config/42", 1024).encode(&mut body);
    for batch in [1, 10, 100] {
        let options = LogOptions { size_limit_bytes: Some(64 << 20), ..LogOptions::default() };
        let mut log = TxnLog::new(Arc::new(MemoryDisk::new("bench")), options, Vec::new());
        let mut zxid = 0;
        c.bench_with_input(
            BenchmarkId::new("append 1 KiB and commit, batch of", batch),
            &batch,
            |b, &batch| {
                b.iter(|| {
                    for _ in 0..batch {
                        zxid += 1;
                        assert!(log.append(Zxid(zxid), black_box(&body)).is_ok(), "the disk has room");
                    }
                    log.commit().is_ok()
                });
            },
        );
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20);
    targets = commits
}
criterion_main!(benches);
