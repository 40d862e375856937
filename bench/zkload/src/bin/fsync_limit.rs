//! fsync-limit: cost of append + fdatasync of a group of records on the disk under --dir, for
//! several preallocation methods and batch sizes: the floor under every durable write.
use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use zkload::args::Args;
use zkload::hist::Hist;
use zkload::json::Obj;
use zkload::os::{now, preallocate};

fn prepare(f: &File, method: &str, len: u64) {
    match method {
        "none" => {}
        "sparse" => f.set_len(len).expect("set_len"),
        "fallocate" => assert!(preallocate(f, len), "fallocate"),
        "zeroed" => {
            let z = vec![0u8; 1 << 20];
            let mut o = 0;
            while o < len {
                f.write_all_at(&z, o).expect("zero");
                o += z.len() as u64;
            }
        }
        m => panic!("unknown method {m}"),
    }
    f.sync_all().expect("sync");
}

fn main() {
    let argv: Vec<String> = std::env::args().skip(1).collect();
    let a = Args::parse(&argv, &["dir", "record", "batches", "methods", "duration", "file-mib", "out", "label"], &[])
        .unwrap_or_else(|e| {
            eprintln!("{e}\nusage: fsync-limit --dir DIR [--record 1100] [--batches 1,10,100] [--methods none,sparse,fallocate,zeroed] [--duration 2]");
            std::process::exit(2)
        });
    let dir = a.str("dir", ".");
    let rec: usize = a.num("record", 1100);
    let secs: f64 = a.num("duration", 2.0);
    let len = a.num("file-mib", 64u64) << 20;
    let path = format!("{dir}/fsync-limit.{}", std::process::id());
    let mut bad = false;
    for m in a.str("methods", "none,sparse,fallocate,zeroed").split(',') {
        for b in a.str("batches", "1,10,100").split(',') {
            let b: usize = b.parse().expect("--batches");
            let buf = vec![0x5au8; rec * b];
            let f = OpenOptions::new()
                .create(true)
                .truncate(true)
                .write(true)
                .read(true)
                .open(&path)
                .expect("open");
            prepare(&f, m, len);
            let mut h = Hist::new();
            let mut pos = 0u64;
            let t0 = now();
            let end = t0 + (secs * 1e9) as u64;
            let mut total = 0u64;
            while now() < end {
                if pos + buf.len() as u64 > len {
                    // a full file: stop rather than overwrite already allocated blocks
                    if m != "zeroed" {
                        break;
                    }
                    pos = 0;
                }
                let t = now();
                f.write_all_at(&buf, pos).expect("write");
                f.sync_data().expect("fdatasync");
                h.add(now() - t);
                pos += buf.len() as u64;
                total += b as u64;
            }
            let dt = (now() - t0) as f64 / 1e9;
            // read back what was written last
            let mut back = vec![0u8; buf.len()];
            f.read_exact_at(&mut back, pos.saturating_sub(buf.len() as u64)).expect("read back");
            if back != buf || h.n == 0 {
                bad = true;
                eprintln!("fsync-limit: data read back differs");
            }
            let mut o = Obj::new();
            o.str("mode", "fsync")
                .str("label", &a.str("label", ""))
                .str("method", m)
                .int("batch", b as i64)
                .int("record", rec as i64);
            o.f("secs", dt).f("syncs_per_s", h.n as f64 / dt).f("ops_per_s", total as f64 / dt);
            o.raw("latency", &h.json());
            println!("{}", o.end());
            if let Some(p) = a.get("out") {
                use std::io::Write;
                let mut w = OpenOptions::new().create(true).append(true).open(p).expect("--out");
                writeln!(w, "{}", o.end()).expect("--out");
            }
        }
    }
    std::fs::remove_file(&path).ok();
    std::process::exit(bad as i32)
}
