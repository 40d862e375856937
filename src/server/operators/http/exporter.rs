//! All figures in the text format of Prometheus (`PrometheusMetricsProvider`): the official families with their types, and what the
//! system knows of this process.
//!
//! Quantiles are those of the last ten minutes or a little more, as the official ones, by what was counted when somebody asked before:
//! so nothing is done as long as nobody asks. Where nothing was recorded in that time they are NaN.

use crate::{
    server::{
        clock,
        figures::Histogram,
        io::Front,
        operators::{
            ask::{Ask, NoAnswer},
            host,
            report::{self, Entry, Value},
        },
    },
    version,
};
use parking_lot::Mutex;
use std::{
    collections::{HashMap, VecDeque},
    fmt::Write,
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

/// How long figures count for quantiles.
const WINDOW: Duration = Duration::from_secs(600);
/// Between two states that are kept.
const KEEP_EVERY: Duration = Duration::from_secs(60);
/// Quantiles, in thousandths: of a plain summary the first one alone.
const QUANTILES: [(&str, u64); 3] = [("0.5", 500), ("0.9", 900), ("0.99", 990)];

/// Families that have no sample before there is a key.
const BY_KEY: [(&str, &str); 8] = [
    ("ack_latency", "summary"),
    ("quota_count_limit_per_namespace", "gauge"),
    ("quota_bytes_limit_per_namespace", "gauge"),
    ("quota_count_usage_per_namespace", "gauge"),
    ("quota_bytes_usage_per_namespace", "gauge"),
    ("quota_exceeded_error_per_namespace", "counter"),
    ("read_per_namespace", "summary"),
    ("write_per_namespace", "summary"),
];

/// What was counted, by the family and what it is the figure of.
type Counted = HashMap<(&'static str, Option<String>), Histogram>;

/// See the module.
#[derive(Default)]
pub(crate) struct Exporter {
    shows_process: bool,
    /// Where others can be asked; not there before the data is loaded.
    front: OnceLock<Arc<Front>>,
    /// What was counted by then, oldest first.
    kept: Mutex<VecDeque<(Instant, Counted)>>,
}

impl Exporter {
    /// What the text is.
    pub(super) const TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

    /// With figures of the process, or without.
    pub(crate) fn new(shows_process: bool) -> Self {
        Self { shows_process, ..Self::default() }
    }

    /// The data is loaded.
    pub(crate) fn open(&self, front: &Arc<Front>) {
        // It is opened once.
        _ = self.front.set(Arc::clone(front));
    }

    /// All samples, or those of these names; `None`: the server did not answer in time. Blocks.
    pub(super) fn text(&self, wanted: &[String]) -> Option<String> {
        let mut out = Families { wanted, text: String::new(), last: "" };
        if let Some(front) = self.front.get() {
            let ask = Ask::new(front);
            // A member without a leader has figures, too.
            let entries = match report::gather(&ask, version::FULL) {
                Ok(entries) => entries,
                Err(NoAnswer) if front.hub.state().is_none() => report::without_leader(&front.hub),
                Err(NoAnswer) => return None,
            };
            let lately = self.lately(report::histograms(&front.hub), clock::now());
            entries.iter().for_each(|entry| out.entry(entry, &lately));
            let lacks = |name| entries.iter().all(|entry| entry.name != name);
            for (name, kind) in BY_KEY {
                if out.wants(&[name]) && lacks(name) {
                    out.begin(name, kind, name);
                }
            }
            // Those of a follower that serves none, which `mntr` leaves out.
            let name = "synced_observers";
            if front.hub.state() == Some("follower") && lacks(name) {
                out.one(name, "gauge", name, 0.0);
            }
        }
        if self.shows_process {
            process(&mut out);
        }
        Some(out.text)
    }

    /// What was recorded lately, of what is counted now.
    fn lately(&self, counted: Counted, now: Instant) -> Counted {
        let mut kept = self.kept.lock();
        // Of those that are old enough the last one stays.
        while kept.get(1).is_some_and(|(then, _)| now.saturating_duration_since(*then) >= WINDOW) {
            kept.pop_front();
        }
        let base = kept.front().filter(|(then, _)| now.saturating_duration_since(*then) >= WINDOW);
        let lately = counted.iter().map(|(name, histogram)| {
            let before = base.and_then(|(_, base)| base.get(name));
            (name.clone(), before.map_or_else(|| histogram.clone(), |before| histogram.since(before)))
        });
        let lately = lately.collect();
        if kept.back().is_none_or(|(then, _)| now.saturating_duration_since(*then) >= KEEP_EVERY) {
            kept.push_back((now, counted));
        }
        lately
    }
}

/// The text, family by family.
struct Families<'w> {
    /// Names of samples; empty: all.
    wanted: &'w [String],
    text: String,
    /// The family that was begun last.
    last: &'static str,
}

impl Families<'_> {
    fn begin(&mut self, name: &'static str, kind: &str, help: &str) {
        if self.last != name {
            self.last = name;
            _ = writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}");
        }
    }

    fn wants(&self, names: &[&str]) -> bool {
        self.wanted.is_empty() || names.iter().any(|name| self.wanted.iter().any(|wanted| wanted == name))
    }

    fn one(&mut self, name: &'static str, kind: &str, help: &str, value: f64) {
        if self.wants(&[name]) {
            self.begin(name, kind, help);
            _ = writeln!(self.text, "{name} {}", Decimal(value));
        }
    }

    /// Texts are no samples, nor is what `mntr` says of the member and not of what is counted.
    fn entry(&mut self, entry: &Entry, lately: &Counted) {
        let name = entry.name;
        let (kind, value) = match &entry.value {
            Value::Text(_) => return,
            Value::Gauge(_) if name == "observer_master_id" => return,
            Value::Gauge(value) => ("gauge", *value as f64),
            Value::Fraction(value) => ("gauge", value.parse().unwrap_or(f64::NAN)),
            Value::Count(value) => ("counter", *value as f64),
            Value::Summary(figures) | Value::Detailed(figures, _) => {
                let (count, sum) = (format!("{name}_count"), format!("{name}_sum"));
                if !self.wants(&[name, &count, &sum]) {
                    return;
                }
                self.begin(name, "summary", name);
                let quantiles = if matches!(entry.value, Value::Detailed(..)) { 3 } else { 1 };
                let histogram = lately.get(&(name, entry.key.clone()));
                let key = entry.key.as_deref().map(|key| format!("key=\"{}\",", Label(key)));
                let key = key.unwrap_or_default();
                // Figures by namespace have no histogram.
                let shown = histogram.is_some() || entry.key.is_none();
                for (quantile, thousandths) in QUANTILES.into_iter().take(if shown { quantiles } else { 0 }) {
                    let value = histogram.filter(|histogram| !histogram.is_empty());
                    let value = value.map_or(f64::NAN, |histogram| histogram.per_mille(thousandths) as f64);
                    _ = writeln!(self.text, "{name}{{{key}quantile=\"{quantile}\",}} {}", Decimal(value));
                }
                let labels = if key.is_empty() { key } else { format!("{{{key}}}") };
                _ = writeln!(self.text, "{count}{labels} {}", Decimal(figures.count as f64));
                _ = writeln!(self.text, "{sum}{labels} {}", Decimal(figures.sum as f64));
                return;
            }
        };
        match &entry.key {
            None => self.one(name, kind, name, value),
            Some(key) if self.wants(&[name]) => {
                self.begin(name, kind, name);
                _ = writeln!(self.text, "{name}{{key=\"{}\",}} {}", Label(key), Decimal(value));
            }
            Some(_) => {}
        }
    }
}

