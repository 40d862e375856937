//! The parts of a [`Config`](super::Config): plain values, checked, in the units that their names end in.
//!
//! `None` means what its field says: unlimited, off, or left to the server. The key of each field is the
//! first word of its comment.

use std::{collections::BTreeMap, path::PathBuf};

use super::dynamic::DynamicFiles;
use super::types::{EnforcedScheme, FourLetterWords, Secret, SnapshotCompression};
use crate::auth::{DigestAlgorithm, X509};
use crate::membership::Membership;
use crate::tls::TlsSettings;
use oxkeeper_codec::ServerId;

/// The client port and its connections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client {
    /// `clientPort`, or the client port of the server's own `server.N` line. 0 takes any free port; `None` where
    /// `secureClientPort` is the only one.
    pub port: Option<u16>,
    /// `clientPortAddress`: host or IP address to listen on; `None` for all interfaces.
    pub address: Option<String>,
    /// `clientPortListenBacklog`: connections waiting to be accepted; `None` for a large number of them.
    pub listen_backlog: Option<u32>,
    /// `clientTcpKeepAlive`: SO_KEEPALIVE on accepted connections.
    pub tcp_keep_alive: bool,
    /// `maxClientCnxns`: open connections of one client address; `None` for unlimited.
    pub max_connections_per_address: Option<u32>,
    /// `maxCnxns`: open connections in total; `None` for unlimited.
    pub max_connections: Option<u32>,
    /// `nio.sessionlessCnxnTimeout`: a connection without a session is closed at this age, at most twice
    /// this.
    pub sessionless_timeout_ms: u32,
    /// `slowRequestThresholdMs`: requests that take longer are told in the log; `None` for none.
    pub slow_request_ms: Option<u32>,
    /// `nio.numWorkerThreads`: I/O workers; `None` lets the server choose by cores.
    pub io_workers: Option<u32>,
    /// TLS; `None` where no port for clients has it.
    pub tls: Option<ClientTls>,
}

/// TLS for clients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientTls {
    /// `secureClientPort`: for TLS alone.
    pub secure: Option<SecurePort>,
    /// `client.portUnification`: TLS on the client port, too.
    pub unified: bool,
    /// `netty.server.outstandingHandshake.limit`: handshakes under way; `None` for without an end.
    pub max_handshakes: Option<u32>,
    /// Stores, protocols and checks.
    pub settings: TlsSettings,
}

/// The port for TLS alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecurePort {
    /// `secureClientPort`. 0 takes any free port.
    pub port: u16,
    /// `secureClientPortAddress`: host or IP address to listen on; `None` for all interfaces.
    pub address: Option<String>,
}

/// Session timeouts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// `tickTime`: at least 1.
    pub tick_time_ms: u32,
    /// `minSessionTimeout`: never above the maximum.
    pub min_timeout_ms: u32,
    /// `maxSessionTimeout`.
    pub max_timeout_ms: u32,
}

/// The data directory: transaction logs and snapshots.
#[derive(Debug, Clone, PartialEq)]
pub struct Storage {
    /// `dataDir`: snapshots are in its `version-2`.
    pub data_dir: PathBuf,
    /// `dataLogDir`: logs are in its `version-2`; the same as `data_dir` unless set.
    pub data_log_dir: PathBuf,
    /// `datadir.autocreate`: create both folders with their `version-2` when missing.
    pub create_dirs: bool,
    /// `db.autocreate`: an empty database may begin without an `initialize` file.
    pub create_database: bool,
    /// `snapshot.trust.empty`: logs without any snapshot are accepted.
    pub trust_empty_snapshot: bool,
    /// `preAllocSize`: step by which the log file grows; `None` for no preallocation.
    pub pre_alloc_size_bytes: Option<u64>,
    /// `snapCount`: at least 2.
    pub snap_count: u32,
    /// `snapSizeLimitInKb`: log bytes after which a snapshot follows; `None` for no such rule.
    pub snap_size_limit_bytes: Option<u64>,
    /// `txnLogSizeLimitInKb`: log bytes after which a new file begins; `None` for no such rule.
    pub txn_log_size_limit_bytes: Option<u64>,
    /// `commitLogCount`: transactions kept in memory for followers, at least 500.
    pub commit_log_count: u32,
    /// `snapshotSizeFactor`: 0 or more; `None` for off.
    pub snapshot_size_factor: Option<f64>,
    /// `forceSync`: sync before acknowledging.
    pub force_sync: bool,
    /// `fsync.warningthresholdms`: writing and syncing the log for longer is logged.
    pub fsync_warning_threshold_ms: u64,
    /// `autopurge.snapRetainCount`: at least 3.
    pub purge_retain_count: u32,
    /// `autopurge.purgeInterval`: `None` for no purging.
    pub purge_interval_ms: Option<u64>,
    /// `snapshot.compression.method`.
    pub snapshot_compression: SnapshotCompression,
    /// `serializeLastProcessedZxid.enabled`: end snapshots with the last processed zxid.
    pub serialize_last_processed_zxid: bool,
    /// `testingonly.initialZxid`: the counter to start with, in tests.
    pub initial_zxid: Option<u64>,
}

