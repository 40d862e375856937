//! fsync-limit: cost of append + fdatasync of a group of records on the disk under --dir, for
//! several preallocation methods and batch sizes: the floor under every durable write.
//!
//! What was written last is read back; exit 1 when it differs or nothing was written.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use zkload::args::Args;
use zkload::hist::Hist;
use zkload::json::Obj;
use zkload::os::{nanos, now, preallocate, secs, zero_fill};

const KEYS: &[&str] = &["dir", "record", "batches", "methods", "duration", "file-mib", "out", "label"];
const USAGE: &str = "usage: fsync-limit --dir DIR [--record 1100] [--batches 1,10,100] [--methods none,sparse,fallocate,zeroed] [--duration 2]";

/// One row of the table: how the file is made ready, and how many records each fdatasync covers.
struct Case<'a> {
    path: &'a str,
    method: &'a str,
    batch: usize,
    record: usize,
    file_len: u64,
    duration: f64,
}

/// What one case came to.
struct Cost {
    syncs: Hist,
    records: u64,
    secs: f64,
    intact: bool,
}

fn main() {
    let argv: Vec<String> = std::env::args().skip(1).collect();
    let args = Args::parse_or_exit(&argv, KEYS, &[], USAGE);
    let path = format!("{}/fsync-limit.{}", args.str("dir", "."), std::process::id());
    let record = args.num("record", 1100);
    let duration = args.num("duration", 2.0);
    let file_len = args.num("file-mib", 64u64) << 20;
    let mut bad = false;
    for method in args.str("methods", "none,sparse,fallocate,zeroed").split(',') {
        for batch in args.str("batches", "1,10,100").split(',') {
            let batch = batch.parse().expect("--batches");
            let case = Case { path: &path, method, batch, record, file_len, duration };
            let cost = measure(&case);
            if !cost.intact {
                bad = true;
                eprintln!("fsync-limit: data read back differs");
            }
            report(&case, &cost, &args.str("label", "")).emit(args.get("out"));
        }
    }
    std::fs::remove_file(&path).ok();
    std::process::exit(i32::from(bad))
}

fn prepare(file: &File, method: &str, len: u64) {
    match method {
        "none" => {}
        "sparse" => file.set_len(len).expect("set_len"),
        "fallocate" => assert!(preallocate(file, len), "fallocate"),
        "zeroed" => zero_fill(file, len).expect("zero"),
        other => panic!("unknown method {other}"),
    }
    file.sync_all().expect("sync");
}

fn measure(case: &Case<'_>) -> Cost {
    let buf = vec![0x5au8; case.record * case.batch];
    let size = buf.len() as u64;
    let file = OpenOptions::new().create(true).truncate(true).write(true).read(true).open(case.path);
    let file = file.expect("open");
    prepare(&file, case.method, case.file_len);
    let mut syncs = Hist::new();
    let (mut at, mut records) = (0, 0);
    let start = now();
    let end = start + nanos(case.duration);
    while now() < end {
        if at + size > case.file_len {
            // a full file: stop rather than overwrite already allocated blocks
            if case.method != "zeroed" {
                break;
            }
            at = 0;
        }
        let t = now();
        file.write_all_at(&buf, at).expect("write");
        file.sync_data().expect("fdatasync");
        syncs.add(now() - t);
        at += size;
        records += case.batch as u64;
    }
    let secs = secs(now() - start);
    let mut back = vec![0u8; buf.len()];
    file.read_exact_at(&mut back, at.saturating_sub(size)).expect("read back");
    Cost { intact: back == buf && syncs.n > 0, syncs, records, secs }
}

fn report(case: &Case<'_>, cost: &Cost, label: &str) -> Obj {
    let mut o = Obj::new();
    o.str("mode", "fsync").str("label", label).str("method", case.method);
    o.int("batch", case.batch as i64).int("record", case.record as i64);
    o.f("secs", cost.secs).f("syncs_per_s", cost.syncs.n as f64 / cost.secs);
    o.f("ops_per_s", cost.records as f64 / cost.secs);
    o.raw("latency", &cost.syncs.json());
    o
}
