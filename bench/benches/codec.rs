//! What does a record cost to decode and encode?

use bytes::Bytes;
use criterion::{Criterion, criterion_group, criterion_main};
use oxkeeper_bench::{create, set};
use oxkeeper_codec::{
    Decode, Encode, Reader,
    frame::next_frame,
    records::{GetDataRequest, SetDataRequest},
    txn::LoggedTxn,
};
use std::hint::black_box;

fn requests(c: &mut Criterion) {
    let get = GetDataRequest { path: "/app/config/00000042".into(), watch: false }.to_vec();
    c.bench_function("decode getData", |b| b.iter(|| GetDataRequest::from_slice(black_box(&get)).is_ok()));

    let set =
        SetDataRequest { path: "/app/config/42".into(), data: Some(Bytes::from(vec![1; 1024])), version: -1 };
    let bytes = Bytes::from(set.to_vec());
    c.bench_function("decode setData of 1 KiB, shared", |b| {
        b.iter(|| SetDataRequest::decode(&mut Reader::shared(black_box(&bytes))).is_ok());
    });
    let mut out = Vec::with_capacity(2048);
    c.bench_function("encode setData of 1 KiB", |b| {
        b.iter(|| {
            out.clear();
            set.encode(black_box(&mut out));
        });
    });
}

fn transactions(c: &mut Criterion) {
    for (name, txn) in
        [("create", create(1, "/app/config/42", 100)), ("setData", set(2, "/app/config/42", 1024))]
    {
        let mut bytes = Vec::new();
        txn.encode(&mut bytes);
        let bytes = Bytes::from(bytes);
        c.bench_function(&format!("decode the transaction {name}"), |b| {
            b.iter(|| LoggedTxn::from_bytes(black_box(&bytes)).is_ok());
        });
    }
}

fn frames(c: &mut Criterion) {
    let mut input = Vec::new();
    for _ in 0..1000 {
        input.extend_from_slice(&12i32.to_be_bytes());
        input.extend_from_slice(&[0; 12]);
    }
    c.bench_function("split 1000 frames", |b| {
        b.iter(|| {
            let (mut at, mut frames) = (0, 0);
            while let Ok(Some(body)) = next_frame(black_box(&input), at, 1 << 20) {
                at = body.end;
                frames += 1;
            }
            frames
        });
    });
}

criterion_group!(benches, requests, transactions, frames);
criterion_main!(benches);
