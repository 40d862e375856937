//! What the server under test (all its threads), this process and the whole host have used, from `/proc`.
//!
//! A sample is a set of running totals; only the difference of two is a result. A process that is gone, or a
//! file that cannot be read, counts as nothing: whether the server lives is for the checks of the load to
//! find out.

use crate::json::Obj;
use crate::os::{clk_tck, page_size};
use std::collections::BTreeMap;
use std::fs;

/// How many thread names a report lists, the busiest first.
const THREADS_LISTED: usize = 16;

/// Totals at one moment: times in seconds of one core, sizes in bytes.
#[derive(Clone, Default)]
pub struct Sample {
    /// Time of the sampled processes in user mode.
    pub user: f64,
    /// Time of the sampled processes in the kernel.
    pub sys: f64,
    /// Resident memory of the sampled processes.
    pub rss: u64,
    /// The highest that resident memory was.
    pub rss_peak: u64,
    /// How many of the sampled processes there are.
    pub pids: usize,
    disk_written: u64,
    /// User and kernel time by thread name.
    threads: BTreeMap<String, (f64, f64)>,
    host_busy: f64,
    host_steal: f64,
    self_cpu: f64,
}

/// What a `stat` file of a process or a thread says.
struct StatFile {
    name: String,
    user: f64,
    sys: f64,
    rss: u64,
}

impl StatFile {
    fn read(path: &str) -> Option<Self> {
        let text = fs::read_to_string(path).ok()?;
        // the name may hold spaces and parentheses of its own
        let (open, close) = (text.find('(')?, text.rfind(')')?);
        let fields: Vec<&str> = text[close + 2..].split(' ').collect();
        let seconds = |i: usize| Some(fields.get(i)?.parse::<f64>().ok()? / clk_tck());
        let pages: u64 = fields.get(21)?.parse().unwrap_or(0);
        Some(Self {
            name: text[open + 1..close].to_string(),
            user: seconds(11)?,
            sys: seconds(12)?,
            rss: pages * page_size(),
        })
    }
}

/// The number after `key` in a file of `key: number` lines; 0 when there is none.
fn number_after(path: &str, key: &str) -> u64 {
    let Ok(text) = fs::read_to_string(path) else { return 0 };
    let number = text.lines().find_map(|line| line.strip_prefix(key));
    number.and_then(|n| n.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
}

/// Samples `pids`, by thread name too if wanted, this process and the host.
pub fn sample(pids: &[i32], with_threads: bool) -> Sample {
    let mut s = Sample::default();
    for pid in pids {
        s.add_process(*pid);
        if with_threads {
            s.add_threads(*pid);
        }
    }
    if let Some(own) = StatFile::read("/proc/self/stat") {
        s.self_cpu = own.user + own.sys;
    }
    s.add_host();
    s
}

impl Sample {
    fn add_process(&mut self, pid: i32) {
        if let Some(stat) = StatFile::read(&format!("/proc/{pid}/stat")) {
            self.user += stat.user;
            self.sys += stat.sys;
            self.rss += stat.rss;
            self.pids += 1;
        }
        self.rss_peak += number_after(&format!("/proc/{pid}/status"), "VmHWM:") * 1024;
        self.disk_written += number_after(&format!("/proc/{pid}/io"), "write_bytes: ");
    }

    fn add_threads(&mut self, pid: i32) {
        let Ok(tasks) = fs::read_dir(format!("/proc/{pid}/task")) else { return };
        for task in tasks.flatten() {
            let Some(stat) = StatFile::read(&format!("{}/stat", task.path().display())) else { continue };
            // numbered threads of one kind count together
            let name = stat.name.chars().map(|c| if c.is_ascii_digit() { '#' } else { c }).collect();
            let times = self.threads.entry(name).or_insert((0.0, 0.0));
            times.0 += stat.user;
            times.1 += stat.sys;
        }
    }

    fn add_host(&mut self) {
        let Ok(text) = fs::read_to_string("/proc/stat") else { return };
        let Some(line) = text.lines().next() else { return };
        // user nice system idle iowait irq softirq steal
        let ticks: Vec<f64> = line.split_whitespace().skip(1).map(|x| x.parse().unwrap_or(0.0)).collect();
        self.host_busy = (ticks[0] + ticks[1] + ticks[2] + ticks[5] + ticks[6]) / clk_tck();
        self.host_steal = ticks.get(7).copied().unwrap_or(0.0) / clk_tck();
    }
}

/// Adds what was used between two samples, `secs` seconds and `ops` operations apart, to a JSON object.
pub fn report(o: &mut Obj, a: &Sample, b: &Sample, secs: f64, ops: u64) {
    let cpu = b.user + b.sys - a.user - a.sys;
    o.int("server_pids", b.pids as i64);
    if b.pids > 0 {
        o.f("server_user_s", b.user - a.user);
        o.f("server_sys_s", b.sys - a.sys);
        o.f("server_cpu_s", cpu);
        o.f("server_cpu_cores", cpu / secs);
        o.f("server_cpu_us_per_op", if ops > 0 { cpu * 1e6 / ops as f64 } else { f64::NAN });
        o.int("server_rss_bytes_before", a.rss as i64);
        o.int("server_rss_bytes", b.rss as i64);
        o.int("server_rss_peak_bytes", b.rss_peak as i64);
        o.int("server_disk_write_bytes", b.disk_written.saturating_sub(a.disk_written) as i64);
    }
    o.f("client_cpu_cores", (b.self_cpu - a.self_cpu) / secs);
    let other = (b.host_busy - a.host_busy) - cpu - (b.self_cpu - a.self_cpu);
    o.f("other_cpu_cores", other.max(0.0) / secs);
    o.f("steal_cores", (b.host_steal - a.host_steal) / secs);
    if !b.threads.is_empty() {
        o.raw("server_threads_user_sys_s", &threads_json(a, b));
    }
}

/// User and kernel time between two samples by thread name.
fn threads_json(a: &Sample, b: &Sample) -> String {
    let mut used: Vec<(&str, f64, f64)> = Vec::new();
    for (name, (user, sys)) in &b.threads {
        let before = a.threads.get(name).copied().unwrap_or((0.0, 0.0));
        let (user, sys) = (user - before.0, sys - before.1);
        if user + sys > 0.0 {
            used.push((name, user, sys));
        }
    }
    used.sort_by(|x, y| (y.1 + y.2).total_cmp(&(x.1 + x.2)));
    let mut json = Obj::new();
    for (name, user, sys) in used.iter().take(THREADS_LISTED) {
        json.raw(name, &format!("[{user:.2},{sys:.2}]"));
    }
    json.end()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_can_be_sampled() {
        let s = sample(&[std::process::id() as i32], true);
        assert_eq!(s.pids, 1);
        assert!(s.rss > 0 && s.rss_peak >= s.rss / 2 && s.host_busy > 0.0);
        assert!(!s.threads.is_empty());
    }

    #[test]
    fn a_process_that_is_gone_counts_as_nothing() {
        let s = sample(&[i32::MAX], true);
        assert_eq!((s.pids, s.rss, s.rss_peak), (0, 0, 0));
    }
}