/// How writes share a sync of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batching {
    /// `flushDelay`: wait for more writes; 0 for at once.
    pub flush_delay_ms: u64,
    /// `maxWriteQueuePollTime`: wait for a write when there is none; a third of the delay unless set.
    pub max_poll_ms: u64,
    /// `maxBatchSize`: writes in one sync; `None` for unlimited.
    pub max_batch_size: Option<u32>,
}

/// Limits on requests in work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Throttle {
    /// `globalOutstandingLimit`: above this many, busy connections are not read from.
    pub global_outstanding_limit: u32,
    /// `request_throttle_max_requests`: `None` for no throttle.
    pub max_requests: Option<u32>,
    /// `request_throttle_stall_time`: longest single wait.
    pub stall_time_ms: u32,
    /// `request_throttle_drop_stale`: drop stale requests and their connection.
    pub drop_stale: bool,
    /// `request_stale_latency_check`: older than the session timeout is stale.
    pub stale_latency_check: bool,
    /// `request_stale_connection_check`: a closed connection makes stale.
    pub stale_connection_check: bool,
    /// `request_throttler.shutdownTimeout`: a stop waits so long for the requests in work.
    pub shutdown_timeout_ms: u32,
    /// `throttled_op_wait_time`: longer waits are answered THROTTLEDOP; `None` for off.
    pub op_wait_time_ms: Option<u32>,
    /// `largeRequestThreshold`: `None` for off.
    pub large_request_threshold_bytes: Option<u32>,
    /// `largeRequestMaxBytes`: all large requests in work together.
    pub large_request_max_bytes: u32,
}

/// The token bucket for new connections.
#[derive(Debug, Clone, PartialEq)]
pub struct ConnectionThrottle {
    /// `connection_throttle_tokens`: size of the bucket, weights already applied; `None` for no throttle.
    pub tokens: Option<u32>,
    /// `connection_throttle_fill_time`.
    pub fill_time_ms: u32,
    /// `connection_throttle_fill_count`, weights already applied.
    pub fill_count: u32,
    /// `connection_throttle_freeze_time`: `None` for no chance of a drop.
    pub freeze_time_ms: Option<u32>,
    /// `connection_throttle_drop_increase`: 0 to 1.
    pub drop_increase: f64,
    /// `connection_throttle_drop_decrease`: 0 to 1.
    pub drop_decrease: f64,
    /// `connection_throttle_decrease_ratio`: 0 to 1.
    pub decrease_ratio: f64,
    /// Tokens that a connection takes, by kind; `None` without `connection_throttle_weight_enabled`: 1 each.
    pub weights: Option<ConnectionWeights>,
}

/// Tokens that a new connection takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnectionWeights {
    /// `connection_throttle_global_session_weight`, at least the local one.
    pub global_session: u32,
    /// `connection_throttle_local_session_weight`.
    pub local_session: u32,
    /// `connection_throttle_renew_session_weight`, at least the local one.
    pub renewed_session: u32,
}

/// Sizes of packets, caches and buffers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// `jute.maxbuffer`.
    pub max_packet_bytes: u32,
    /// `jute.maxbuffer.extrasize`: added when reading from disk or peers.
    pub max_packet_extra_bytes: u32,
    /// `maxResponseCacheSize`: `None` for off.
    pub data_cache_entries: Option<u32>,
    /// `maxGetChildrenResponseCacheSize`: `None` for off.
    pub children_cache_entries: Option<u32>,
    /// `intBufferStartingSizeBytes`: at least 32.
    pub reply_buffer_start_bytes: u32,
}

