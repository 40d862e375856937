//! What clients have logged: connections that are closed, with the reason, and what else they can cause as often as they
//! like. All of it goes through one limiter, and is bounded in length.

use super::{
    closing::Closing,
    limiter::{Kind, Limiter},
    shorten::Short,
};
use crate::{processor::OverQuota, topics};
use oxkeeper_codec::{OpCode, ServerId, SessionId, Zxid};
use std::{fmt, io, net::SocketAddr};

/// Whom a line is about.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Client {
    /// Its address.
    pub(crate) peer: SocketAddr,
    /// Its session, if it has one.
    pub(crate) session: Option<SessionId>,
}

/// A request that may have taken long.
#[derive(Debug)]
pub(crate) struct SlowRequest {
    /// What was asked.
    pub(crate) op: OpCode,
    /// Its number.
    pub(crate) xid: i32,
    /// That of its reply.
    pub(crate) zxid: Zxid,
    /// From when it was read until its reply was made.
    pub(crate) latency_ms: i64,
    /// How long it was.
    pub(crate) bytes: usize,
}

/// What clients have logged.
#[derive(Debug, Default)]
pub(crate) struct Warnings(Limiter);

impl Warnings {
    /// A connection is closed.
    pub(crate) fn closing(&self, now_ms: i64, client: Client, why: &Closing<'_>) {
        let Client { peer, session } = client;
        let session = session.map(tracing::field::display);
        self.0.say(now_ms, why.kind(), || {
            if why.is_news() {
                tracing::info!(target: topics::CLIENTS, %peer, session, "closing a connection: {why}");
            } else {
                tracing::warn!(target: topics::CLIENTS, %peer, session, "closing a connection: {why}");
            }
        });
    }

    /// A connection could not be taken in, or none; `peer`: whose, if it is known.
    pub(crate) fn not_taken(&self, now_ms: i64, peer: Option<SocketAddr>, error: &io::Error) {
        let peer = peer.map(tracing::field::display);
        self.0.say(now_ms, Kind::NotTaken, || {
            tracing::warn!(target: topics::CLIENTS, peer, %error, "a connection cannot be taken in");
        });
    }

    /// A session has expired (`ZooKeeperServer.expire`).
    pub(crate) fn expired(&self, now_ms: i64, session: SessionId, timeout_ms: i32) {
        self.0.say(now_ms, Kind::Expired, || {
            tracing::info!(
                target: topics::SESSIONS,
                %session,
                timeout_ms,
                "a session has expired: nothing was heard of its client within the time-out"
            );
        });
    }

    /// A leader ends the link of a learner.
    pub(crate) fn sent_away(&self, now_ms: i64, link: u64, reason: &dyn fmt::Display) {
        self.0.say(now_ms, Kind::SentAway, || {
            tracing::warn!(target: topics::PEERS, link, %reason, "a learner was sent away");
        });
    }

    /// Another process says that it is a member.
    pub(crate) fn same_id(&self, now_ms: i64, sid: ServerId) {
        self.0.say(now_ms, Kind::Twice, || {
            tracing::error!(
                target: topics::PEERS,
                %sid,
                "two processes say that they are this member: the later one waits until the other is gone; check myid"
            );
        });
    }

    /// A reply could not be sent.
    pub(crate) fn reply_too_long(&self, now_ms: i64) {
        self.0.say(now_ms, Kind::ReplyTooLong, || {
            tracing::warn!(
                target: topics::REQUESTS,
                multi_read_limit = crate::processor::read::MULTI_READ_MAX_BYTES,
                "a reply would have been too long: its client was answered with an error"
            );
        });
    }

    /// A write went beyond a quota, or would have.
    pub(crate) fn over_quota(&self, now_ms: i64, over: &OverQuota) {
        for exceeded in &over.exceeded {
            self.0.say(now_ms, Kind::OverQuota, || {
                let exceeded = exceeded.to_string();
                tracing::warn!(target: topics::REQUESTS, "Quota exceeded: {}", Short(&exceeded));
            });
        }
        self.0.leave_out(Kind::OverQuota, over.more);
    }

    /// A request has taken longer than `slowRequestThresholdMs`.
    pub(crate) fn slow_request(&self, now_ms: i64, client: Client, slow: &SlowRequest) {
        let Client { peer, session } = client;
        let session = session.map(tracing::field::display);
        let &SlowRequest { op, xid, zxid, latency_ms, bytes } = slow;
        self.0.say(now_ms, Kind::SlowRequest, || {
            tracing::warn!(target: topics::REQUESTS, %peer, session, ?op, xid, %zxid, latency_ms, bytes, "a slow request");
        });
    }

    /// A four-letter word has no answer in time.
    pub(crate) fn word_too_late(&self, now_ms: i64, word: &'static str) {
        self.0.say(now_ms, Kind::WordTooLate, || {
            tracing::warn!(target: topics::WORDS, word, "a four-letter word could not be answered in time");
        });
    }

    /// Tells how many lines were left out, if some were and it is time to; `at_once`: it is.
    pub(crate) fn tell_left_out(&self, now_ms: i64, at_once: bool) {
        for (what, left_out) in self.0.left_out(now_ms, at_once) {
            tracing::warn!(target: topics::CLIENTS, left_out, "more lines like those before were not logged: {what}");
        }
    }
}
