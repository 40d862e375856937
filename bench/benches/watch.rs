//! What does a watch cost to set, and an event to find its watchers?

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use oxkeeper::{
    tree::{AclRef, Change, ChangeKind},
    watch::{ConnKey, WatchTable},
};
use oxkeeper_bench::open_acl;
use std::hint::black_box;

fn change(path: &str) -> Change {
    Change {
        kind: ChangeKind::DataChanged,
        path: path.into(),
        acl: AclRef::from(open_acl()),
        parent_acl: None,
        data_len: 0,
    }
}

fn fan_out(c: &mut Criterion) {
    for watchers in [1, 100, 5000] {
        let change = change("/app/config/42");
        let mut table = WatchTable::default();
        c.bench_with_input(
            BenchmarkId::new("set and fire one-shot watches", watchers),
            &watchers,
            |b, &n| {
                b.iter(|| {
                    for conn in 0..n {
                        table.add_data("/app/config/42", ConnKey(conn));
                    }
                    let mut told = 0;
                    table.fire(black_box(&change), &mut |fired| told += fired.conns.len());
                    told
                });
            },
        );
    }
}

fn nobody_watches(c: &mut Criterion) {
    let mut table = WatchTable::default();
    for n in 0..100_000 {
        table.add_data(&format!("/other/{n:06}"), ConnKey(n % 100));
    }
    let change = change("/app/config/42");
    c.bench_function("fire where nobody watches, 100,000 elsewhere", |b| {
        b.iter(|| table.fire(black_box(&change), &mut |_| {}));
    });
}

criterion_group!(benches, fan_out, nobody_watches);
criterion_main!(benches);
