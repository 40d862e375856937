//! From a configuration to a running server, and back.

use crate::{
    auth::{self, AuthConfig},
    config::{self, AuditTo, Config},
    levels,
    node::{ContainerRules, NewSessions, Node, NodeOptions},
    processor::Rules,
    server::{
        ServerError,
        admin::Operators,
        chance::random,
        clock::Clock,
        ending::{drain, finish},
        figures::{Audit, Basic, Count, DigestHistory, Outcome, ServerStats},
        io::{
            Door, Entrance, Front, HandshakeThread, House, KerberosThread, Limits, Mail, WaitingRoom, Words,
            Worker, listen,
        },
        join::join_ensemble,
        operators::{Desk, Http, Ports, TraceMask},
        peers::{PeerLogin, PeerTls},
        process,
        security::{ClientTls, Security},
        sequence::{
            Disks, Fill, HEARD_MAX_BYTES, Hub, Loaded, LogQueue, LogWriter, Mailbox, Message, Sequencer,
            Sequencing, Shard, SnapshotQueue, SnapshotThread, Standing, TreeReader, TreeWriter, WorkerPort,
            load, open_disks, share,
        },
        supervisor::Supervisor,
        threads::{Threads, join, thread},
    },
    session::TimeoutBounds,
    storage::{LogOptions, Recovered, ScheduleOptions, SnapshotSchedule, TxnLog},
    tls::{self, Certificates},
    topics,
};
use parking_lot::Mutex;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2};
use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::channel,
    },
    thread::JoinHandle,
    time::Duration,
};
use tokio::{runtime::Runtime, sync::Notify};

/// A standalone server's id, as far as session ids show it.
const STANDALONE_SERVER_ID: u8 = 1;

/// What the thread that starts the server and the one that stops it tell each other.
enum Event {
    Signal(i32),
    Prepared(Box<Result<Prepared, ServerError>>),
}

/// Runs a standalone server until SIGTERM or SIGINT. Before it serves, they end it at once: nothing in the files
/// needs more than what a kill leaves. SIGHUP reads certificates again and begins the audit log anew; SIGUSR1 has
/// the log tell everything (`debug`), SIGUSR2 what it told at the start.
///
/// # Errors
/// The server cannot start, or a part of it has failed.
pub fn run(config: Config) -> Result<(), ServerError> {
    let signals = signal_hook::iterator::Signals::new([SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2]);
    let mut signals = signals.map_err(|source| ServerError::System { what: "handle signals", source })?;
    let (sender, events) = channel();
    let prepared = sender.clone();
    // Nobody hears what comes after the server has stopped.
    thread("signals", move || {
        signals.forever().for_each(|signal| drop(sender.send(Event::Signal(signal))));
    })?;
    let audit_to = config.operator.audit.clone();
    thread("start", move || drop(prepared.send(Event::Prepared(Box::new(Prepared::new(config))))))?;
    let supervisor = Supervisor::of_environment();
    let mut server: Option<Server> = None;
    while let Some(event) = supervisor.wait(&events, server.as_ref().map(|server| &server.front)) {
        match (event, server.take()) {
            (Event::Signal(SIGHUP), running) => {
                hang_up(running.as_ref());
                supervisor.reloaded();
                server = running;
            }
            (Event::Signal(signal @ (SIGUSR1 | SIGUSR2)), running) => {
                if let Err(problem) = levels::change((signal == SIGUSR1).then_some("debug")) {
                    tracing::warn!(target: topics::LOG, signal = name(signal), %problem, "the levels of the log stay");
                }
                server = running;
            }
            (Event::Prepared(prepared), _) => {
                let started = prepared.and_then(Server::start);
                let started = started.inspect_err(|_| tell_failure(audit_to.as_ref()))?;
                let clients =
                    started.address.map_or_else(|| "the port with TLS".to_owned(), |at| shown(Some(at)));
                supervisor.ready(&format!("clients at {clients}"));
                server = Some(started);
            }
            (Event::Signal(signal), None) => {
                tracing::info!(target: topics::SERVER, signal = name(signal), "stopping before the data was loaded");
                break;
            }
            (Event::Signal(signal), Some(server)) => {
                tracing::info!(target: topics::SERVER, signal = name(signal), "stopping");
                supervisor.stopping();
                return server.stop();
            }
        }
    }
    Ok(())
}

/// The audit log tells that the server has not started, if it can be opened.
fn tell_failure(to: Option<&AuditTo>) {
    if let Some(Ok(audit)) = to.map(Audit::open) {
        audit.of_server("serverStart", None, Outcome::Failure);
        audit.flush();
    }
}

