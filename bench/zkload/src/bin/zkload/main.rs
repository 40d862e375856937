//! zkload: a load generator that checks every reply. See README.md for its modes, options and report.
//!
//! From the bottom up: `session` is the protocol over one connection; `fleet` is many of them; `generator`
//! decides what to ask and `checker` whether the answer is right; `worker` is the loop of one load thread and
//! `run` directs them all. `client` is a blocking session for `setup` and `final_check`. `modes` puts these
//! together.

mod checker;
mod client;
mod final_check;
mod fleet;
mod four_letter;
mod generator;
mod modes;
mod names;
mod options;
mod report;
mod run;
mod session;
mod setup;
mod shared;
mod violations;
mod worker;

use modes::{create_many, failover, idle, leader, load, probe, storm, watch};
use options::{FLAGS, KEYS};
use zkload::args::{Args, exit_with_usage};
use zkload::os::{ignore_sigpipe, raise_nofile};

const USAGE: &str = "usage: zkload load|create-many|watch|storm|idle|probe|leader|failover [--option value ...]; see README.md";
/// Open files that a run needs besides its connections.
const OTHER_FILES: u64 = 64;

fn main() {
    ignore_sigpipe();
    let argv: Vec<String> = std::env::args().skip(1).collect();
    let Some((mode, rest)) = argv.split_first() else { exit_with_usage(USAGE) };
    let a = Args::parse_or_exit(rest, KEYS, FLAGS, USAGE);
    let limit = raise_nofile();
    if a.num::<u64>("conns", 0) + OTHER_FILES > limit {
        let conns = a.str("conns", "");
        report::die(&format!("{conns} connections need more open files than the limit {limit}"));
    }
    match mode.as_str() {
        "load" => load::run(&a),
        "create-many" => create_many::run(&a),
        "watch" => watch::run(&a),
        "storm" => storm::run(&a),
        "idle" => idle::run(&a),
        "probe" => probe::run(&a),
        "leader" => leader::run(&a),
        "failover" => failover::run(&a),
        _ => exit_with_usage(USAGE),
    }
}
