//! `leader`: prints the index of the leader (or standalone server) in `--servers`.

use crate::four_letter::srvr;
use crate::options::Options;
use crate::report::die;
use std::time::Duration;
use zkload::args::Args;
use zkload::os::{nanos, now};

pub(crate) fn run(a: &Args) {
    let options = Options::read(a);
    let end = now() + nanos(a.num("limit", 30.0));
    while now() < end {
        let leads = |text: String| text.contains("Mode: leader") || text.contains("Mode: standalone");
        if let Some(i) = options.servers.iter().position(|addr| srvr(addr).is_some_and(leads)) {
            println!("{i}");
            return;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    die("no leader found")
}
