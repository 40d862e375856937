//! Samples of the server under test (all threads), of this process and of the host.
use crate::json::Obj;
use crate::net::{clk_tck, page_size};
use std::collections::BTreeMap;
use std::fs;

#[derive(Clone, Default)]
pub struct Sample {
    pub user: f64,
    pub sys: f64,
    pub rss: u64,
    pub hwm: u64,
    pub wbytes: u64,
    pub pids: usize,
    pub threads: BTreeMap<String, (f64, f64)>,
    pub host_busy: f64,
    pub host_steal: f64,
    pub self_cpu: f64,
}

fn stat_times(path: &str) -> Option<(String, f64, f64, u64)> {
    let s = fs::read_to_string(path).ok()?;
    let l = s.find('(')?;
    let r = s.rfind(')')?;
    let comm = s[l + 1..r].to_string();
    let f: Vec<&str> = s[r + 2..].split(' ').collect();
    let t = clk_tck();
    let u: f64 = f.get(11)?.parse().ok()?;
    let k: f64 = f.get(12)?.parse().ok()?;
    let rss: u64 = f.get(21)?.parse().unwrap_or(0);
    Some((comm, u / t, k / t, rss * page_size()))
}

pub fn sample(pids: &[i32], with_threads: bool) -> Sample {
    let mut s = Sample::default();
    for p in pids {
        if let Some((_, u, k, rss)) = stat_times(&format!("/proc/{p}/stat")) {
            s.user += u;
            s.sys += k;
            s.rss += rss;
            s.pids += 1;
        }
        if let Ok(t) = fs::read_to_string(format!("/proc/{p}/status")) {
            for l in t.lines() {
                if let Some(v) = l.strip_prefix("VmHWM:") {
                    s.hwm += v.trim().trim_end_matches(" kB").parse::<u64>().unwrap_or(0) * 1024;
                }
            }
        }
        if let Ok(t) = fs::read_to_string(format!("/proc/{p}/io")) {
            for l in t.lines() {
                if let Some(v) = l.strip_prefix("write_bytes: ") {
                    s.wbytes += v.trim().parse::<u64>().unwrap_or(0);
                }
            }
        }
        if with_threads && let Ok(d) = fs::read_dir(format!("/proc/{p}/task")) {
            for e in d.flatten() {
                let path = format!("{}/stat", e.path().display());
                if let Some((comm, u, k, _)) = stat_times(&path) {
                    let name: String =
                        comm.chars().map(|c| if c.is_ascii_digit() { '#' } else { c }).collect();
                    let e = s.threads.entry(name).or_insert((0.0, 0.0));
                    e.0 += u;
                    e.1 += k;
                }
            }
        }
    }
    if let Some((_, u, k, _)) = stat_times("/proc/self/stat") {
        s.self_cpu = u + k;
    }
    if let Ok(t) = fs::read_to_string("/proc/stat")
        && let Some(l) = t.lines().next()
    {
        let v: Vec<f64> = l.split_whitespace().skip(1).map(|x| x.parse().unwrap_or(0.0)).collect();
        let tck = clk_tck();
        // user nice system idle iowait irq softirq steal
        s.host_busy = (v[0] + v[1] + v[2] + v[5] + v[6]) / tck;
        s.host_steal = v.get(7).copied().unwrap_or(0.0) / tck;
    }
    s
}

/// Adds the SUT's consumption between two samples to a JSON object.
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
        o.int("server_rss_peak_bytes", b.hwm as i64);
        o.int("server_disk_write_bytes", b.wbytes.saturating_sub(a.wbytes) as i64);
    }
    o.f("client_cpu_cores", (b.self_cpu - a.self_cpu) / secs);
    let other = (b.host_busy - a.host_busy) - cpu - (b.self_cpu - a.self_cpu);
    o.f("other_cpu_cores", other.max(0.0) / secs);
    o.f("steal_cores", (b.host_steal - a.host_steal) / secs);
    if !b.threads.is_empty() {
        let mut t = Obj::new();
        let mut v: Vec<(String, f64, f64)> = b
            .threads
            .iter()
            .map(|(k, x)| {
                let y = a.threads.get(k).copied().unwrap_or((0.0, 0.0));
                (k.clone(), x.0 - y.0, x.1 - y.1)
            })
            .filter(|x| x.1 + x.2 > 0.0)
            .collect();
        v.sort_by(|x, y| (y.1 + y.2).total_cmp(&(x.1 + x.2)));
        for (k, u, s) in v.iter().take(16) {
            t.raw(k, &format!("[{u:.2},{s:.2}]"));
        }
        let e = t.end();
        o.raw("server_threads_user_sys_s", &e);
    }
}
