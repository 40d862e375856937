//! What commands tell of this server alone. Structures have their keys in the official order.

use super::{AdminDesk, Asked, body::Body};
use crate::{
    levels,
    server::{
        figures::Figures,
        operators::{
            ask::{Ask, NoAnswer},
            connections::{self, ConnInfo},
            host, lop,
            report::{self, Shown},
            sessions, stats, watching,
        },
        sequence::{Hub, READ_ONLY},
    },
    version,
};
use serde::Serialize;
use serde_json::{Map, Number, Value};
use std::collections::{BTreeMap, BTreeSet};

/// Asking has a server that can be asked.
fn server<'a, 'h>(ask: Option<&'a Ask<'h>>) -> Result<(&'a Ask<'h>, &'h Hub), NoAnswer> {
    let ask = ask.ok_or(NoAnswer)?;
    Ok((ask, &ask.front().hub))
}

pub(super) fn ruok(_: &AdminDesk, _: Option<&Ask<'_>>, _: &Asked) -> Result<Body, NoAnswer> {
    Ok(Body::done())
}

#[derive(Serialize)]
struct Configuration {
    client_port: i32,
    data_dir: String,
    data_log_dir: String,
    tick_time: u32,
    max_client_cnxns: u32,
    min_session_timeout: u32,
    max_session_timeout: u32,
    server_id: i64,
    client_port_listen_backlog: i64,
}

pub(super) fn configuration(desk: &AdminDesk, ask: Option<&Ask<'_>>, _: &Asked) -> Result<Body, NoAnswer> {
    let (_, hub) = server(ask)?;
    let config = &hub.config;
    let port = hub.client_place().map_or(desk.ports.client, |place| Some(place.port));
    let [data_dir, data_log_dir] = host::dirs(hub).map(|dir| dir.display().to_string());
    Ok(Body::of(&Configuration {
        client_port: port.map_or(-1, i32::from),
        data_dir,
        data_log_dir,
        tick_time: config.session.tick_time_ms,
        max_client_cnxns: config.client.max_connections_per_address.unwrap_or(0),
        min_session_timeout: config.session.min_timeout_ms,
        max_session_timeout: config.session.max_timeout_ms,
        server_id: config.ensemble.as_ref().map_or(0, |ensemble| ensemble.my_id.0),
        client_port_listen_backlog: config.client.listen_backlog.map_or(-1, i64::from),
    }))
}

/// The fields of a connection that `stats` tells, too.
#[derive(Serialize)]
struct Brief {
    remote_socket_address: String,
    interest_ops: u8,
    outstanding_requests: usize,
    packets_received: u64,
    packets_sent: u64,
}

#[derive(Serialize)]
struct Connection {
    #[serde(flatten)]
    brief: Brief,
    session_id: i64,
    last_operation: &'static str,
    established: i64,
    session_timeout: i32,
    last_cxid: i64,
    last_zxid: i64,
    last_response_time: i64,
    last_latency: i64,
    min_latency: i64,
    avg_latency: i64,
    max_latency: i64,
}

fn brief(conn: &ConnInfo) -> Brief {
    Brief {
        remote_socket_address: conn.peer.to_string(),
        interest_ops: conn.interest,
        outstanding_requests: conn.queued,
        packets_received: conn.stats.received,
        packets_sent: conn.stats.sent,
    }
}

fn connection(conn: &ConnInfo, wall_offset_ms: i64) -> Connection {
    let stats = &conn.stats;
    let [min_latency, avg_latency, max_latency] = conn.latencies_ms();
    Connection {
        brief: brief(conn),
        session_id: conn.session.map_or(0, |session| session.0),
        last_operation: lop::name(stats.last_op),
        established: stats.established_ms + wall_offset_ms,
        session_timeout: conn.timeout_ms,
        last_cxid: stats.last_xid,
        last_zxid: stats.last_zxid.0,
        last_response_time: stats.last_response_ms,
        last_latency: stats.last_latency_ms,
        min_latency,
        avg_latency,
        max_latency,
    }
}