/// Certificates are read again and the audit log is begun anew, if there are some.
fn hang_up(server: Option<&Server>) {
    let audit = server.and_then(|server| server.front.hub.audit.as_ref());
    if let Some(audit) = audit {
        audit.reopen();
    }
    match server.map(|server| &*server.certificates) {
        None | Some([]) => tracing::info!(
            target: topics::SERVER,
            audit_log = audit.is_some(),
            "SIGHUP: there are no certificates to read again, and settings are read at a start; going on"
        ),
        Some(certificates) => certificates.iter().for_each(|certificates| certificates.reload("SIGHUP")),
    }
}

fn name(signal: i32) -> &'static str {
    signal_hook::low_level::signal_name(signal).unwrap_or("another one")
}

/// A server that has all it needs, and whose data is loaded.
pub(super) struct Prepared {
    config: Config,
    clock: Clock,
    /// Of each worker.
    runtimes: Vec<Runtime>,
    /// Connections that there are descriptors for.
    descriptors: u32,
    disks: Disks,
    loaded: Loaded,
    words: Arc<dyn Words>,
    operators: Operators,
    /// Where clients of plain text wait; `None` where there is no port for them.
    room: Option<WaitingRoom>,
    security: Security,
}

impl Prepared {
    /// What may be missing is asked for first: whoever cannot have the port changes nothing in the directory.
    pub(super) fn new(config: Config) -> Result<Self, ServerError> {
        let clock = Clock::start();
        process::set_up();
        let listener = listen(&config.client)?;
        let security = Security::load(&config)?;
        let secure = security.tls.as_ref().and_then(|tls| tls.listener.as_ref());
        say_what_starts(&config.storage, listener.as_ref(), secure);
        let runtimes = std::iter::repeat_with(Worker::runtime).take(worker_count(&config));
        let runtimes: io::Result<Vec<Runtime>> = runtimes.collect();
        let what = "start the I/O workers (nio.numWorkerThreads)";
        let runtimes = runtimes.map_err(|source| ServerError::System { what, source })?;
        let descriptors = process::connections(runtimes.len());
        let ports = Ports { client: listener.as_ref().and_then(port_of), secure: secure.and_then(port_of) };
        let trace_mask = TraceMask::default();
        let operators = Operators::open(&config.operator, ports, &trace_mask)?;
        let words: Arc<dyn Words> = Arc::new(Desk::new(config.operator.four_letter_words, ports, trace_mask));
        let house = House {
            words: Arc::clone(&words),
            silence: Duration::from_millis(config.client.sessionless_timeout_ms.into()),
            descriptors,
            clock,
        };
        let room = listener.map(|listener| WaitingRoom::open(listener, house)).transpose()?;
        let disks = open_disks(&config.storage)?;
        let loaded = load(&config, &disks)?;
        Ok(Self { config, clock, runtimes, descriptors, disks, loaded, words, operators, room, security })
    }
}

/// Where the data is and which port was bound, as they turned out to be.
fn say_what_starts(
    storage: &config::Storage,
    listener: Option<&std::net::TcpListener>,
    secure: Option<&std::net::TcpListener>,
) {
    let address = |listener: &std::net::TcpListener| shown(listener.local_addr().ok());
    let dir = |dir: &std::path::Path| {
        std::path::absolute(dir).unwrap_or_else(|_| dir.to_path_buf()).display().to_string()
    };
    tracing::info!(
        target: topics::SERVER,
        address = listener.map(address).map(tracing::field::display),
        secure = secure.map(address).map(tracing::field::display),
        data_dir = dir(&storage.data_dir),
        data_log_dir = dir(&storage.data_log_dir),
        "the client port is bound; loading the data"
    );
}

fn port_of(listener: &std::net::TcpListener) -> Option<u16> {
    listener.local_addr().ok().map(|address| address.port())
}

/// The address of the client port, for people.
fn shown(address: Option<SocketAddr>) -> String {
    match address {
        Some(address) if address.ip().is_unspecified() => format!("*:{}", address.port()),
        Some(address) => address.to_string(),
        None => "unknown".to_owned(),
    }
}

/// A running server.
pub(super) struct Server {
    /// Where clients of plain text connect, if they can.
    pub(super) address: Option<SocketAddr>,
    front: Arc<Front>,
    workers: Threads,
    others: Threads,
    /// Keys and certificates towards clients, members and operators.
    certificates: Vec<Arc<dyn Certificates>>,
    /// What answers operators by HTTP, if anything does.
    http: Option<(Http, JoinHandle<()>)>,
}

