//! What the wing is made with.

use super::jaas::PeerLogin;
use crate::{
    config,
    membership::{HostPort, Membership, Role},
    server::figures::Learners,
    storage::{Compression, Disk},
    tls::{MemberTls, TlsError},
};
use oxkeeper_codec::ServerId;
use std::{collections::BTreeMap, sync::Arc, time::Duration};

/// Between two attempts to reach a leader, at most: it may not listen yet.
const DIAL_PAUSE: Duration = Duration::from_millis(10);

/// A member's ports.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Ports {
    /// For its learners.
    pub(crate) quorum: Vec<HostPort>,
    /// For elections.
    pub(crate) election: Vec<HostPort>,
    /// Whether it has no vote: observers have nothing to tell each other.
    pub(crate) observer: bool,
}

impl Ports {
    /// Where it meets its learners: at its quorum port, or at this one, which all members have in common.
    pub(super) fn meets_learners_at(&self, port: Option<u16>) -> Vec<HostPort> {
        let mut places = Vec::new();
        for address in &self.quorum {
            let place = HostPort { host: address.host.clone(), port: port.unwrap_or(address.port) };
            if !places.contains(&place) {
                places.push(place);
            }
        }
        places
    }
}

/// Where all members of these can be reached. Who is somewhere else in a later one may be reached there as well; its part
/// is that of the first.
pub(super) fn ports_of(memberships: &[Membership]) -> BTreeMap<ServerId, Ports> {
    let mut all: BTreeMap<ServerId, Ports> = BTreeMap::new();
    for (id, member) in memberships.iter().flat_map(Membership::members) {
        let observer = member.role == Role::Observer;
        let ports = all.entry(id).or_insert(Ports { quorum: Vec::new(), election: Vec::new(), observer });
        for at in &member.addresses {
            for (ports, address) in [(&mut ports.quorum, at.quorum()), (&mut ports.election, at.election())] {
                if !ports.contains(&address) {
                    ports.push(address);
                }
            }
        }
    }
    all
}

/// TLS among members.
#[derive(Debug, Clone)]
pub(crate) struct PeerTls {
    /// Keys and certificates.
    pub(crate) certificates: Arc<MemberTls>,
    /// This member connects to others by TLS (`sslQuorum`).
    pub(crate) dials: bool,
    /// Others may connect without (`portUnification`).
    pub(crate) takes_plain: bool,
    /// The names in the certificates of those that this member connects to are checked
    /// (`ssl.quorum.hostnameVerification`).
    pub(crate) checks_names_of_servers: bool,
    /// And of those that connect to it (`ssl.quorum.clientHostnameVerification`).
    pub(crate) checks_names_of_clients: bool,
    /// A connection tells TLS from plain within this, and shakes hands
    /// (`ssl.quorum.handshakeDetectionTimeoutMillis`).
    pub(crate) detection: Duration,
}

impl PeerTls {
    /// Reads the stores.
    ///
    /// # Errors
    /// The setting that cannot be honoured.
    pub(crate) fn load(tls: &config::QuorumTls) -> Result<Self, TlsError> {
        let config::QuorumTls { dials, takes_plain, checks_names, settings } = tls;
        Ok(Self {
            dials: *dials,
            takes_plain: *takes_plain,
            checks_names_of_servers: *checks_names && settings.checks_server_names,
            checks_names_of_clients: *checks_names && settings.checks_client_names,
            detection: Duration::from_millis(settings.detection_timeout_ms.into()),
            certificates: Arc::new(MemberTls::load(settings.clone())?),
        })
    }
}