/// Rules of the tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tree {
    /// `digest.enabled`: keep and compare tree digests.
    pub digest_enabled: bool,
    /// `closeSessionTxn.enabled`: list deleted ephemeral nodes in closeSession transactions.
    pub close_session_txn_enabled: bool,
    /// `extendedTypesEnabled`: TTL nodes.
    pub extended_types_enabled: bool,
    /// `emulate353TTLNodes`: read TTL owners in the layout of 3.5.3.
    pub emulate_353_ttl_nodes: bool,
    /// `enforceQuota`: refuse writes over a hard quota.
    pub enforce_quota: bool,
    /// `reconfigEnabled`: without it reconfig is refused for that reason.
    pub reconfig_enabled: bool,
}

/// The scan for containers and expired TTL nodes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Containers {
    /// `znode.container.checkIntervalMs`.
    pub check_interval_ms: u32,
    /// `znode.container.maxPerMinute`.
    pub max_per_minute: u32,
    /// `znode.container.maxNeverUsedIntervalMs`: `None` keeps containers that never had a child.
    pub max_never_used_ms: Option<u64>,
}

/// Who may do what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Auth {
    /// `skipACL`: check no ACLs.
    pub skip_acl: bool,
    /// `enableEagerACLCheck`: check ACLs on the receiving server too.
    pub eager_acl_check: bool,
    /// `DigestAuthenticationProvider.enabled`: the digest scheme.
    pub digest_scheme_enabled: bool,
    /// `DigestAuthenticationProvider.superDigest`: `super:` and a digest in base64.
    pub super_digest: Option<String>,
    /// `DigestAuthenticationProvider.digestAlg`.
    pub digest_algorithm: DigestAlgorithm,
    /// `authProvider.X` names `EnsembleAuthenticationProvider`.
    pub ensemble_provider: bool,
    /// `ensembleAuthName`: the names it accepts; `None` accepts all.
    pub ensemble_names: Option<Vec<String>>,
    /// `authProvider.X` names `KeyAuthenticationProvider`.
    pub key_provider: bool,
    /// The scheme `x509`: a port for clients has TLS, or `authProvider.X` names `X509AuthenticationProvider`.
    pub x509: Option<X509>,
    /// `IPAuthenticationProvider.usexforwardedfor`: for commands over HTTP.
    pub use_x_forwarded_for: bool,
    /// Logins by SASL.
    pub sasl: Sasl,
    /// Kerberos, where logins ask for it.
    pub kerberos: Kerberos,
    /// `enforce.auth.enabled` with `enforce.auth.schemes`, or `sessionRequireClientSASLAuth`: one of these must have been passed, never an empty
    /// list; `None` serves everybody.
    pub enforced_schemes: Option<Vec<EnforcedScheme>>,
}

/// Logins of clients by SASL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sasl {
    /// `authProvider.X` names `SASLAuthenticationProvider`: ACLs may name ids of the scheme.
    pub provider: bool,
    /// `java.security.auth.login.config`: who may log in; `None`: nobody.
    pub jaas_file: Option<PathBuf>,
    /// `sasl.serverconfig`: the section of that file.
    pub section: String,
    /// `SASLAuthenticationProvider.superPassword`: of the user `super`.
    pub super_password: Option<Secret>,
    /// `superUser`, `superUser.X`: ids that may do everything.
    pub super_users: Vec<String>,
    /// `letAnySaslUserDoX`: an ACL id that is everybody's who has logged in.
    pub any_user: Option<String>,
    /// `allowSaslFailedClients`: a connection stays that has failed.
    pub keeps_failed: bool,
    /// `kerberos.removeHostFromPrincipal`.
    pub removes_host: bool,
    /// `kerberos.removeRealmFromPrincipal`.
    pub removes_realm: bool,
    /// `security.auth_to_local`.
    pub rules: String,
}

/// The system's Kerberos.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kerberos {
    /// `java.security.krb5.conf`: what is read in place of `/etc/krb5.conf`.
    pub config: Option<PathBuf>,
    /// `requireKerberosConfig`: no start without a default realm.
    pub is_required: bool,
}

/// What operators see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operator {
    /// `4lw.commands.whitelist`, with `srvr` and, when `readonlymode.enabled`, `isro`.
    pub four_letter_words: FourLetterWords,
    /// `readonlymode.enabled`: no further effect on a standalone server.
    pub read_only_mode: bool,
    /// `audit.enable`: where the audit log goes; `None` for none.
    pub audit: Option<AuditTo>,
    /// `admin.enableServer`: the HTTP admin server; `None` for none.
    pub admin: Option<Admin>,
    /// `metricsProvider.className`: who asks for metrics by HTTP; `None` for nobody.
    pub exporter: Option<Exporter>,
    /// What was written, for those who ask how this server was started.
    pub written: Written,
}

