//! The names, once each: what is counted, and what is printed though it is never counted here ([`ABSENT`]).
//!
//! What the official server counts and this one does not, in work that both do, is left out: a zero would look like a
//! measurement. `docs/metrics.md` has the reasons, and `compat-tests` holds both servers' `mntr` against it.

/// Declares figures: a type with a variant for each, and its name in `mntr`.
macro_rules! figures {
    ($(#[$doc:meta])* $type:ident { $($(#[$what:meta])* $variant:ident = $name:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[repr(u8)]
        pub(crate) enum $type {
            $($(#[$what])* $variant,)*
        }

        impl $type {
            /// All of them, in the order of their numbers.
            pub(crate) const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The name in `mntr`, without `zk_`.
            pub(crate) const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }
        }
    };
}

figures! {
    /// What only grows.
    Count {
        /// Bytes of what clients sent, length prefixes included.
        BytesReceived = "bytes_received_count",
        /// Transactions applied by whoever decides about them: a leader, or a server that is alone.
        Commits = "commit_count",
        /// Connections whose client went away.
        ConnectionsDropped = "connection_drop_count",
        /// Connections refused over a limit.
        ConnectionsRejected = "connection_rejected",
        /// Handshakes that were let in.
        ConnectionRequests = "connection_request_count",
        /// Handshakes that renew a session.
        ConnectionsRevalidated = "connection_revalidate_count",
        /// Transactions after which the tree's digest was not the one foreseen.
        DigestMismatches = "digest_mismatches_count",
        /// Learners that a leader brought up to date with DIFF or TRUNC.
        Diffs = "diff_count",
        /// COMMIT and INFORM packets that a learner took.
        LearnerCommits = "learner_commit_received_count",
        /// PROPOSAL packets that a follower took.
        LearnerProposals = "learner_proposal_received_count",
        /// Connections in plain text to an admin server that takes TLS, too.
        InsecureAdmin = "insecure_admin_count",
        /// Times that the member began to elect.
        Looked = "looking_count",
        /// Proposals that a leader made.
        Proposals = "proposal_count",
        /// Leads given up for a voter that turned away (`leader.maxTimeToWaitForEpoch`).
        DisloyalVoters = "quit_leading_due_to_disloyal_voter",
        /// Proposals that a serving member has committed.
        CommitsQueued = "request_commit_queued",
        /// Learners that a leader sent a snapshot.
        Snaps = "snap_count",
        /// Requests over the budget for large ones.
        LargeRequestsRejected = "large_requests_rejected",
        /// Requests handed to the sequencer.
        PrepQueued = "prep_processor_request_queued",
        /// Waits of requests for others to end (`request_throttle_max_requests`).
        ThrottleWaits = "request_throttle_wait_count",
        /// Bytes of replies.
        ResponseBytes = "response_bytes",
        /// Lists of children answered from what is kept encoded.
        ChildrenCacheHits = "response_packet_get_children_cache_hits",
        /// Lists of children that were encoded to be kept.
        ChildrenCacheMisses = "response_packet_get_children_cache_misses",
        /// Restores that failed.
        RestoreErrors = "restore_error_count",
        /// Restores that were refused because the last one was too recent.
        RestoresRateLimited = "restore_rate_limited_count",
        /// Sessions that a learner asked its leader for.
        Revalidations = "revalidate_count",
        /// Connections closed because they never had a session.
        SessionlessExpired = "sessionless_connections_expired",
        /// TLS handshakes that were not begun: too many were under way.
        HandshakesExceeded = "tls_handshake_exceeded",
        /// TLS handshakes that came to nothing.
        UnsuccessfulHandshakes = "unsuccessful_handshake",
        /// Snapshots that failed.
        SnapshotErrors = "snapshot_error_count",
        /// Snapshots that were refused because the last one was too recent.
        SnapshotsRateLimited = "snapshot_rate_limited_count",
        /// Replies to connections that were gone.
        StaleReplies = "stale_replies",
        /// Requests executed though they were stale.
        StaleRequests = "stale_requests",
        /// Requests dropped because they were stale.
        StaleRequestsDropped = "stale_requests_dropped",
        /// Sessions that expired.
        SessionsExpired = "stale_sessions_expired",
        /// Entries handed to the log.
        SyncQueued = "sync_processor_request_queued",
        /// Requests answered THROTTLEDOP.
        ThrottledOps = "throttled_ops",
        /// Times the log refused to be written.
        Unrecoverable = "unrecoverable_error_count",
        /// Bytes of events sent.
        WatchBytes = "watch_bytes",
    }
}

figures! {
    /// Summaries: mean, shortest, longest, number and sum.
    Basic {
        /// Tokens that the connection throttle lacks, at each handshake.
        TokenDeficit = "connection_token_deficit",
        /// Ms to load the data.
        DbInitTime = "dbinittime",
        /// Ms from the beginning of an election to its end, of a member with a vote.
        ElectionTime = "election_time",
        /// Ms from the new epoch until a follower serves.
        FollowerSyncTime = "follower_sync_time",
        /// Ms of each sync of the log.
        FsyncTime = "fsynctime",
        /// Learners that are being brought up to date with DIFF or TRUNC, whenever one begins or is done.
        InflightDiffs = "inflight_diff_count",
        /// The same with a snapshot.
        InflightSnaps = "inflight_snap_count",
        /// Ms without a leader, until this member serves as one.
        LeaderUnavailableTime = "leader_unavailable_time",
        /// Connections told of changed data, a change and worker.
        NodeChangedWatches = "node_changed_watch_count",
        /// Connections told of changed children.
        NodeChildrenWatches = "node_children_watch_count",
        /// Connections told of new znodes.
        NodeCreatedWatches = "node_created_watch_count",
        /// Connections told of deleted znodes.
        NodeDeletedWatches = "node_deleted_watch_count",
        /// Ms from the new epoch until an observer serves.
        ObserverSyncTime = "observer_sync_time",
        /// Ms to prepare a request: what a wake-up of the sequencer took, shared among those that it found.
        PrepProcessTime = "prep_process_time",
        /// Requests that one wake-up of the sequencer found.
        PrepQueueSize = "prep_processor_queue_size",
        /// Ms to hand a transaction to the log, shared among those that were handed over together.
        ProposalProcessTime = "proposal_process_time",
        /// Ms to put a snapshot in the place of all data.
        RestoreTime = "restore_time",
        /// Ms to write a snapshot.
        SnapshotTime = "snapshottime",
        /// Ms to replay the logs at the start, with the snapshot before them.
        StartupTxnsLoadTime = "startup_txns_load_time",
        /// Transactions replayed at the start.
        StartupTxnsLoaded = "startup_txns_loaded",
        /// Ms to append a transaction, shared among those that one wake-up of the log writer found.
        SyncProcessTime = "sync_process_time",
        /// Entries in a sync.
        SyncBatchSize = "sync_processor_batch_size",
        /// Transactions that one wake-up of the log writer found.
        SyncQueueSize = "sync_processor_queue_size",
        /// Ms without a leader, until this member serves.
        UnavailableTime = "unavailable_time",
    }
}

figures! {
    /// Summaries with percentiles. Ms from when a transaction was made are those between the leader's wall clock and this
    /// member's.
    Detailed {
        /// Ms from when a transaction was made until a learner hears that it is committed.
        CommitPropagationLatency = "commit_propagation_latency",
        /// Ms from when a transaction was made until it is on this voter's disk.
        AckCreationLatency = "proposal_ack_creation_latency",
        /// Ms from when a transaction was made until a follower has its PROPOSAL.
        ProposalLatency = "proposal_latency",
        /// Ms from when a transaction was made until a quorum has it, at the leader.
        QuorumAckLatency = "quorum_ack_latency",
        /// Ms from request to reply, of what is no write.
        ReadLatency = "readlatency",
        /// Ms from request to reply, of writes.
        UpdateLatency = "updatelatency",
        /// Ms that requests wait for the sequencer.
        PrepQueueTime = "prep_processor_queue_time_ms",
        /// Ms from when a transaction was made until it takes effect.
        PropagationLatency = "propagation_latency",
        /// Ms that requests were held back by the throttle.
        ThrottleQueueTime = "request_throttle_queue_time_ms",
        /// Ms from the hand-over to the log until it is durable.
        SyncQueueAndFlushTime = "sync_processor_queue_and_flush_time_ms",
        /// Ms to write and sync.
        SyncFlushTime = "sync_processor_queue_flush_time_ms",
        /// Ms from the hand-over to the log until the log writer takes it.
        SyncQueueTime = "sync_processor_queue_time_ms",
    }
}

/// A part of the official server that has nothing to do here, and so counts nothing; printed as zero where the official
/// server does not use it either.
pub(crate) struct Absent {
    /// Why.
    #[cfg_attr(not(test), expect(dead_code, reason = "for the reader"))]
    pub(crate) reason: &'static str,
    /// Whether official members have work for it, so that it is left out of a member's figures.
    pub(crate) works_in_members: bool,
    /// Counters.
    pub(crate) counts: &'static [&'static str],
    /// Summaries.
    pub(crate) basics: &'static [&'static str],
    /// Summaries with percentiles.
    pub(crate) detailed: &'static [&'static str],
}