impl Server {
    pub(super) fn start(prepared: Prepared) -> Result<Self, ServerError> {
        let Prepared {
            config,
            clock,
            runtimes,
            descriptors,
            disks,
            loaded,
            words,
            operators,
            room,
            security,
        } = prepared;
        let Loaded { tree, sessions, recovered, digest_mismatches } = loaded;
        let (listener, waiting) = match room.map(WaitingRoom::close).transpose()? {
            Some(Door { listener, waiting }) => (Some(listener), waiting),
            None => (None, Vec::new()),
        };
        let address = listener.as_ref().and_then(|listener| listener.local_addr().ok());
        let has_port = listener.is_some();
        let certificates: Vec<_> =
            security.certificates().into_iter().chain(operators.certificates).collect();
        let Security { tls, logins, peer_tls, peer_login, audit } = security;
        let (handshakes, thread_of_tls, secure) = match tls {
            Some(ClientTls { handshakes, thread, listener, .. }) => {
                (Some(handshakes), Some(thread), listener)
            }
            None => (None, None, None),
        };
        let (logins, thread_of_kerberos) = logins.unzip();
        let (znodes, open_sessions) = (tree.node_count(), sessions.len());
        let workers = runtimes.len();
        let auth = auth_config(&config.auth);
        let limits = Limits::new(&config.client, &config.connection_throttle, descriptors, random());
        let stats = started(clock.elapsed_ms(), &recovered, digest_mismatches);
        let hub = shared(config, clock, &disks, (workers, stats), audit);
        let node = Node::new(node_options(&hub.config, &auth), &tree, sessions, clock.now());
        let shards = std::iter::repeat_with(|| Shard::new(random())).take(workers);
        let (writer, readers) = share(tree, shards);

        let (sequencing, others) =
            start_writers(&hub, node, (writer, disks), (peer_tls, peer_login), &recovered)?;
        let entrance = entrance(&runtimes[0], listener, secure, waiting)?;
        let front = Arc::new(Front::new(Arc::clone(&hub), auth, limits, words, logins, handshakes));
        for certificates in certificates.iter().filter(|certificates| certificates.reloads()) {
            let certificates = Arc::downgrade(certificates);
            // It has nothing to finish: it is not waited for at the end.
            thread("certificates", move || tls::watch(&certificates))?;
        }
        operators.sites.iter().for_each(|site| site.open(&front));
        let mut workers = start_workers(&front, &sequencing, runtimes, readers, entrance)?;
        workers.extend(start_helpers(&front, thread_of_kerberos.flatten(), thread_of_tls)?);
        tracing::info!(
            target: topics::SERVER,
            address = has_port.then(|| tracing::field::display(shown(address))),
            znodes,
            sessions = open_sessions,
            zxid = %recovered.last_zxid,
            workers = front.hub.workers.len(),
            took_ms = clock.elapsed_ms(),
            "{}",
            if hub.config.ensemble.is_none() { "serving" } else { "ready; serving once there is a leader" }
        );
        if let Some(audit) = &front.hub.audit {
            audit.of_server("serverStart", None, Outcome::Success);
        }
        Ok(Self { address, front, workers, others, certificates, http: operators.http })
    }

    /// What is in work is answered, then connections end, then what they asked for, then the files.
    pub(super) fn stop(self) -> Result<(), ServerError> {
        let audit = self.front.hub.audit.as_ref();
        if let Some(audit) = audit {
            audit.of_server("serverStop", None, Outcome::Invoked);
        }
        drain(&self.front);
        self.end(true)
    }

    /// Ends it without a look at what is in work: nobody is answered any more, and members are told nothing.
    pub(super) fn kill(self) -> Result<(), ServerError> {
        self.end(false)
    }

    fn end(self, in_order: bool) -> Result<(), ServerError> {
        self.front.hub.stopping.store(true, Ordering::Relaxed);
        if let Some((http, thread)) = self.http {
            http.end();
            join(vec![("admin", thread)])?;
        }
        self.front.end_helpers();
        for worker in 0..self.front.hub.workers.len() {
            self.front.post(worker, Mail::Stop);
        }
        join(self.workers)?;
        if in_order {
            finish(&self.front.hub);
        }
        self.front.hub.mailbox.send(Message::Stop);
        join(self.others)?;
        let hub = &self.front.hub;
        hub.stats.warnings.tell_left_out(hub.clock.elapsed_ms(), true);
        if let Some(audit) = &hub.audit {
            audit.flush();
        }
        tracing::info!(target: topics::SERVER, "stopped");
        Ok(())
    }
}