/// The HTTP admin server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admin {
    /// `admin.serverAddress`: host or IP address to listen on; `None` for all interfaces.
    pub address: Option<String>,
    /// `admin.serverPort`. 0 takes any free port.
    pub port: u16,
    /// `admin.idleTimeout`: of a connection; `None` for without an end.
    pub idle_timeout_ms: Option<u32>,
    /// `admin.commandURL`: what the paths of commands begin with; it begins with a slash and does not end with one.
    pub command_url: String,
    /// `admin.portUnification` or `admin.forceHttps`; `None` for plain text alone.
    pub tls: Option<HttpTls>,
    /// `admin.rateLimiterIntervalInMS`: between two restores; a thousandth of it between two snapshots.
    pub rate_interval_ms: u32,
    /// `admin.snapshot.enabled`.
    pub takes_snapshots: bool,
    /// `admin.restore.enabled`.
    pub restores: bool,
}

/// TLS of a port for operators.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpTls {
    /// Plain text is taken, too.
    pub takes_plain: bool,
    /// Stores, protocols, and whether certificates are asked for. The admin server has the stores of members.
    pub settings: TlsSettings,
}

/// Where metrics can be had in the form of Prometheus.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exporter {
    /// `metricsProvider.httpHost`: host or IP address to listen on; `None` for all interfaces.
    pub address: Option<String>,
    /// `metricsProvider.httpPort`, `metricsProvider.httpsPort`: one or both. 0 takes any free port.
    pub ports: Vec<ExporterPort>,
    /// `metricsProvider.exportJvmInfo`: with figures of the process.
    pub shows_process: bool,
}

/// A port at which metrics can be had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExporterPort {
    /// Its number.
    pub port: u16,
    /// `None` for plain text alone.
    pub tls: Option<HttpTls>,
}

/// What was written, with stars in the place of passwords.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Written {
    /// The text of `zoo.cfg`; empty if there is none.
    pub file: String,
    /// The settings that count, by name, as properties of the official server: `zookeeper.NAME`.
    pub properties: BTreeMap<String, String>,
}

/// Where the audit log goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditTo {
    /// `audit.file`; `None`: with all other lines.
    pub file: Option<PathBuf>,
    /// `audit.json`: lines are JSON objects.
    pub json: bool,
}

/// What a member of an ensemble is told. Ticks are multiplied already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ensemble {
    /// The number in `myid`; it is among the members.
    pub my_id: ServerId,
    /// Lines `server.N`, `group.N`, `weight.N`, and the version: of the dynamic file's name, if there is one.
    pub membership: Membership,
    /// What stands in `zoo.cfg.dynamic.next`, if a change was under way.
    pub last_seen: Option<Membership>,
    /// `dynamicConfigFile`: where the members stand; `None` when they stand in `zoo.cfg`.
    pub dynamic_file: Option<PathBuf>,
    /// `standaloneEnabled`: a single participant would be a standalone server.
    pub standalone_enabled: bool,
    /// The files to write when the members change; `None`: the settings come from nowhere.
    pub files: Option<DynamicFiles>,
    /// `quorumListenOnAllIPs`: bind quorum and election port on every address, not on those of the own line.
    pub listen_on_all_addresses: bool,
    /// Between a leader and its learners.
    pub links: Links,
    /// The election port.
    pub election: Election,
    /// While this member leads.
    pub leading: Leading,
    /// Observers, and who serves them.
    pub observers: Observers,
    /// Sessions that the leader does not know.
    pub local_sessions: LocalSessions,
    /// `keepConnections`: clients that wait for nothing undecided keep their connections when the leader goes.
    pub keep_connections: bool,
    /// Members with several addresses.
    pub multi_address: MultiAddress,
    /// TLS among members; `None` where they do without.
    pub tls: Option<QuorumTls>,
    /// `quorum.auth.enableSasl`: logins among members.
    pub sasl: Option<QuorumSasl>,
}

/// Logins among members.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuorumSasl {
    /// `quorum.auth.learnerRequireSasl`: this member logs in to others.
    pub logs_in: bool,
    /// `quorum.auth.serverRequireSasl`: others have to log in here.
    pub is_required: bool,
    /// `quorum.auth.learner.saslLoginContext`: the section of the JAAS file ([`Sasl::jaas_file`], which is there) with the own name.
    pub learner_section: String,
    /// `quorum.auth.server.saslLoginContext`: the section with those of the others.
    pub server_section: String,
    /// `fips-mode`: nobody logs in with a password.
    pub is_fips: bool,
    /// `quorum.auth.kerberos.servicePrincipal`: what members are called, `_HOST` for their hosts.
    pub service_principal: String,
    /// `server.realm`: of that name, if it is not that of this member.
    pub realm: Option<String>,
    /// `kerberos.canonicalizeHostNames`: hosts of members are called what the resolver calls them.
    pub canonical_hosts: bool,
}

