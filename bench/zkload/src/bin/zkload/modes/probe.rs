//! `probe`: polls every `--every-ms` until a read of `--path` succeeds; reports the time since `--since-ns` (wall clock) or
//! since its own start.

use crate::client::Client;
use crate::options::Options;
use crate::report::{die, finish, head};
use crate::violations::Violations;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;
use zkload::args::Args;
use zkload::os::{nanos, now, wall};
use zkload::wire::{GET, get_i32, path_watch};

/// A server that starts may take a connection and forget it. After this long another is tried beside it, so that its limit
/// is not what is measured.
const PATIENCE: Duration = Duration::from_millis(50);
const CONNECT_LIMIT_SECS: f64 = 2.0;
const READ_LIMIT_SECS: f64 = 5.0;

pub(crate) fn run(a: &Args) {
    let options = Options::read(a);
    let path = a.str("path", "/");
    let since = a.num("since-ns", wall());
    let end = now() + nanos(a.num("limit", 60.0));
    let pause = Duration::from_millis(a.num("every-ms", 5));
    let size = a.get("value-size").map(|_| options.value_size as i64);
    let (tell, told) = mpsc::channel();
    let mut tries = 0;
    let mut last = String::new();
    while now() < end {
        tries += 1;
        let (tell, options_of_try, path) = (tell.clone(), options.clone(), path.clone());
        // Nobody listens any more after the first success.
        thread::spawn(move || drop(tell.send(read(&options_of_try, &path, size))));
        match told.recv_timeout(PATIENCE) {
            Ok(Ok(at)) => report(&options, (at as f64 - since as f64) / 1e9, tries, a),
            Ok(Err(e)) => {
                last = e;
                thread::sleep(pause);
            }
            Err(_) => {}
        }
    }
    die(&format!("not serving within the limit; last: {last}"))
}

/// Reads `path` once, in a session of its own, and gives the wall-clock time of the reply. A value must have
/// `size` bytes, if that is given.
fn read(options: &Options, path: &str, size: Option<i64>) -> Result<u64, String> {
    let mut client = Client::open_with(&options.servers[0], options.timeout_ms, CONNECT_LIMIT_SECS)?;
    let mut result = Err("no reply".to_string());
    client.batch(
        1,
        READ_LIMIT_SECS,
        |w, xid, _| path_watch(w, xid, GET, path.as_bytes(), false),
        |_, err, body| {
            result = match size {
                _ if err != 0 => Err(format!("err {err}")),
                Some(size) if i64::from(get_i32(body, 0)) != size => {
                    Err(format!("value of {} bytes, expected {size}", get_i32(body, 0)))
                }
                _ => Ok(()),
            }
        },
    )?;
    result?;
    let at = wall();
    client.close();
    Ok(at)
}

fn report(options: &Options, secs: f64, tries: i64, a: &Args) -> ! {
    let sample = options.sample_totals();
    let mut o = head("probe", options);
    o.f("secs", secs).int("tries", tries);
    if sample.pids > 0 {
        o.f("server_cpu_s", sample.user + sample.sys).int("server_rss_bytes", sample.rss as i64);
        o.int("server_rss_peak_bytes", sample.rss_peak as i64);
    }
    finish(o, &Violations::default(), a)
}