/// Connections in plain text, and those by TLS, each shown so.
fn by_port<T: Serialize>(
    ask: &Ask<'_>,
    show: impl Fn(&ConnInfo) -> T,
) -> Result<Map<String, Value>, NoAnswer> {
    let (secure, plain): (Vec<ConnInfo>, Vec<ConnInfo>) =
        connections::all(ask)?.into_iter().partition(|conn| conn.is_secure);
    let shown = |conns: &[ConnInfo]| serde_json::to_value(conns.iter().map(&show).collect::<Vec<T>>());
    let lists = [("connections", shown(&plain)), ("secure_connections", shown(&secure))];
    Ok(lists.into_iter().map(|(key, list)| (key.to_owned(), list.unwrap_or_default())).collect())
}

pub(super) fn connections(_: &AdminDesk, ask: Option<&Ask<'_>>, _: &Asked) -> Result<Body, NoAnswer> {
    let (ask, hub) = server(ask)?;
    let offset_ms = hub.clock.wall_offset_ms();
    Ok(Body { members: by_port(ask, |conn| connection(conn, offset_ms))?, ..Body::done() })
}

pub(super) fn reset_connections(_: &AdminDesk, ask: Option<&Ask<'_>>, _: &Asked) -> Result<Body, NoAnswer> {
    connections::reset(server(ask)?.0).map(|()| Body::done())
}

pub(super) fn reset_stats(_: &AdminDesk, ask: Option<&Ask<'_>>, _: &Asked) -> Result<Body, NoAnswer> {
    stats::reset(server(ask)?.0).map(|()| Body::done())
}

pub(super) fn dirs(_: &AdminDesk, ask: Option<&Ask<'_>>, _: &Asked) -> Result<Body, NoAnswer> {
    let [datadir_size, logdir_size] = host::dirs(server(ask)?.1).map(|dir| host::size_of(&dir));
    #[derive(Serialize)]
    struct Dirs {
        datadir_size: u64,
        logdir_size: u64,
    }
    Ok(Body::of(&Dirs { datadir_size, logdir_size }))
}

pub(super) fn dump(_: &AdminDesk, ask: Option<&Ask<'_>>, _: &Asked) -> Result<Body, NoAnswer> {
    let (ask, hub) = server(ask)?;
    #[derive(Serialize)]
    struct Dump {
        expiry_time_to_session_ids: BTreeMap<i64, Vec<i64>>,
        session_id_to_ephemeral_paths: BTreeMap<i64, BTreeSet<String>>,
    }
    let mut expiry = BTreeMap::<i64, Vec<i64>>::new();
    // Of sessions of the ensemble whoever decides alone knows when they expire.
    let global =
        if hub.expires_sessions() { sessions::listed(ask, |sessions| &sessions.global)? } else { Vec::new() };
    for (session, (_, deadline_ms)) in
        global.into_iter().chain(sessions::listed(ask, |sessions| &sessions.local)?)
    {
        if let Some(at_ms) = deadline_ms {
            expiry.entry(at_ms).or_default().push(session.0);
        }
    }
    let ephemerals = sessions::ephemerals(ask)?;
    Ok(Body::of(&Dump {
        expiry_time_to_session_ids: expiry,
        session_id_to_ephemeral_paths: ephemerals
            .into_iter()
            .map(|(session, paths)| (session.0, paths.into_iter().collect()))
            .collect(),
    }))
}

fn texts<'a>(pairs: impl IntoIterator<Item = (&'a str, String)>) -> Body {
    let members = pairs.into_iter().map(|(key, value)| (key.to_owned(), Value::from(value))).collect();
    Body { members, ..Body::done() }
}

pub(super) fn environment(_: &AdminDesk, _: Option<&Ask<'_>>, _: &Asked) -> Result<Body, NoAnswer> {
    Ok(texts(host::environment()))
}

/// The settings that were written, and what the process has of Java's properties, sorted.
pub(super) fn system_properties(desk: &AdminDesk, _: Option<&Ask<'_>>, _: &Asked) -> Result<Body, NoAnswer> {
    let of_process = host::environment().into_iter().filter(|(key, _)| !key.starts_with("os.memory"));
    let of_process = of_process.filter(|(key, _)| !matches!(*key, "zookeeper.version" | "host.name"));
    let mut all: BTreeMap<&str, String> = of_process.collect();
    all.extend(desk.written.properties.iter().map(|(key, value)| (&**key, value.clone())));
    Ok(texts(all))
}

pub(super) fn initial_configuration(
    desk: &AdminDesk,
    _: Option<&Ask<'_>>,
    _: &Asked,
) -> Result<Body, NoAnswer> {
    Ok(Body::one("initial_configuration", &*desk.written.file))
}

