//! From a configuration to a running server, and back.

use super::{
    ServerError,
    clock::Clock,
    hub::{Hub, Mail, Shard, WorkerPort},
    limits::Limits,
    log_writer::{LogQueue, LogWriter},
    mailbox::{Mailbox, Message},
    metrics::{Basic, Count},
    process,
    sequencer::{Sequencer, Sequencing, random},
    snapshots::{SnapshotQueue, SnapshotThread, compression},
    stats::ServerStats,
    token,
    words::{DEFAULT_TRACE_MASK, DigestHistory},
    worker::Worker,
};
use crate::{
    auth::AuthConfig,
    config::{self, Config},
    node::{ContainerRules, Node, NodeOptions},
    processor::Rules,
    recovery::Rebuild,
    session::TimeoutBounds,
    storage::{
        Disk, LogOptions, RealDisk, Recovered, RecoveryOptions, ScheduleOptions, SnapshotSchedule,
        SnapshotTail, SnapshotWriter, StoreError, TxnLog, ZxidDigest, recover, repair,
    },
    tree::{OwnerRules, Snapshotter, Tree, TreeOptions},
};
use oxkeeper_codec::{SessionId, file::DIGEST_VERSION};
use std::{
    collections::BTreeMap,
    net::{SocketAddr, TcpListener, ToSocketAddrs},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
    thread::JoinHandle,
};

/// Folder of logs and snapshots within their directories.
pub(super) const VERSION_DIR: &str = "version-2";
/// Connections that may wait to be accepted, unless configured.
const DEFAULT_BACKLOG: u32 = 8192;
/// A standalone server's id, as far as session ids show it.
const STANDALONE_SERVER_ID: u8 = 1;

/// Runs a standalone server until SIGTERM or SIGINT.
///
/// # Errors
/// The server cannot start, or a part of it has failed.
pub fn run(config: Config) -> Result<(), ServerError> {
    let signals =
        signal_hook::iterator::Signals::new([signal_hook::consts::SIGTERM, signal_hook::consts::SIGINT]);
    let mut signals = signals.map_err(|source| ServerError::System { what: "handle signals", source })?;
    let server = Server::start(config)?;
    if let Some(signal) = signals.forever().next() {
        tracing::info!(signal, "stopping");
    }
    server.stop()
}

/// The two directories, which may be one.
struct Disks {
    snap: Arc<dyn Disk>,
    log: Arc<dyn Disk>,
}

