//! What do look-ups and transactions cost, and does it depend on the size of the tree?

use criterion::{BatchSize, BenchmarkId, Criterion, criterion_group, criterion_main};
use oxkeeper::{
    node::{ContainerRules, NewSessions, Node, NodeOptions, Now, Recipient},
    processor::Rules,
    session::TimeoutBounds,
    tree::Snapshotter,
};
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
        b.iter(|| Snapshotter::begin(&tree).pieces(&tree, 64 << 10).map(|piece| piece.len()).sum::<usize>());
    });
}

/// What the sequencer does at once when a snapshot begins.
fn snapshot_begins(c: &mut Criterion) {
    let tree = tree(0);
    for sessions in [100_000, 1_000_000] {
        let options = NodeOptions {
            rules: Rules::default(),
            tick_ms: 2000,
            timeouts: TimeoutBounds { min_ms: 4000, max_ms: 40_000 },
            containers: ContainerRules { interval_ms: 60_000, max_per_minute: 10_000, never_used_ms: 0 },
            server_id: 1,
            new_sessions: NewSessions::Global,
            leader_serves: true,
            keep_connections: true,
        };
        let all = (0..sessions).map(|id| (SessionId(id), 40_000));
        let mut node = Node::new(options, &tree, all, Now { elapsed_ms: 0, wall_ms: 1_700_000_000_000 });
        c.bench_function(&format!("begin a snapshot of {sessions} sessions, first piece"), |b| {
            b.iter(|| {
                node.begin_snapshot(Recipient::Disk, &tree);
                let piece = node.snapshot_piece(Recipient::Disk, &tree, 32 << 10);
                node.end_snapshot(Recipient::Disk);
                piece
            });
        });
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20);
    targets = by_size, snapshot, snapshot_begins
}
criterion_main!(benches);