pub(super) fn digests(_: &AdminDesk, ask: Option<&Ask<'_>>, _: &Asked) -> Result<Body, NoAnswer> {
    #[derive(Serialize)]
    struct Digest {
        zxid: i64,
        digest: i64,
        digest_version: i32,
    }
    let digests = server(ask)?.1.digests.list().into_iter().map(|(zxid, digest)| Digest {
        zxid: zxid.0,
        digest: digest.cast_signed(),
        digest_version: oxkeeper_codec::file::DIGEST_VERSION,
    });
    let digests: Vec<Digest> = digests.collect();
    Ok(Body::one("digests", serde_json::to_value(digests).unwrap_or_default()))
}

pub(super) fn trace_mask(desk: &AdminDesk, _: Option<&Ask<'_>>, _: &Asked) -> Result<Body, NoAnswer> {
    Ok(Body::one("tracemask", desk.trace_mask.get()))
}

/// Not officially: what `RUST_LOG` says, or was changed to.
pub(super) fn log_levels(_: &AdminDesk, _: Option<&Ask<'_>>, _: &Asked) -> Result<Body, NoAnswer> {
    Ok(Body::one("levels", levels::current()))
}

pub(super) fn set_trace_mask(desk: &AdminDesk, _: Option<&Ask<'_>>, asked: &Asked) -> Result<Body, NoAnswer> {
    const NEEDED: &str = "setTraceMask requires long traceMask argument";
    let Some(written) = asked.parameters.get("traceMask") else { return Ok(Body::error(NEEDED)) };
    let Ok(mask) = written.parse() else { return Ok(Body::error(format!("{NEEDED}, got {written}"))) };
    desk.trace_mask.set(mask);
    Ok(Body::one("tracemask", mask))
}

pub(super) fn is_read_only(_: &AdminDesk, ask: Option<&Ask<'_>>, _: &Asked) -> Result<Body, NoAnswer> {
    Ok(Body::one("read_only", server(ask)?.1.mode() == Some(READ_ONLY)))
}

/// The newest snapshot that there is, by its name.
pub(super) fn last_snapshot(_: &AdminDesk, ask: Option<&Ask<'_>>, _: &Asked) -> Result<Body, NoAnswer> {
    let [snap, _] = host::dirs(server(ask)?.1);
    let newest = host::newest_snapshot(&snap);
    #[derive(Serialize)]
    struct Snapshot {
        zxid: String,
        timestamp: i64,
    }
    Ok(Body::of(&Snapshot {
        zxid: newest
            .as_ref()
            .map_or_else(|| "ffffffffffffffff".to_owned(), |(zxid, _)| format!("{:x}", zxid.0)),
        timestamp: newest.map_or(-1, |(_, written_s)| written_s),
    }))
}

/// Every figure. Names and texts are those of `mntr`, without `zk_`.
pub(super) fn monitor(_: &AdminDesk, ask: Option<&Ask<'_>>, _: &Asked) -> Result<Body, NoAnswer> {
    let (ask, _) = server(ask)?;
    let mut members = Map::new();
    for entry in report::gather(ask, version::FULL)? {
        entry.lines(|name, shown| {
            let value = match shown {
                Shown::Text(text) => Value::from(text),
                Shown::Number(text) => number(text),
            };
            members.insert(name, value);
        });
    }
    Ok(Body { members, ..Body::done() })
}

/// A number as it is written.
fn number(text: &str) -> Value {
    let whole =
        text.parse::<i64>().map(Number::from).ok().or_else(|| text.parse::<u64>().map(Number::from).ok());
    let fraction = || text.parse().ok().and_then(Number::from_f64);
    whole.or_else(fraction).map_or(Value::Null, Value::Number)
}

#[derive(Serialize)]
struct Sizes {
    last_buffer_size: i64,
    min_buffer_size: i64,
    max_buffer_size: i64,
}

impl Sizes {
    const fn of([last, min, max]: [i64; 3]) -> Self {
        Self { last_buffer_size: last, min_buffer_size: min, max_buffer_size: max }
    }
}

