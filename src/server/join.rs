//! From the configuration of a member to one that talks to the others.

use crate::{
    config::{self, Config},
    membership::Membership,
    server::{
        ServerError,
        peers::{Heard, Listener, PeerLogin, PeerOptions, PeerTls, Peers},
        sequence::{Disks, Feeder, Hub, LogQueue, Member, Message, Sequencing, compression},
    },
    storage::{Disk, Epochs, told_with_snapshot},
    topics,
    zab::{Ensemble, ObserverPauses, Options, RecentBounds, Stored, Zab},
};
use oxkeeper_codec::Zxid;
use std::sync::{Arc, OnceLock};

/// Transactions that are kept in memory for learners have no more bytes than this, together.
const RECENT_BYTES: usize = 32 << 20;
/// Before it serves those who only read, a member is without a leader for so long, or for a tick.
const LEAST_ISOLATION_MS: i64 = 2000;

/// Hands on what comes from other members, and takes the sequencer's turn for it.
pub(super) struct Doorbell {
    hub: Arc<Hub>,
    log: Arc<LogQueue>,
    sequencing: OnceLock<Sequencing>,
}

impl Doorbell {
    /// From now on there is somebody who looks at what comes.
    pub(super) fn connect(&self, sequencing: Sequencing) {
        assert!(self.sequencing.set(sequencing).is_ok(), "there is one sequencer");
    }
}

impl Listener for Doorbell {
    fn heard(&self, heard: Heard) {
        self.hub.heard.add(heard.weight());
        self.hub.mailbox.leave(Message::Heard(heard));
    }

    fn turn(&self) {
        // What came before there is one is looked at in its first turn.
        if let Some(sequencing) = self.sequencing.get() {
            sequencing.take_turn();
        }
    }

    fn is_full(&self) -> bool {
        self.log.is_full()
    }

    fn is_behind(&self) -> bool {
        self.hub.heard.is_full()
    }
}

/// Reads the epochs, opens the election port, and begins to look for the others. `last_zxid`: the end of the history.
pub(super) fn join_ensemble(
    hub: &Arc<Hub>,
    ensemble: &config::Ensemble,
    (disks, log): (Arc<Disks>, Arc<LogQueue>),
    secured: (Option<PeerTls>, Option<PeerLogin>),
    last_zxid: Zxid,
) -> Result<(Member, Arc<Doorbell>), ServerError> {
    let vouched = ensemble.files.as_ref().map_or(Ok(()), config::DynamicFiles::vouch);
    vouched.map_err(|source| ServerError::System { what: "store the files of the configuration", source })?;
    let last_seen = next_configuration(ensemble, &*disks.snap)?;
    let ensemble = &config::Ensemble { last_seen, ..ensemble.clone() };
    let epochs = Epochs::read(&*disks.snap, last_zxid)?;
    epochs.settle(&*disks.snap)?;
    let stored = Stored { accepted_epoch: epochs.accepted, current_epoch: epochs.current, last_zxid };
    let options = options(&hub.config, ensemble);
    let now_ms = hub.clock.elapsed_ms();
    let may_change = hub.config.tree.reconfig_enabled;
    let configuration = Ensemble::new(ensemble.membership.clone(), ensemble.last_seen.clone(), may_change);
    if may_change && ensemble.dynamic_file.is_none() {
        back_up(ensemble);
    }
    let zab = Zab::new(ensemble.my_id, options, configuration, stored, now_ms);
    let doorbell = Arc::new(Doorbell { hub: Arc::clone(hub), log, sequencing: OnceLock::new() });
    let max_packet_bytes = whole(hub.config.limits.max_packet_bytes);
    let mut peers = PeerOptions::new(ensemble, max_packet_bytes, Arc::clone(&disks.snap));
    peers.snap_compression = compression(hub.config.storage.snapshot_compression);
    (peers.tls, peers.login) = secured;
    peers.learners = Arc::clone(&hub.learners);
    let listener: Arc<dyn Listener> = doorbell.clone();
    let peers = Peers::start(peers, listener);
    let peers = peers.map_err(|source| ServerError::System { what: "open the election port", source })?;
    let leading = &ensemble.leading;
    let feeder = Feeder::new(Arc::clone(hub), disks, whole(leading.max_diff_syncs));
    let bounds = (whole(leading.max_snap_syncs), leading.ack_sample);
    Ok((Member::new(zab, peers, feeder, bounds), doorbell))
}

/// The configuration that comes next: of its file, or what a leader has told together with a snapshot, if the files of the
/// configuration have not got that.
fn next_configuration(
    ensemble: &config::Ensemble,
    snap_disk: &dyn Disk,
) -> Result<Option<Membership>, ServerError> {
    let told = told_with_snapshot(snap_disk)?.and_then(|text| Membership::parse(&text).ok());
    let both = ensemble.last_seen.clone().into_iter().chain(told);
    Ok(both.max_by_key(Membership::version))
}

fn whole(n: u32) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
}

/// `zoo.cfg` will be rewritten when the ensemble is established.
fn back_up(ensemble: &config::Ensemble) {
    if let Some(Err(error)) = ensemble.files.as_ref().map(config::DynamicFiles::back_up) {
        tracing::warn!(target: topics::PEERS, %error, "zoo.cfg cannot be copied to zoo.cfg.bak before it is rewritten");
    }
}

fn options(config: &Config, ensemble: &config::Ensemble) -> Options {
    Options {
        init_ms: ensemble.links.init_timeout_ms.into(),
        sync_ms: ensemble.links.sync_timeout_ms.into(),
        connect_ms: ensemble.links.connect_timeout_ms.into(),
        ping_ms: i64::from(config.session.tick_time_ms / 2).max(1),
        epoch_wait_ms: ensemble.leading.max_epoch_wait_ms.map(i64::from),
        read_only_after_ms: config
            .operator
            .read_only_mode
            .then(|| i64::from(config.session.tick_time_ms).max(LEAST_ISOLATION_MS)),
        force_snapshot: ensemble.leading.force_snapshot_sync,
        observer_keeps: ensemble.observers.write_log,
        observer_masters: ensemble.observers.master_port.is_some(),
        observer_pauses: ObserverPauses {
            election_ms: ensemble.observers.election_delay_ms,
            reconnect_ms: ensemble.observers.reconnect_delay_ms,
        },
        recent: RecentBounds {
            count: whole(config.storage.commit_log_count),
            bytes: kept_bytes(&ensemble.observers),
        },
    }
}

/// So many bytes of transactions are kept in memory for learners: where followers serve observers, what the operator says.
fn kept_bytes(observers: &config::Observers) -> usize {
    match observers.master_port {
        Some(_) => observers.master_size_limit_bytes.map_or(0, whole),
        None => RECENT_BYTES,
    }
}
