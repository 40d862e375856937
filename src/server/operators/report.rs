//! All figures at one time, for whoever shows them: `mntr` and, later, Prometheus and HTTP.

use super::{
    ask::{Ask, NoAnswer},
    host,
};
use crate::{
    node::Node,
    server::{
        figures::{ABSENT, Basic, Count, Detail, Detailed, Figures, Histogram, Namespaces, Sheet},
        io::Front,
        sequence::Hub,
    },
    tree::{
        NodeRef, Tree,
        quota::{self, Figures as Quota},
    },
    zab::Role,
};
use std::collections::{BTreeMap, HashMap};

/// One figure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Its name, without `zk_`.
    pub(crate) name: &'static str,
    /// What it is the figure of, in a family (`<key>_<name>` in `mntr`).
    pub(crate) key: Option<String>,
    /// How much.
    pub(crate) value: Value,
}

/// What a figure may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    /// Words.
    Text(String),
    /// A state; goes up and down.
    Gauge(i64),
    /// The same with decimals.
    Fraction(String),
    /// Only grows.
    Count(u64),
    /// A summary.
    Summary(Figures),
    /// A summary with its 50th, 95th, 99th and 99.9th percentiles.
    Detailed(Figures, [u64; 4]),
}

impl Entry {
    const fn new(name: &'static str, value: Value) -> Self {
        Self { name, key: None, value }
    }

    const fn gauge(name: &'static str, value: i64) -> Self {
        Self::new(name, Value::Gauge(value))
    }