/// All of them.
pub(crate) const ABSENT: &[Absent] = &[
    Absent {
        reason: "the queues between an official member's threads: reads, writes and commits wait in none of them here",
        works_in_members: true,
        counts: &[],
        basics: &[
            "commit_commit_proc_req_queued",
            "commit_process_time",
            "concurrent_request_processing_in_commit_processor",
            "learner_request_processor_queue_size",
            "pending_session_queue_size",
            "read_commit_proc_issued",
            "read_commit_proc_req_queued",
            "reads_after_write_in_session_queue",
            "reads_issued_from_session_queue",
            "requests_in_session_queue",
            "session_queues_drained",
            "time_waiting_empty_pool_in_commit_processor_read_ms",
            "write_batch_time_in_commit_processor",
            "write_commit_proc_issued",
            "write_commit_proc_req_queued",
        ],
        detailed: &[
            "local_write_committed_time_ms",
            "read_commitproc_time_ms",
            "read_final_proc_time_ms",
            "server_write_committed_time_ms",
            "write_commitproc_time_ms",
            "write_final_proc_time_ms",
        ],
    },
    Absent {
        reason: "closing a socket waits for nothing here",
        works_in_members: true,
        counts: &[],
        basics: &["socket_closing_time"],
        detailed: &[],
    },
    Absent {
        reason: "requests that pass the queues by, where an official member is told to let them; without queues, it changes nothing",
        works_in_members: false,
        counts: &[
            "requests_not_forwarded_to_commit_processor",
            "skip_learner_request_to_next_processor_count",
        ],
        basics: &[],
        detailed: &[],
    },
    Absent {
        reason: "an observer master's time with what its leader says: it is what every follower does with it",
        works_in_members: true,
        counts: &[],
        basics: &[],
        detailed: &["om_commit_process_time_ms", "om_proposal_process_time_ms"],
    },
    Absent {
        reason: "the `ensemble` scheme, which is not here",
        works_in_members: false,
        counts: &["ensemble_auth_fail", "ensemble_auth_skip", "ensemble_auth_success"],
        basics: &[],
        detailed: &[],
    },
    Absent {
        reason: "the cleaner of the optimised watch table: here connections leave in steps of their own",
        works_in_members: false,
        counts: &["add_dead_watcher_stall_time", "dead_watchers_cleared", "dead_watchers_queued"],
        basics: &[],
        detailed: &["dead_watchers_cleaner_latency"],
    },
    Absent {
        reason: "the Netty transport",
        works_in_members: false,
        counts: &["cnxn_closed_without_zk_server_running"],
        basics: &["netty_queued_buffer_capacity"],
        detailed: &[],
    },
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn each_name_stands_once() {
        let counted = Count::ALL.iter().map(|id| id.name());
        let counted = counted.chain(Basic::ALL.iter().map(|id| id.name()));
        let counted = counted.chain(Detailed::ALL.iter().map(|id| id.name()));
        let absent =
            ABSENT.iter().flat_map(|part| [part.counts, part.basics, part.detailed]).flatten().copied();
        let names: Vec<&str> = counted.chain(absent).collect();
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
        assert!(ABSENT.iter().all(|part| !part.reason.is_empty()));
    }
}