#[derive(Serialize)]
struct ServerStats {
    packets_sent: u64,
    packets_received: u64,
    fsync_threshold_exceed_count: u64,
    client_response_stats: Sizes,
    data_dir_size: u64,
    log_dir_size: u64,
    provider_null: bool,
    last_processed_zxid: i64,
    outstanding_requests: u64,
    server_state: &'static str,
    avg_latency: f64,
    max_latency: u64,
    min_latency: u64,
    num_alive_client_connections: u64,
    uptime: i64,
    auth_failed_count: u64,
    non_mtlsremote_conn_count: u64,
    non_mtlslocal_conn_count: u64,
}

pub(super) fn server_stats(_: &AdminDesk, ask: Option<&Ask<'_>>, _: &Asked) -> Result<Body, NoAnswer> {
    let (ask, hub) = server(ask)?;
    #[derive(Serialize)]
    struct Answer {
        version: &'static str,
        read_only: bool,
        server_stats: ServerStats,
        client_response: Sizes,
        #[serde(skip_serializing_if = "Option::is_none")]
        proposal_stats: Option<Sizes>,
        node_count: usize,
    }
    let (zxid, nodes) = ask.sequencer(|_, tree| (tree.last_zxid(), tree.node_count()))?;
    let [data_dir_size, log_dir_size] = host::dirs(hub).map(|dir| host::size_of(&dir));
    let latency = hub.latency();
    let responses = report::response_sizes(hub);
    let server_state = hub.state().ok_or(NoAnswer)?;
    Ok(Body::of(&Answer {
        version: version::FULL,
        read_only: server_state == READ_ONLY,
        server_stats: ServerStats {
            packets_sent: hub.sent(),
            packets_received: hub.received(),
            fsync_threshold_exceed_count: hub.stats.slow_syncs.get(),
            client_response_stats: Sizes::of(responses),
            data_dir_size,
            log_dir_size,
            provider_null: false,
            last_processed_zxid: hub.shown_zxid(zxid).0,
            outstanding_requests: hub.outstanding(),
            server_state,
            avg_latency: mean(latency),
            max_latency: latency.max,
            min_latency: latency.min,
            num_alive_client_connections: hub.connections(),
            uptime: hub.clock.elapsed_ms(),
            auth_failed_count: hub.auth_failed(),
            non_mtlsremote_conn_count: 0,
            non_mtlslocal_conn_count: 0,
        },
        client_response: Sizes::of(responses),
        proposal_stats: hub.proposal_sizes().map(Sizes::of),
        // The official server counts the root twice.
        node_count: nodes + 1,
    }))
}

/// With the decimals that texts show.
fn mean(figures: Figures) -> f64 {
    figures.average().parse().unwrap_or(0.0)
}

pub(super) fn stats(desk: &AdminDesk, ask: Option<&Ask<'_>>, asked: &Asked) -> Result<Body, NoAnswer> {
    let mut body = server_stats(desk, ask, asked)?;
    body.members.extend(by_port(server(ask)?.0, brief)?);
    Ok(body)
}

pub(super) fn watches(_: &AdminDesk, ask: Option<&Ask<'_>>, _: &Asked) -> Result<Body, NoAnswer> {
    let mut by_session: BTreeMap<i64, Vec<String>> = BTreeMap::new();
    for (session, paths) in watching::by_session(server(ask)?.0)? {
        by_session.entry(session.0).or_default().extend(paths);
    }
    Ok(Body::one("session_id_to_watched_paths", serde_json::to_value(by_session).unwrap_or_default()))
}

pub(super) fn watches_by_path(_: &AdminDesk, ask: Option<&Ask<'_>>, _: &Asked) -> Result<Body, NoAnswer> {
    let by_path = watching::by_path(server(ask)?.0)?.into_iter();
    let by_path: BTreeMap<String, Vec<i64>> = by_path
        .map(|(path, sessions)| (path, sessions.into_iter().map(|session| session.0).collect()))
        .collect();
    Ok(Body::one("path_to_session_ids", serde_json::to_value(by_path).unwrap_or_default()))
}

pub(super) fn watch_summary(_: &AdminDesk, ask: Option<&Ask<'_>>, _: &Asked) -> Result<Body, NoAnswer> {
    let summary = watching::summary(server(ask)?.0)?;
    #[derive(Serialize)]
    struct Summary {
        num_connections: usize,
        num_paths: usize,
        num_total_watches: usize,
    }
    Ok(Body::of(&Summary {
        num_connections: summary.connections,
        num_paths: summary.paths,
        num_total_watches: summary.watches,
    }))
}