/// The one writer with its threads; and the ensemble, if this is a member of one.
fn start_writers(
    hub: &Arc<Hub>,
    node: Node,
    (tree, disks): (TreeWriter, Disks),
    secured: (Option<PeerTls>, Option<PeerLogin>),
    recovered: &Recovered,
) -> Result<(Sequencing, Threads), ServerError> {
    let disks = Arc::new(disks);
    let (log_queue, snapshot_queue) = (Arc::new(LogQueue::default()), Arc::new(SnapshotQueue::default()));
    let joined = hub.config.ensemble.as_ref().map(|ensemble| {
        let store = (Arc::clone(&disks), Arc::clone(&log_queue));
        join_ensemble(hub, ensemble, store, secured, recovered.last_zxid)
    });
    let (member, doorbell) = joined.transpose()?.unzip();
    let Disks { snap: snap_disk, log: log_disk } = &*disks;
    let snapshots = SnapshotThread::new(
        Arc::clone(hub),
        Arc::clone(&snapshot_queue),
        Arc::clone(snap_disk),
        Arc::clone(log_disk),
    );
    let store = (Arc::clone(&log_queue), snapshot_queue, schedule(&hub.config.storage, recovered));
    let is_alone = member.is_none();
    let mut sequencer = Sequencer::new(Arc::clone(hub), node, tree, store, member);
    // A member does not know yet whether what it has is what the ensemble has.
    if recovered.txns > 0 && is_alone {
        // As every start of the official server: the next one has nothing to replay.
        sequencer.begin_snapshot();
    }
    let sequencing = Sequencing::new(sequencer);
    if let Some(doorbell) = doorbell {
        doorbell.connect(sequencing.clone());
    }
    let options = log_options(&hub.config.storage);
    let log = TxnLog::new(Arc::clone(log_disk), options, recovered.repairs.logs.clone());
    let store = (log, Arc::clone(snap_disk));
    let log_writer =
        LogWriter::new(Arc::clone(hub), log_queue, sequencing.clone(), store, recovered.last_zxid);
    let run = sequencing.clone();
    let log_writer = thread("log-writer", move || log_writer.run())?;
    let snapshots = thread("snapshots", move || snapshots.run())?;
    let sequencer = thread("sequencer", move || run.run())?;
    // In the order in which they end.
    let threads = vec![("sequencer", sequencer), ("snapshots", snapshots), ("log-writer", log_writer)];
    Ok((sequencing, threads))
}

/// Has the first worker watch the port.
fn entrance(
    runtime: &Runtime,
    plain: Option<std::net::TcpListener>,
    secure: Option<std::net::TcpListener>,
    waiting: Vec<(std::net::TcpStream, SocketAddr)>,
) -> Result<Entrance, ServerError> {
    let _entered = runtime.enter();
    let watch = |listener: Option<std::net::TcpListener>| {
        let listener = listener.map(tokio::net::TcpListener::from_std).transpose();
        listener.map_err(|source| ServerError::System { what: "watch the client port", source })
    };
    Ok(Entrance { plain: watch(plain)?, secure: watch(secure)?, waiting })
}

fn start_workers(
    front: &Arc<Front>,
    sequencing: &Sequencing,
    runtimes: Vec<Runtime>,
    readers: Vec<TreeReader>,
    entrance: Entrance,
) -> Result<Threads, ServerError> {
    let mut entrance = Some(entrance);
    let mut threads = Vec::new();
    for (index, (reader, runtime)) in readers.into_iter().zip(runtimes).enumerate() {
        let (front, sequencing, entrance) = (Arc::clone(front), sequencing.clone(), entrance.take());
        let run = move || Worker::run(index, front, sequencing, reader, &runtime, entrance);
        threads.push(("worker", thread("worker", run)?));
    }
    Ok(threads)
}

