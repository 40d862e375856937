//! echo-limit: what the loopback and the system calls allow. Answers each request frame with a
//! precomputed reply of the size that a real server would send, keeping no tree and no sessions.
//!
//! With --wal FILE it also appends every write to a preallocated file and makes one fdatasync for
//! each batch of ready sockets (ideal group commit). With --fault it misbehaves on purpose, to
//! show that zkload's checks can fail.

mod answer;
mod server;
mod wal;

use answer::{Answers, Fault};
use server::Server;
use std::sync::Arc;
use wal::Wal;
use zkload::args::Args;
use zkload::net::resolve;
use zkload::os::{ignore_sigpipe, raise_nofile};

const KEYS: &[&str] =
    &["listen", "value-size", "children", "threads", "wal", "wal-mib", "fault", "fault-every"];
const FLAGS: &[&str] = &["no-sync"];
const USAGE: &str = "usage: echo-limit --listen IP:PORT [--value-size N] [--children N] [--threads N] [--wal FILE [--no-sync]] [--fault xid|zxid|err|length|content|version|drop|disconnect|handshake|no-event|bad-event [--fault-every N]]";

fn main() {
    ignore_sigpipe();
    raise_nofile();
    let argv: Vec<String> = std::env::args().skip(1).collect();
    let args = Args::parse_or_exit(&argv, KEYS, FLAGS, USAGE);
    let addr = resolve(&args.str("listen", "127.0.0.1:2181"));
    let answers = Arc::new(Answers::new(
        args.num("value-size", 1024),
        args.num("children", 10000),
        Fault::named(&args.str("fault", "")),
        args.num("fault-every", 1000u64).max(1),
    ));
    let threads = (0..args.num("threads", 1usize).max(1)).map(|thread| {
        let (answers, wal) = (answers.clone(), open_wal(&args, thread));
        std::thread::spawn(move || Server::new(&addr, answers, wal).run())
    });
    for thread in threads.collect::<Vec<_>>() {
        thread.join().ok();
    }
}

/// The log of one thread, if there is to be one: FILE, then FILE.1, FILE.2 and so on.
fn open_wal(args: &Args, thread: usize) -> Option<Wal> {
    let path = args.get("wal")?;
    let path = if thread == 0 { path.to_string() } else { format!("{path}.{thread}") };
    let file = std::fs::File::create(path).expect("--wal");
    Some(Wal::new(file, args.num("wal-mib", 64u64) << 20, !args.flag("no-sync")))
}