/// TLS on the quorum and election ports, and on that of observer masters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuorumTls {
    /// `sslQuorum`: this member connects to others by TLS.
    pub dials: bool,
    /// `portUnification`, or TLS is not asked for by `sslQuorum`: others may connect without.
    pub takes_plain: bool,
    /// `fips-mode` is off: the names in certificates are checked as the settings say.
    pub checks_names: bool,
    /// Stores, protocols and checks.
    pub settings: TlsSettings,
}

/// Between a leader and its learners.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Links {
    /// `initLimit` x `tickTime`: discovery and synchronisation take no longer.
    pub init_timeout_ms: u32,
    /// `syncLimit` x `tickTime`: nobody is silent for longer afterwards.
    pub sync_timeout_ms: u32,
    /// `connectToLearnerMasterLimit` x `tickTime`, or as `init_timeout_ms`: a leader is reached within this.
    pub connect_timeout_ms: u32,
    /// `leaderConnectDelayDuringRetryMs`: between two attempts.
    pub connect_retry_delay_ms: u32,
    /// `follower.nodelay`: TCP_NODELAY towards the leader.
    pub no_delay_to_leader: bool,
    /// `leader.nodelay`: TCP_NODELAY towards learners.
    pub no_delay_to_learners: bool,
}

/// The election port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Election {
    /// `electionPortBindRetry`: attempts, one a second; `None` for without end.
    pub bind_attempts: Option<u32>,
    /// `cnxTimeout`: to connect to another member.
    pub connect_timeout_ms: u32,
    /// `quorumCnxnTimeoutMs`, or as `sync_timeout_ms`: a connection may be silent for so long.
    pub silence_timeout_ms: u32,
    /// `tcpKeepAlive`: SO_KEEPALIVE.
    pub keep_alive: bool,
    /// `fastleader.minNotificationInterval`: the first wait for notifications, at least 1.
    pub min_notification_ms: u32,
    /// `fastleader.maxNotificationInterval`: the longest, at least 1.
    pub max_notification_ms: u32,
}

/// While a member leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leading {
    /// `leaderServes`: clients, too.
    pub serves_clients: bool,
    /// `leader.maxTimeToWaitForEpoch`: it gives up when a voter turns away after this time without an epoch; `None`
    /// for never.
    pub max_epoch_wait_ms: Option<u32>,
    /// `leader.maxConcurrentSnapSyncs`: at least 1.
    pub max_snap_syncs: u32,
    /// `leader.maxConcurrentDiffSyncs`: at least 1.
    pub max_diff_syncs: u32,
    /// `leader.ackLoggingFrequency`: each how manieth transaction counts for `ack_latency`; `None` for none.
    pub ack_sample: Option<u32>,
    /// `forceSnapshotSync`: learners get snapshots only.
    pub force_snapshot_sync: bool,
}

/// Observers, and who serves them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observers {
    /// `observer.syncEnabled`, or `syncEnabled`: an observer writes log and snapshots.
    pub write_log: bool,
    /// `observerMasterPort`: where followers serve observers, and where this one looks for them; `None` for off.
    pub master_port: Option<u16>,
    /// `observerMaster.sizeLimit`: kept for observers; `None` for nothing.
    pub master_size_limit_bytes: Option<u32>,
    /// `observer.reconnectDelayMs`: before an observer connects again, at most.
    pub reconnect_delay_ms: u64,
    /// `observer.election.DelayMs`: before an observer looks for a leader again, at most.
    pub election_delay_ms: u64,
}

/// Sessions that the leader does not know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalSessions {
    /// `localSessionsEnabled`: new sessions stay on the server that made them.
    pub enabled: bool,
    /// `localSessionsUpgradingEnabled`: they become global when they have to.
    pub upgrading: bool,
}

/// Members with several addresses. Without `enabled`, each has one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MultiAddress {
    /// `multiAddress.enabled`: also decides the form of the first message on an election connection.
    pub enabled: bool,
    /// `multiAddress.reachabilityCheckEnabled`: probe addresses before one is chosen.
    pub check_reachability: bool,
    /// `multiAddress.reachabilityCheckTimeoutMs`.
    pub reachability_timeout_ms: u32,
}
