//! The options that several modes share, read once and checked; a mode reads its own from the same `Args`.

use crate::session::Kind;
use std::net::SocketAddrV4;
use zkload::args::Args;
use zkload::net::resolve;
use zkload::sut::{Sample, sample};

/// Every option with a value, of any mode.
pub(crate) const KEYS: &[&str] = &[
    "servers",
    "conns",
    "pipeline",
    "threads",
    "mix",
    "read-pct",
    "value-size",
    "znodes",
    "duration",
    "warmup",
    "ops",
    "rate",
    "root",
    "session-timeout",
    "server-pid",
    "expect-children",
    "count",
    "parents",
    "label",
    "rounds",
    "concurrency",
    "path",
    "since-ns",
    "every-ms",
    "limit",
    "kill-pid",
    "kill-after",
    "out",
    "drain",
];

/// Every option without a value. `keep-open` does nothing and is accepted as it always was.
pub(crate) const FLAGS: &[&str] = &["no-setup", "no-final-check", "no-close", "threads-cpu", "keep-open"];

/// The shared options. Durations are in seconds.
#[derive(Clone)]
pub(crate) struct Options {
    pub(crate) servers: Vec<SocketAddrV4>,
    pub(crate) conns: usize,
    /// How many requests of one session may be outstanding.
    pub(crate) pipeline: usize,
    pub(crate) threads: usize,
    pub(crate) mix: Mix,
    pub(crate) value_size: usize,
    pub(crate) znodes: usize,
    pub(crate) duration: f64,
    pub(crate) warmup: f64,
    /// How many operations to issue; 0: as many as the time allows.
    pub(crate) ops: u64,
    /// Operations or sessions per second of an open loop; 0: closed loop.
    pub(crate) rate: f64,
    pub(crate) root: String,
    pub(crate) timeout_ms: i32,
    /// The processes of the server, to be sampled.
    pub(crate) pids: Vec<i32>,
    /// How many children the root must have; negative: any number.
    pub(crate) expect_children: i64,
    /// How many znodes `create-many` creates, below how many parents.
    pub(crate) count: u64,
    pub(crate) parents: usize,
    pub(crate) threads_cpu: bool,
    /// How long to wait for replies after the end.
    pub(crate) drain: f64,
    /// Whether sessions are closed at the end, or left to the server.
    pub(crate) close: bool,
    pub(crate) label: String,
}

impl Options {
    /// Reads the shared options; a value that is none of its kind ends the process.
    pub(crate) fn read(a: &Args) -> Self {
        Self {
            mix: Mix::read(a),
            servers: a.str("servers", "127.0.0.1:2181").split(',').map(resolve).collect(),
            conns: a.num("conns", 100),
            pipeline: a.num("pipeline", 1),
            threads: a.num::<usize>("threads", 1).max(1),
            value_size: a.num("value-size", 1024),
            znodes: a.num("znodes", 1000),
            duration: a.num("duration", 10.0),
            warmup: a.num("warmup", 2.0),
            ops: a.num("ops", 0),
            rate: a.num("rate", 0.0),
            root: a.str("root", "/zkload"),
            timeout_ms: a.num("session-timeout", 30000),
            pids: a.str("server-pid", "").split(',').filter_map(|x| x.trim().parse().ok()).collect(),
            expect_children: a.num("expect-children", -1),
            count: a.num("count", 0),
            parents: a.num("parents", 1),
            threads_cpu: a.flag("threads-cpu"),
            drain: a.num("drain", 20.0),
            close: !a.flag("no-close"),
            label: a.str("label", ""),
        }
    }

    /// A sample of the server, by thread name if that is wanted.
    pub(crate) fn sample(&self) -> Sample {
        sample(&self.pids, self.threads_cpu)
    }

    /// A sample of the server's totals only.
    pub(crate) fn sample_totals(&self) -> Sample {
        sample(&self.pids, false)
    }
}

/// Operations and how often each is drawn.
#[derive(Clone)]
pub(crate) struct Mix {
    weights: Vec<(Kind, u32)>,
    sum: u32,
}

impl Mix {
    fn read(a: &Args) -> Self {
        let spec = match (a.get("mix"), a.get("read-pct")) {
            (Some(mix), _) => mix.to_string(),
            (None, Some(percent)) => {
                let reads: u32 = percent.parse().expect("--read-pct");
                format!("get={},set={}", reads, 100 - reads)
            }
            _ => "get=100".to_string(),
        };
        Self::parse(&spec).unwrap_or_else(|op| {
            eprintln!("unknown op {op:?} in --mix");
            std::process::exit(2)
        })
    }

    /// Reads `get=10,set=1`; an operation without a weight has 1. Err: the name that is no operation.
    fn parse(spec: &str) -> Result<Self, String> {
        let mut weights = Vec::new();
        for part in spec.split(',') {
            let (name, weight) = part.split_once('=').unwrap_or((part, "1"));
            let kind = match name {
                "get" => Kind::Get,
                "exists" => Kind::Exists,
                "children" => Kind::Children,
                "set" => Kind::Set,
                "create" => Kind::Create,
                "multi" => Kind::Multi,
                "sync" => Kind::Sync,
                _ => return Err(name.to_string()),
            };
            let weight: u32 = weight.parse().expect("--mix weight");
            if weight > 0 {
                weights.push((kind, weight));
            }
        }
        Ok(Self { sum: weights.iter().map(|x| x.1).sum(), weights })
    }

    /// The operation that a random number stands for.
    #[inline]
    pub(crate) fn draw(&self, random: u32) -> Kind {
        let mut left = random % self.sum;
        for (kind, weight) in &self.weights {
            if left < *weight {
                return *kind;
            }
            left -= weight;
        }
        unreachable!("the remainder is below the sum of the weights")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_operation_is_drawn_as_often_as_its_weight_says() {
        let mix = Mix::parse("get=2,set=0,multi").expect("valid");
        let drawn: Vec<Kind> = (0..6).map(|random| mix.draw(random)).collect();
        assert_eq!(drawn, [Kind::Get, Kind::Get, Kind::Multi, Kind::Get, Kind::Get, Kind::Multi]);
    }

    #[test]
    fn an_unknown_operation_is_named() {
        assert_eq!(Mix::parse("get=1,put=1").err().as_deref(), Some("put"));
    }
}