/// A running server.
struct Server {
    hub: Arc<Hub>,
    workers: Vec<(&'static str, JoinHandle<()>)>,
    others: Vec<(&'static str, JoinHandle<()>)>,
}

impl Server {
    fn start(config: Config) -> Result<Self, ServerError> {
        let clock = Clock::start();
        let descriptors = process::set_up();
        let disks = open_disks(&config.storage)?;
        let Loaded { tree, sessions, recovered, digest_mismatches } = load(&config, &disks)?;
        let listener = listen(&config.client)?;
        let workers = worker_count(&config);
        let hub = Arc::new(Hub {
            auth: auth_config(&config.auth),
            clock,
            mailbox: Mailbox::default(),
            stats: started(clock.elapsed_ms(), &recovered, digest_mismatches),
            limits: Limits::new(&config.client, &config.connection_throttle, descriptors, random()),
            workers: std::iter::repeat_with(WorkerPort::default).take(workers).collect(),
            stopping: AtomicBool::new(false),
            port: listener.local_addr().map_or(config.client.port, |address| address.port()),
            trace_mask: AtomicI64::new(DEFAULT_TRACE_MASK),
            digests: DigestHistory::default(),
            config,
        });
        let node = Node::new(node_options(&hub.config, &hub.auth), &tree, sessions, clock.now());
        let shards = std::iter::repeat_with(|| Shard::new(random())).take(workers);
        let (writer, readers) = token::share(tree, shards);

        let log_queue = Arc::new(LogQueue::default());
        let snapshot_queue = Arc::new(SnapshotQueue::default());
        let log = TxnLog::new(
            Arc::clone(&disks.log),
            log_options(&hub.config.storage),
            recovered.repairs.logs.clone(),
        );
        let snapshots =
            SnapshotThread::new(Arc::clone(&hub), Arc::clone(&snapshot_queue), disks.snap, disks.log);
        let schedule = schedule(&hub.config.storage, &recovered);
        let mut sequencer =
            Sequencer::new(Arc::clone(&hub), node, writer, Arc::clone(&log_queue), snapshot_queue, schedule);
        if recovered.txns > 0 {
            // As every start of the official server: the next one has nothing to replay.
            sequencer.begin_snapshot();
        }
        let sequencing = Sequencing::new(sequencer);
        let log_writer = LogWriter::new(Arc::clone(&hub), log_queue, sequencing.clone(), log);

        let mut others = vec![
            ("log-writer", thread("log-writer", move || log_writer.run())?),
            ("snapshots", thread("snapshots", move || snapshots.run())?),
            (
                "sequencer",
                thread("sequencer", {
                    let sequencing = sequencing.clone();
                    move || sequencing.run()
                })?,
            ),
        ];
        others.reverse();
        let mut listener = Some(listener);
        let mut threads = Vec::new();
        for (index, reader) in readers.into_iter().enumerate() {
            let (hub, sequencing, listener) = (Arc::clone(&hub), sequencing.clone(), listener.take());
            let run = move || {
                if let Err(error) = Worker::run(index, hub, sequencing, reader, listener) {
                    tracing::error!(index, %error, "an I/O worker could not start");
                }
            };
            threads.push(("worker", thread("worker", run)?));
        }
        tracing::info!(
            port = hub.config.client.port,
            workers,
            zxid = %recovered.last_zxid,
            "serving"
        );
        Ok(Self { hub, workers: threads, others })
    }

    /// Connections first, then what they asked for, then the files.
    fn stop(self) -> Result<(), ServerError> {
        self.hub.stopping.store(true, Ordering::Relaxed);
        for worker in 0..self.hub.workers.len() {
            self.hub.post(worker, Mail::Stop);
        }
        join(self.workers)?;
        self.hub.mailbox.send(Message::Stop);
        join(self.others)?;
        tracing::info!("stopped");
        Ok(())
    }
}

/// The figures that a server starts with: what loading its data took.
fn started(took_ms: i64, recovered: &Recovered, digest_mismatches: usize) -> ServerStats {
    let stats = ServerStats::default();
    let took_ms = u64::try_from(took_ms).unwrap_or(0);
    stats.sequencer.basic(Basic::DbInitTime).record(took_ms);
    stats.sequencer.basic(Basic::StartupTxnsLoadTime).record(took_ms);
    stats.sequencer.basic(Basic::StartupTxnsLoaded).record(recovered.txns);
    let mismatches = u64::try_from(digest_mismatches).unwrap_or(u64::MAX);
    stats.sequencer.count(Count::DigestMismatches).add(mismatches);
    stats
}

fn join(threads: Vec<(&'static str, JoinHandle<()>)>) -> Result<(), ServerError> {
    for (name, thread) in threads {
        thread.join().map_err(|_| ServerError::Thread(name))?;
    }
    Ok(())
}

fn thread(name: &'static str, run: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, ServerError> {
    // A server that has lost one of its threads must not pretend to serve.
    let run = move || {
        if std::panic::catch_unwind(std::panic::AssertUnwindSafe(run)).is_err() {
            tracing::error!(thread = name, "a thread has failed; stopping at once");
            std::process::abort();
        }
    };
    let spawned = std::thread::Builder::new().name(name.to_owned()).spawn(run);
    spawned.map_err(|source| ServerError::System { what: "start a thread", source })
}

fn open_disks(storage: &config::Storage) -> Result<Disks, ServerError> {
    let snap = open_disk(&storage.data_dir, storage.create_dirs)?;
    let log = if storage.data_log_dir == storage.data_dir {
        Arc::clone(&snap)
    } else {
        open_disk(&storage.data_log_dir, storage.create_dirs)?
    };
    Ok(Disks { snap, log })
}

fn open_disk(dir: &Path, create: bool) -> Result<Arc<dyn Disk>, ServerError> {
    let dir = dir.join(VERSION_DIR);
    if create {
        std::fs::create_dir_all(&dir).map_err(|source| ServerError::DataDir { dir: dir.clone(), source })?;
    } else if let Err(source) = std::fs::read_dir(&dir) {
        return Err(ServerError::DataDir { dir, source });
    }
    Ok(Arc::new(RealDisk::open(&dir)?))
}

/// What was read.
struct Loaded {
    tree: Tree,
    sessions: BTreeMap<SessionId, i32>,
    recovered: Recovered,
    /// Transactions, or the snapshot, after which the digest was another than recorded.
    digest_mismatches: usize,
}

/// Reads what is there; on an empty directory, writes the first snapshot.
fn load(config: &Config, disks: &Disks) -> Result<Loaded, ServerError> {
    let options = TreeOptions {
        owners: OwnerRules {
            extended_types: config.tree.extended_types_enabled,
            emulate_353: config.tree.emulate_353_ttl_nodes,
        },
        digest: config.tree.digest_enabled,
        hash_seed: random(),
    };
    let recovery = RecoveryOptions { trust_empty_snapshot: config.storage.trust_empty_snapshot };
    let mut rebuild = Rebuild::new(options);
    let mut recovered = recover(&*disks.snap, &*disks.log, recovery, &mut rebuild)?;
    for rejected in &recovered.rejected {
        tracing::error!(file = rejected.name, damage = %rejected.damage, "a snapshot is damaged; the one before it was used, with the logs since");
    }
    if let Some(zxid) = rebuild.digest_mismatches.first() {
        tracing::error!(%zxid, count = rebuild.digest_mismatches.len(), "the data does not have the digest that was recorded with it");
    }
    match repair(&*disks.snap, &*disks.log, &recovered.repairs) {
        Ok(()) => recovered.repairs.logs.clear(),
        // The log writer does it before it writes its first file.
        Err(error) => tracing::warn!(%error, "what the last run left cannot be put right yet"),
    }
    let digest_mismatches = rebuild.digest_mismatches.len();
    let (tree, sessions) = rebuild.finish();
    if recovered.is_empty() {
        write_first_snapshot(config, disks, &tree)?;
    }
    tracing::info!(
        snapshot = recovered.snapshot.as_ref().map(|used| used.name.as_str()),
        transactions = recovered.txns,
        znodes = tree.node_count(),
        sessions = sessions.len(),
        zxid = %tree.last_zxid(),
        "data loaded"
    );
    Ok(Loaded { tree, sessions, recovered, digest_mismatches })
}

fn write_first_snapshot(config: &Config, disks: &Disks, tree: &Tree) -> Result<(), StoreError> {
    let mut snapshotter = Snapshotter::begin(tree, std::iter::empty::<(SessionId, i32)>());
    while !snapshotter.advance(tree, usize::MAX) {}
    let zxid = tree.last_zxid();
    let digest = ZxidDigest { zxid, version: DIGEST_VERSION, digest: tree.digest().cast_signed() };
    let tail = SnapshotTail {
        digest: config.tree.digest_enabled.then_some(digest),
        last_zxid: config.storage.serialize_last_processed_zxid.then_some(zxid),
    };
    let compression = compression(config.storage.snapshot_compression);
    let mut writer = SnapshotWriter::create(Arc::clone(&disks.snap), zxid, compression)?;
    writer.write(&snapshotter.take())?;
    writer.finish(&tail).map(drop)
}

fn log_options(storage: &config::Storage) -> LogOptions {
    LogOptions {
        prealloc_bytes: storage.pre_alloc_size_bytes.unwrap_or(0),
        size_limit_bytes: storage.txn_log_size_limit_bytes,
        force_sync: storage.force_sync,
    }
}

/// Counts on from what is logged since the last snapshot.
fn schedule(storage: &config::Storage, recovered: &Recovered) -> SnapshotSchedule {
    let options = ScheduleOptions {
        snap_count: u64::from(storage.snap_count),
        snap_size_bytes: storage.snap_size_limit_bytes.unwrap_or(u64::MAX),
    };
    let mut schedule = SnapshotSchedule::new(options, [random(), random()]);
    schedule.logged(recovered.txns, recovered.txn_bytes);
    schedule
}

fn node_options(config: &Config, auth: &AuthConfig) -> NodeOptions {
    let ms = |ms: u32| i32::try_from(ms).unwrap_or(i32::MAX);
    NodeOptions {
        rules: Rules {
            auth: auth.clone(),
            extended_types: config.tree.extended_types_enabled,
            enforce_quota: config.tree.enforce_quota,
            reconfig_enabled: config.tree.reconfig_enabled,
            list_closed_ephemerals: config.tree.close_session_txn_enabled,
            max_packet_bytes: usize::try_from(config.limits.max_packet_bytes).unwrap_or(usize::MAX),
        },
        tick_ms: ms(config.session.tick_time_ms),
        timeouts: TimeoutBounds {
            min_ms: ms(config.session.min_timeout_ms),
            max_ms: ms(config.session.max_timeout_ms),
        },
        containers: ContainerRules {
            interval_ms: i64::from(config.containers.check_interval_ms),
            max_per_minute: i64::from(config.containers.max_per_minute),
            never_used_ms: config
                .containers
                .max_never_used_ms
                .map_or(0, |ms| i64::try_from(ms).unwrap_or(i64::MAX)),
        },
        server_id: STANDALONE_SERVER_ID,
    }
}

fn auth_config(auth: &config::Auth) -> AuthConfig {
    let scheme = |scheme: &config::EnforcedScheme| match scheme {
        config::EnforcedScheme::Digest => "digest".to_owned(),
        config::EnforcedScheme::Ip => "ip".to_owned(),
    };
    AuthConfig {
        super_digest: auth.super_digest.clone(),
        digest_enabled: auth.digest_scheme_enabled,
        ensemble: auth.ensemble_provider,
        ensemble_names: auth.ensemble_names.clone(),
        key: auth.key_provider,
        digest_algorithm: auth.digest_algorithm,
        skip_acl: auth.skip_acl,
        enforced_schemes: auth.enforced_schemes.as_ref().map(|schemes| schemes.iter().map(scheme).collect()),
    }
}

/// One worker a core, unless configured.
fn worker_count(config: &Config) -> usize {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let configured = config.client.io_workers.and_then(|n| usize::try_from(n).ok()).filter(|&n| n > 0);
    // Worker numbers have 8 bits in connection ids.
    configured.unwrap_or(cores).clamp(1, 200)
}

fn listen(client: &config::Client) -> Result<TcpListener, ServerError> {
    let backlog = i32::try_from(client.listen_backlog.unwrap_or(DEFAULT_BACKLOG)).unwrap_or(i32::MAX);
    let host = client.address.as_deref();
    let shown = format!("{}:{}", host.unwrap_or("*"), client.port);
    let refused = |source| ServerError::Listen { address: shown.clone(), source };
    match host {
        Some(host) => {
            let address = resolve(host, client.port).map_err(refused)?;
            bind(address, backlog).map_err(refused)
        }
        // All interfaces, of both families where there are both.
        None => bind(SocketAddr::from(([0u16; 8], client.port)), backlog)
            .or_else(|_| bind(SocketAddr::from(([0u8; 4], client.port)), backlog))
            .map_err(refused),
    }
}

/// An address, a host name, or an IPv6 address with the name or number of its interface behind a `%`.
fn resolve(host: &str, port: u16) -> std::io::Result<SocketAddr> {
    let (bare, zone) = host.split_once('%').unwrap_or((host, ""));
    let mut addresses = (bare, port).to_socket_addrs()?;
    let mut address = addresses.next().ok_or(std::io::ErrorKind::NotFound)?;
    if let SocketAddr::V6(address) = &mut address
        && !zone.is_empty()
        // The loopback address is no link's.
        && !address.ip().is_loopback()
    {
        let index = std::fs::read_to_string(format!("/sys/class/net/{zone}/ifindex"));
        let index = zone.parse().or_else(|_| index?.trim().parse().map_err(std::io::Error::other))?;
        address.set_scope_id(index);
    }
    Ok(address)
}

fn bind(address: SocketAddr, backlog: i32) -> std::io::Result<TcpListener> {
    use socket2::{Domain, Protocol, Socket, Type};
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() && address.ip().is_unspecified() {
        socket.set_only_v6(false)?;
    }
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(backlog)?;
    Ok(socket.into())
}
