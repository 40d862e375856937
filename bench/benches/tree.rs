//! What do look-ups and transactions cost, and does it depend on the size of the tree?

use criterion::{BatchSize, BenchmarkId, Criterion, criterion_group, criterion_main};
use oxkeeper::tree::Snapshotter;
use oxkeeper_bench::{CHILDREN, create, path, set, tree};
use oxkeeper_codec::SessionId;
use std::hint::black_box;

const SIZES: [usize; 3] = [10_000, 100_000, 1_000_000];

fn by_size(c: &mut Criterion) {
    for size in SIZES {
        let mut tree = tree(size);
        let paths: Vec<String> = (0..size).step_by(size / 1000).map(path).collect();
        let mut next = paths.iter().cycle();
        c.bench_with_input(BenchmarkId::new("get", size), &size, |b, _| {
            b.iter(|| next.next().and_then(|path| tree.get(black_box(path))).is_some());
        });
        let mut changes = Vec::new();
        let mut zxid = 10_000_000;
        c.bench_with_input(BenchmarkId::new("apply setData of 100 B", size), &size, |b, _| {
            b.iter_batched(
                || {
                    zxid += 1;
                    next.next().map(|path| set(zxid, path, 100))
                },
                |txn| {
                    changes.clear();
                    txn.map(|txn| tree.apply(&txn, &mut (), &mut changes))
                },
                BatchSize::SmallInput,
            );
        });
        c.bench_with_input(BenchmarkId::new("apply create of 100 B", size), &size, |b, _| {
            b.iter_batched(
                || {
                    zxid += 1;
                    create(zxid, &format!("/p00000/x{zxid}"), 100)
                },
                |txn| {
                    changes.clear();
                    tree.apply(&txn, &mut (), &mut changes)
                },
                BatchSize::SmallInput,
            );
        });
    }
}

fn snapshot(c: &mut Criterion) {
    let tree = tree(100 * CHILDREN);
    c.bench_function("snapshot of 100,000 znodes", |b| {
        b.iter(|| {
            let mut snapshotter = Snapshotter::begin(&tree, std::iter::empty::<(SessionId, i32)>());
            let mut bytes = 0;
            while !snapshotter.advance(&tree, 64 << 10) {
                bytes += snapshotter.take().len();
            }
            bytes
        });
    });
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20);
    targets = by_size, snapshot
}
criterion_main!(benches);