    /// Each line of it in `mntr`: its name without `zk_`, and its value. Summaries have several.
    pub(super) fn lines(&self, mut line: impl FnMut(String, Shown<'_>)) {
        let key = self.key.as_ref().map(|key| format!("{key}_")).unwrap_or_default();
        let name = format!("{key}{}", self.name);
        let (figures, percentiles) = match &self.value {
            Value::Text(value) => return line(name, Shown::Text(value)),
            Value::Fraction(value) => return line(name, Shown::Number(value)),
            Value::Gauge(value) => return line(name, Shown::Number(&value.to_string())),
            Value::Count(value) => return line(name, Shown::Number(&value.to_string())),
            Value::Summary(figures) => (figures, None),
            Value::Detailed(figures, percentiles) => (figures, Some(percentiles)),
        };
        let Figures { count, sum, min, max } = *figures;
        line(format!("avg_{name}"), Shown::Number(&figures.average()));
        let mut whole =
            |which: &str, value: u64| line(format!("{which}_{name}"), Shown::Number(&value.to_string()));
        for (which, value) in [("min", min), ("max", max), ("cnt", count), ("sum", sum)] {
            whole(which, value);
        }
        for (which, &value) in
            ["p50", "p95", "p99", "p999"].into_iter().zip(percentiles.into_iter().flatten())
        {
            whole(which, value);
        }
    }
}

/// A value as it is printed.
#[derive(Debug, Clone, Copy)]
pub(super) enum Shown<'a> {
    /// Words.
    Text(&'a str),
    /// Digits, with decimals if there is a point.
    Number(&'a str),
}

/// Limits and use of the quotas of one namespace.
#[derive(Debug, Clone, Copy, Default)]
struct Quotas {
    count_limit: Option<i64>,
    bytes_limit: Option<i64>,
    count_use: Option<i64>,
    bytes_use: Option<i64>,
}

/// Asks everybody and adds up. Blocks: not for a worker's own thread.
pub(crate) fn gather(ask: &Ask<'_>, version: &str) -> Result<Vec<Entry>, NoAnswer> {
    let front = ask.front();
    let hub = &*front.hub;
    let mut entries = vec![
        Entry::new("version", Value::Text(version.to_owned())),
        Entry::new("server_state", Value::Text(hub.mode().ok_or(NoAnswer)?.to_owned())),
    ];
    entries.extend(of_ensemble(hub));
    let from_workers = ask.workers(|_, state, shard| {
        (shard.watches.watch_count(), state.reads.clone(), state.over_quota.clone())
    })?;
    let mut reads = Namespaces::default();
    let mut watches = 0;
    let mut over_quota = Namespaces::default();
    for (watched, read, over) in from_workers {
        watches += whole(watched);
        reads.merge(read);
        over_quota.merge(over);
    }
    entries.extend(of_workers(hub));
    entries.push(Entry::gauge("watch_count", watches));
    let (of_tree, quotas) = ask.sequencer(|node, tree| (of_node(node, tree), quotas(tree)))?;
    entries.extend(of_tree);
    entries.extend(of_process(front));
    entries.extend(of_quotas(&quotas));
    entries.extend(of_sheets(hub));
    entries.extend(of_acks(hub));
    entries.extend(absent(hub.standing.lock().is_some()));
    entries.extend(over_quota.sorted().into_iter().map(|(key, figures)| Entry {
        name: "quota_exceeded_error_per_namespace",
        key: Some(key.to_owned()),
        value: Value::Count(figures.sum),
    }));
    let writes = hub.stats.writes.lock().clone();
    for (name, namespaces) in [("read_per_namespace", reads), ("write_per_namespace", writes)] {
        let summary = |(key, figures): (String, Figures)| Entry {
            name,
            key: Some(key.to_owned()),
            value: Value::Summary(figures),
        };
        entries.extend(namespaces.sorted().into_iter().map(summary));
    }
    Ok(entries)
}

fn whole(n: impl TryInto<i64>) -> i64 {
    n.try_into().unwrap_or(i64::MAX)
}

/// What a member of an ensemble is. What stands second for scripts stands second here.
fn of_ensemble(hub: &Hub) -> Vec<Entry> {
    let Some(standing) = *hub.standing.lock() else { return Vec::new() };
    let state = match standing.role {
        // It is a server of another kind, which knows of no ensemble.
        Role::ReadOnly => return Vec::new(),
        Role::Looking => "looking",
        Role::Leading(_) => "leading - broadcast",
        Role::Learning(..) if hub.observes() => "observing - broadcast",
        Role::Learning(..) => "following - broadcast",
    };
    let mut entries = vec![
        Entry::new("peer_state", Value::Text(state.to_owned())),
        Entry::gauge("quorum_size", whole(standing.voters)),
    ];
    if let Role::Learning(leader, _) = standing.role
        && hub.observes()
    {
        entries.push(Entry::gauge("observer_master_id", leader.0));
    }
    let [last, min, max] = standing.proposals;
    match (standing.role, standing.learners) {
        (Role::Leading(_), Some(tally)) => entries.extend([
            Entry::gauge("synced_followers", whole(tally.synced_followers)),
            Entry::gauge("synced_non_voting_followers", whole(tally.synced_non_voting)),
            Entry::gauge("synced_observers", whole(tally.synced_observers)),
            Entry::gauge("pending_syncs", whole(tally.pending_syncs)),
            Entry::gauge("leader_uptime", hub.clock.elapsed_ms() - standing.since_ms),
            Entry::gauge("learners", whole(tally.learners)),
            Entry::gauge("last_proposal_size", last),
            Entry::gauge("min_proposal_size", min),
            Entry::gauge("max_proposal_size", max),
        ]),
        (_, Some(tally)) => entries.push(Entry::gauge("synced_observers", whole(tally.synced_observers))),
        (_, None) => {}
    }
    entries
}

/// Connections, packets, latencies.
fn of_workers(hub: &Hub) -> Vec<Entry> {
    let latency = hub.latency();
    let [last, min, max] = response_sizes(hub);
    vec![
        Entry::new("avg_latency", Value::Fraction(latency.average())),
        Entry::gauge("max_latency", whole(latency.max)),
        Entry::gauge("min_latency", whole(latency.min)),
        Entry::gauge("packets_received", whole(hub.received())),
        Entry::gauge("packets_sent", whole(hub.sent())),
        Entry::gauge("num_alive_connections", whole(hub.connections())),
        Entry::gauge("outstanding_requests", whole(hub.outstanding())),
        Entry::gauge("last_client_response_size", last),
        Entry::gauge("max_client_response_size", max),
        Entry::gauge("min_client_response_size", min),
        Entry::gauge("auth_failed_count", whole(hub.auth_failed())),
    ]
}

/// Bytes of the last reply, of the smallest and of the largest one; -1 before the first (`BufferStats`).
pub(super) fn response_sizes(hub: &Hub) -> [i64; 3] {
    let all = || hub.workers.iter().map(|worker| &worker.stats);
    let last = all().max_by_key(|stats| stats.last_response_ms.get()).map(|stats| stats.last_response.get());
    let sizes = all().map(|stats| stats.response_sizes.figures()).reduce(Figures::merge).unwrap_or_default();
    [last.unwrap_or(0), sizes.min, sizes.max].map(|size| if sizes.count == 0 { -1 } else { whole(size) })
}

/// The data. The root counts twice, as in the official server, once with an empty path.
fn of_node(node: &Node, tree: &Tree) -> Vec<Entry> {
    vec![
        Entry::gauge("znode_count", whole(tree.node_count() + 1)),
        Entry::gauge("ephemerals_count", whole(tree.ephemeral_count())),
        Entry::gauge("approximate_data_size", tree.data_size() + 1),
        Entry::gauge("global_sessions", whole(node.sessions().global.len())),
        Entry::gauge("local_sessions", whole(node.sessions().local.len())),
    ]
}

/// The process.
fn of_process(front: &Front) -> Vec<Entry> {
    let (open, limit) = host::descriptors();
    vec![
        Entry::gauge("uptime", front.hub.clock.elapsed_ms()),
        Entry::gauge("open_file_descriptor_count", open.map_or(-1, whole)),
        Entry::gauge("max_file_descriptor_count", limit.map_or(i64::MAX, whole)),
        Entry::new("connection_drop_probability", Value::Fraction(front.limits.drop_probability())),
        Entry::gauge("outstanding_tls_handshake", 0),
        Entry::gauge("non_mtls_remote_conn_count", 0),
        Entry::gauge("non_mtls_local_conn_count", 0),
    ]
}

/// What is in the catalogue, all threads together.
fn of_sheets(hub: &Hub) -> Vec<Entry> {
    let sheets: Vec<&Sheet> = hub.sheets().collect();
    let mut entries = Vec::new();
    for &id in Count::ALL {
        let sum = sheets.iter().map(|sheet| sheet.count(id).get()).sum();
        entries.push(Entry::new(id.name(), Value::Count(sum)));
    }
    for &id in Basic::ALL {
        let sum =
            sheets.iter().map(|sheet| sheet.basic(id).figures()).fold(Figures::default(), Figures::merge);
        entries.push(Entry::new(id.name(), Value::Summary(sum)));
    }
    let throttled = hub.config.throttle.max_requests.is_some();
    // Without the throttle there is no queue that could be measured.
    for &id in Detailed::ALL.iter().filter(|id| throttled || **id != Detailed::ThrottleQueueTime) {
        entries.push(Entry::new(id.name(), detailed(|| sheets.iter().map(|sheet| sheet.detailed(id)))));
    }
    entries
}

/// What was recorded of each summary that has percentiles in the form of Prometheus.
pub(super) fn histograms(hub: &Hub) -> HashMap<(&'static str, Option<String>), Histogram> {
    let sheets: Vec<&Sheet> = hub.sheets().collect();
    let basics =
        Basic::ALL.iter().map(|&id| (id.name(), Histogram::of(sheets.iter().map(|sheet| sheet.basic(id)))));
    let detailed = Detailed::ALL
        .iter()
        .map(|&id| (id.name(), Histogram::of(sheets.iter().map(|sheet| sheet.detailed(id)))));
    let all = basics.chain(detailed).map(|(name, histogram)| ((name, None), histogram));
    let acks = hub.stats.acks.lock();
    let acks = acks.iter().map(|(sid, detail)| {
        (("ack_latency", Some(sid.0.to_string())), Histogram::of(std::iter::once(detail)))
    });
    all.chain(acks).collect()
}

/// What a member without a leader counts.
pub(super) fn without_leader(hub: &Hub) -> Vec<Entry> {
    of_sheets(hub)
}

/// All of these together.
fn detailed<'a, I: Iterator<Item = &'a Detail>>(details: impl Fn() -> I) -> Value {
    let sum = details().map(Detail::figures).fold(Figures::default(), Figures::merge);
    let histogram = Histogram::of(details());
    let percentiles = [500, 950, 990, 999].map(|thousandths| histogram.per_mille(thousandths));
    Value::Detailed(sum, percentiles)
}

/// How long the disks of a leader's voters take, by their ids.
fn of_acks(hub: &Hub) -> Vec<Entry> {
    let acks = hub.stats.acks.lock();
    let entries = acks.iter().map(|(sid, detail)| Entry {
        name: "ack_latency",
        key: Some(sid.0.to_string()),
        value: detailed(|| std::iter::once(detail)),
    });
    entries.collect()
}

/// What is never counted here. `member`: of an ensemble.
fn absent(member: bool) -> Vec<Entry> {
    let mut entries = Vec::new();
    for part in ABSENT.iter().filter(|part| !(member && part.works_in_members)) {
        entries.extend(part.counts.iter().map(|name| Entry::new(name, Value::Count(0))));
        entries.extend(part.basics.iter().map(|name| Entry::new(name, Value::Summary(Figures::default()))));
        let nothing = || Value::Detailed(Figures::default(), [0; 4]);
        entries.extend(part.detailed.iter().map(|name| Entry::new(name, nothing())));
    }
    entries
}

/// Limits and use by namespace (`QuotaMetricsUtils`): what lies below one top-level name is added up.
fn quotas(tree: &Tree) -> BTreeMap<String, Quotas> {
    let mut by_name = BTreeMap::new();
    let mut open: Vec<NodeRef<'_>> = tree.get(quota::QUOTA_ROOT).into_iter().collect();
    while let Some(node) = open.pop() {
        if node.num_children() > 0 {
            open.extend(node.children());
            continue;
        }
        let path = node.path();
        let name = path.strip_prefix(quota::QUOTA_ROOT).and_then(|path| path.split('/').nth(1));
        let (Some(name), Some(data)) = (name, node.data()) else { continue };
        let figures = Quota::parse(Some(data));
        let or = |hard: i64, soft: i64| if hard > -1 { hard } else { soft };
        let add = |sum: &mut Option<i64>, n: i64| *sum = Some(sum.unwrap_or(0).wrapping_add(n));
        let sums: &mut Quotas = by_name.entry(name.to_owned()).or_default();
        if path.ends_with(quota::LIMITS_NAME) {
            add(&mut sums.count_limit, or(figures.count_hard_limit(), figures.count()));
            add(&mut sums.bytes_limit, or(figures.byte_hard_limit(), figures.bytes()));
        } else if path.ends_with(quota::STATS_NAME) {
            add(&mut sums.count_use, figures.count());
            add(&mut sums.bytes_use, figures.bytes());
        }
    }
    by_name
}

fn of_quotas(quotas: &BTreeMap<String, Quotas>) -> Vec<Entry> {
    type Family = (&'static str, fn(&Quotas) -> Option<i64>);
    let families: [Family; 4] = [
        ("quota_count_limit_per_namespace", |quotas| quotas.count_limit),
        ("quota_bytes_limit_per_namespace", |quotas| quotas.bytes_limit),
        ("quota_count_usage_per_namespace", |quotas| quotas.count_use),
        ("quota_bytes_usage_per_namespace", |quotas| quotas.bytes_use),
    ];
    let entries = families.into_iter().flat_map(|(name, figure)| {
        quotas.iter().filter_map(move |(key, quotas)| {
            let value = Value::Gauge(figure(quotas)?);
            Some(Entry { name, key: Some(key.clone()), value })
        })
    });
    entries.collect()
}