/// A number as Java prints it.
struct Decimal(f64);

impl std::fmt::Display for Decimal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let value = self.0;
        if !value.is_finite() {
            return f.write_str(if value.is_nan() {
                "NaN"
            } else if value > 0.0 {
                "+Inf"
            } else {
                "-Inf"
            });
        }
        if value != 0.0 && !(1e-3..1e7).contains(&value.abs()) {
            let text = format!("{value:E}");
            let (mantissa, exponent) = text.split_once('E').unwrap_or((&text, "0"));
            let point = if mantissa.contains('.') { "" } else { ".0" };
            return write!(f, "{mantissa}{point}E{exponent}");
        }
        write!(f, "{value:?}")
    }
}

/// A value of a label.
struct Label<'a>(&'a str);

impl std::fmt::Display for Label<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.chars().try_for_each(|c| match c {
            '\\' => f.write_str("\\\\"),
            '"' => f.write_str("\\\""),
            '\n' => f.write_str("\\n"),
            other => f.write_char(other),
        })
    }
}

/// What the system knows of this process, under the names that clients of Prometheus have in common.
fn process(out: &mut Families<'_>) {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // Behind the name, which may have blanks and brackets in it.
    let fields: Vec<f64> = stat
        .rsplit_once(')')
        .map(|(_, rest)| rest.split_whitespace().map(|field| field.parse().unwrap_or(f64::NAN)).collect())
        .unwrap_or_default();
    let field = |number: usize| fields.get(number - 3).copied().unwrap_or(f64::NAN);
    let ticks = rustix::param::clock_ticks_per_second() as f64;
    let page = rustix::param::page_size() as f64;
    let booted = std::fs::read_to_string("/proc/stat").unwrap_or_default();
    let booted = booted.lines().find_map(|line| line.strip_prefix("btime ")?.trim().parse::<f64>().ok());
    let (open, limit) = host::descriptors();
    let open = open.map_or(f64::NAN, |open| open as f64);
    let mut gauge = |name, help, value| out.one(name, "gauge", help, value);
    gauge(
        "process_start_time_seconds",
        "Start time of the process since unix epoch in seconds.",
        booted.unwrap_or(f64::NAN) + field(22) / ticks,
    );
    gauge("process_open_fds", "Number of open file descriptors.", open);
    gauge(
        "process_max_fds",
        "Maximum number of open file descriptors.",
        limit.map_or(f64::INFINITY, |limit| limit as f64),
    );
    gauge("process_virtual_memory_bytes", "Virtual memory size in bytes.", field(23));
    gauge("process_resident_memory_bytes", "Resident memory size in bytes.", field(24) * page);
    let cpu = (field(14) + field(15)) / ticks;
    out.one("process_cpu_seconds_total", "counter", "Total user and system CPU time spent in seconds.", cpu);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::figures::{Detail, Figures};

    #[test]
    fn numbers_are_those_of_java() {
        let shown =
            [0.0, 71.0, 16.5, 16_439_040.0, 1e7, 9_999_999.0, 0.001, 0.0001, f64::NAN, -1.0, f64::INFINITY];
        let expected = [
            "0.0",
            "71.0",
            "16.5",
            "1.643904E7",
            "1.0E7",
            "9999999.0",
            "0.001",
            "1.0E-4",
            "NaN",
            "-1.0",
            "+Inf",
        ];
        assert_eq!(shown.map(|value| Decimal(value).to_string()), expected);
    }

    fn text(entries: &[Entry], wanted: &[String], lately: &Counted) -> String {
        let mut out = Families { wanted, text: String::new(), last: "" };
        entries.iter().for_each(|entry| out.entry(entry, lately));
        out.text
    }

    #[test]
    fn each_family_has_its_type_once() {
        let figures = Figures { count: 2, sum: 3, min: 1, max: 2 };
        let entry = |name, key: Option<&str>, value| Entry { name, key: key.map(str::to_owned), value };
        let entries = [
            entry("version", None, Value::Text("3.9.5".to_owned())),
            entry("znode_count", None, Value::Gauge(6)),
            entry("commit_count", None, Value::Count(2)),
            entry("fsynctime", None, Value::Summary(figures)),
            entry("read_per_namespace", Some("a"), Value::Summary(figures)),
            entry("read_per_namespace", Some("b\""), Value::Summary(figures)),
        ];
        let detail = Detail::default();
        detail.record(2);
        let lately = Counted::from([(("fsynctime", None), Histogram::of([&detail].into_iter()))]);
        assert_eq!(
            text(&entries, &[], &lately),
            "# HELP znode_count znode_count\n# TYPE znode_count gauge\nznode_count 6.0\n# HELP commit_count commit_count\n\
             # TYPE commit_count counter\ncommit_count 2.0\n# HELP fsynctime fsynctime\n# TYPE fsynctime summary\n\
             fsynctime{quantile=\"0.5\",} 2.0\nfsynctime_count 2.0\nfsynctime_sum 3.0\n\
             # HELP read_per_namespace read_per_namespace\n# TYPE read_per_namespace summary\n\
             read_per_namespace_count{key=\"a\",} 2.0\nread_per_namespace_sum{key=\"a\",} 3.0\n\
             read_per_namespace_count{key=\"b\\\"\",} 2.0\nread_per_namespace_sum{key=\"b\\\"\",} 3.0\n"
        );
        let one = text(&entries, &["commit_count".to_owned()], &lately);
        assert_eq!(one, "# HELP commit_count commit_count\n# TYPE commit_count counter\ncommit_count 2.0\n");
        let nothing = text(&entries[3..4], &[], &Counted::new());
        assert!(nothing.contains("fsynctime{quantile=\"0.5\",} NaN\n"), "{nothing}");
    }

    #[test]
    fn quantiles_forget_what_is_long_ago() {
        let (exporter, detail, start) = (Exporter::default(), Detail::default(), clock::now());
        let median_at = |seconds| {
            let counted = Counted::from([(("x", None), Histogram::of([&detail].into_iter()))]);
            let lately = exporter.lately(counted, start + Duration::from_secs(seconds));
            let histogram = &lately[&("x", None)];
            (!histogram.is_empty()).then(|| histogram.per_mille(500))
        };
        assert_eq!(median_at(0), None);
        detail.record_times(10, 100);
        assert_eq!(median_at(60), Some(10));
        detail.record_times(20, 10);
        assert_eq!(median_at(120), Some(10));
        assert_eq!(median_at(660), Some(20), "those that had come by the first minute are forgotten");
        assert_eq!(median_at(1320), None);
    }
}