/// See the module.
#[derive(Debug, Clone)]
pub(crate) struct PeerOptions {
    /// This member.
    pub(crate) me: ServerId,
    /// All members at the start, this one too.
    pub(crate) members: BTreeMap<ServerId, Ports>,
    /// Listen on all addresses (`quorumListenOnAllIPs`).
    pub(crate) listen_on_all: bool,
    /// So often the election port is tried to be bound (`electionPortBindRetry`); `None`: for ever.
    pub(crate) bind_attempts: Option<u32>,
    /// A connection to an election port is there within this (`cnxTimeout`), or was not.
    pub(crate) connect_timeout: Duration,
    /// Whoever connects to the election port says who it is within this, and takes what it is told
    /// (`quorumCnxnTimeoutMs`).
    pub(crate) silence_timeout: Duration,
    /// SO_KEEPALIVE on the election port (`tcpKeepAlive`).
    pub(crate) keep_alive: bool,
    /// Tell all own addresses on the election port, in a form that only servers of 3.6 and later read
    /// (`multiAddress.enabled`).
    pub(crate) multi_address: bool,
    /// A connection to a leader is there within this, or is tried again (`connectToLearnerMasterLimit`).
    pub(crate) dial_timeout: Duration,
    /// Where followers serve observers, of all members (`observerMasterPort`).
    pub(crate) observer_master_port: Option<u16>,
    /// Between two attempts to reach an observer master (`leaderConnectDelayDuringRetryMs`).
    pub(crate) master_pause: Duration,
    /// Between two attempts to reach a leader (`leaderConnectDelayDuringRetryMs`, if that is less than 10 ms).
    pub(crate) dial_pause: Duration,
    /// Whoever connects to the quorum port says who it is within this (`initLimit`).
    pub(crate) register_timeout: Duration,
    /// TCP_NODELAY towards the leader (`follower.nodelay`).
    pub(crate) no_delay_to_leader: bool,
    /// TCP_NODELAY towards learners (`leader.nodelay`).
    pub(crate) no_delay_to_learners: bool,
    /// TLS, if members have it.
    pub(crate) tls: Option<PeerTls>,
    /// Logins by SASL, if members have them (`quorum.auth.enableSasl`).
    pub(crate) login: Option<PeerLogin>,
    /// What a client may send, in bytes (`jute.maxbuffer`).
    pub(crate) max_packet_bytes: usize,
    /// Where a snapshot from a leader goes.
    pub(crate) snap_disk: Arc<dyn Disk>,
    /// And how.
    pub(crate) snap_compression: Compression,
    /// Where learners are counted.
    pub(crate) learners: Arc<Learners>,
}

impl PeerOptions {
    /// As configured; snapshots uncompressed.
    pub(crate) fn new(
        ensemble: &config::Ensemble,
        max_packet_bytes: usize,
        snap_disk: Arc<dyn Disk>,
    ) -> Self {
        let ms = |ms: u32| Duration::from_millis(ms.into());
        let config::Ensemble { my_id, membership, last_seen, links, election, .. } = ensemble;
        let known = [Some(membership.clone()), last_seen.clone()];
        Self {
            me: *my_id,
            members: ports_of(&known.into_iter().flatten().collect::<Vec<_>>()),
            listen_on_all: ensemble.listen_on_all_addresses,
            bind_attempts: election.bind_attempts,
            connect_timeout: ms(election.connect_timeout_ms),
            silence_timeout: ms(election.silence_timeout_ms),
            keep_alive: election.keep_alive,
            multi_address: ensemble.multi_address.enabled,
            dial_timeout: ms(links.connect_timeout_ms),
            observer_master_port: ensemble.observers.master_port,
            master_pause: ms(links.connect_retry_delay_ms),
            dial_pause: ms(links.connect_retry_delay_ms).clamp(Duration::from_millis(1), DIAL_PAUSE),
            register_timeout: ms(links.init_timeout_ms),
            no_delay_to_leader: links.no_delay_to_leader,
            no_delay_to_learners: links.no_delay_to_learners,
            tls: None,
            login: None,
            max_packet_bytes,
            snap_disk,
            snap_compression: Compression::None,
            learners: Arc::default(),
        }
    }
}