/// What all threads share.
fn shared(
    config: Config,
    clock: Clock,
    disks: &Disks,
    (workers, stats): (usize, ServerStats),
    audit: Option<Audit>,
) -> Arc<Hub> {
    Arc::new(Hub {
        clock,
        snap_disk: Arc::clone(&disks.snap),
        mailbox: Mailbox::default(),
        heard: Fill::new(HEARD_MAX_BYTES),
        audit,
        stats,
        workers: std::iter::repeat_with(WorkerPort::default).take(workers).collect(),
        stopping: AtomicBool::new(false),
        digests: DigestHistory::default(),
        learners: Arc::default(),
        standing: Mutex::new(config.ensemble.as_ref().map(|_| Standing::NEW)),
        membership: Mutex::new(config.ensemble.as_ref().map(|ensemble| ensemble.membership.clone())),
        replacements: Mutex::default(),
        membership_changed: Notify::new(),
        config,
    })
}

/// The threads that some connections need beside their workers.
fn start_helpers(
    front: &Arc<Front>,
    kerberos: Option<KerberosThread>,
    handshakes: Option<HandshakeThread>,
) -> Result<Threads, ServerError> {
    let mut threads = Vec::new();
    if let Some(kerberos) = kerberos {
        let front = Arc::clone(front);
        threads.push(("kerberos", thread("kerberos", move || kerberos.run(&front))?));
    }
    if let Some(handshakes) = handshakes {
        let front = Arc::clone(front);
        threads.push(("handshakes", thread("handshakes", move || handshakes.run(&front))?));
    }
    Ok(threads)
}

/// The figures that a server starts with: what loading its data took.
fn started(took_ms: i64, recovered: &Recovered, digest_mismatches: usize) -> ServerStats {
    let stats = ServerStats::default();
    let took_ms = u64::try_from(took_ms).unwrap_or(0);
    stats.sequencer.basic(Basic::DbInitTime).record(took_ms);
    if !recovered.is_empty() {
        stats.sequencer.basic(Basic::StartupTxnsLoadTime).record(took_ms);
        stats.sequencer.basic(Basic::StartupTxnsLoaded).record(recovered.txns);
    }
    let mismatches = u64::try_from(digest_mismatches).unwrap_or(u64::MAX);
    stats.sequencer.count(Count::DigestMismatches).add(mismatches);
    stats
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
    let ensemble = config.ensemble.as_ref();
    let ms = |ms: u32| i32::try_from(ms).unwrap_or(i32::MAX);
    NodeOptions {
        rules: Rules {
            auth: auth.clone(),
            extended_types: config.tree.extended_types_enabled,
            enforce_quota: config.tree.enforce_quota,
            reconfig_enabled: config.tree.reconfig_enabled,
            least_voters: if ensemble.is_some_and(|ensemble| !ensemble.standalone_enabled) { 1 } else { 2 },
            multi_address: ensemble.is_some_and(|ensemble| ensemble.multi_address.enabled),
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
        server_id: ensemble.map_or(STANDALONE_SERVER_ID, |ensemble| ensemble.my_id.0.to_le_bytes()[0]),
        leader_serves: config.leader_serves(),
        keep_connections: ensemble.is_some_and(|ensemble| ensemble.keep_connections),
        new_sessions: new_sessions(ensemble),
    }
}

/// A server that is alone has global sessions.
fn new_sessions(ensemble: Option<&config::Ensemble>) -> NewSessions {
    match ensemble.map(|ensemble| &ensemble.local_sessions) {
        Some(config::LocalSessions { enabled: true, upgrading: true }) => NewSessions::LocalAtFirst,
        Some(config::LocalSessions { enabled: true, upgrading: false }) => NewSessions::Local,
        Some(_) | None => NewSessions::Global,
    }
}

fn auth_config(config: &config::Auth) -> AuthConfig {
    let scheme = |scheme: &config::EnforcedScheme| scheme.name().to_owned();
    AuthConfig {
        super_digest: config.super_digest.clone(),
        digest_enabled: config.digest_scheme_enabled,
        ensemble: config.ensemble_provider,
        ensemble_names: config.ensemble_names.clone(),
        key: config.key_provider,
        sasl: config.sasl.provider.then(|| auth::Sasl { any_user: config.sasl.any_user.clone() }),
        x509: config.x509.clone(),
        digest_algorithm: config.digest_algorithm,
        skip_acl: config.skip_acl,
        enforced_schemes: config
            .enforced_schemes
            .as_ref()
            .map(|schemes| schemes.iter().map(scheme).collect()),
    }
}

/// One worker a core, unless configured.
fn worker_count(config: &Config) -> usize {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let configured = config.client.io_workers.and_then(|n| usize::try_from(n).ok()).filter(|&n| n > 0);
    // Worker numbers have 8 bits in connection ids.
    configured.unwrap_or(cores).clamp(1, 200)
}
