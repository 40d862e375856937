//! What others can have logged on the ports for members, as often as they like: all of it goes through a limiter.

use super::{
    limiter::{Kind, Limiter},
    shorten::Short,
};
use crate::topics;
use oxkeeper_codec::ServerId;
use std::{fmt, io, net::SocketAddr};

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct PeerWarnings(Limiter);

impl PeerWarnings {
    /// A connection is ended before it was one of a member.
    pub(crate) fn stranger(&self, now_ms: i64, port: &'static str, from: SocketAddr, why: &io::Error) {
        // As those do who only look whether a port is open.
        if why.kind() == io::ErrorKind::UnexpectedEof {
            tracing::debug!(target: topics::PEERS, port, %from, "a connection has ended before it said who it is");
            return;
        }
        let why = why.to_string();
        self.0.say(now_ms, Kind::Stranger, || {
            tracing::warn!(target: topics::PEERS, port, %from, "a connection is no member's: {}", Short(&why));
        });
    }

    /// A connection could not be taken in.
    pub(crate) fn not_taken(&self, now_ms: i64, port: &'static str, error: &io::Error) {
        self.0.say(now_ms, Kind::NotTaken, || {
            tracing::warn!(target: topics::PEERS, port, %error, "a connection of a member cannot be taken in");
        });
    }

    /// A link has ended, and not by itself.
    pub(crate) fn broken(&self, now_ms: i64, link: u64, error: &io::Error) {
        self.0.say(now_ms, Kind::BrokenLink, || {
            tracing::warn!(target: topics::PEERS, link, %error, "a link between leader and learner is broken");
        });
    }

    /// A notification is passed over.
    pub(crate) fn notification(&self, now_ms: i64, sid: ServerId, error: &dyn fmt::Display) {
        self.0.say(now_ms, Kind::BadPacket, || {
            tracing::warn!(target: topics::PEERS, %sid, %error, "what a member says on the election port is no notification");
        });
    }

    /// A packet is passed over.
    pub(crate) fn packet(&self, now_ms: i64, link: u64, error: &dyn fmt::Display) {
        self.0.say(now_ms, Kind::BadPacket, || {
            tracing::warn!(target: topics::PEERS, link, %error, "a packet of a member is passed over");
        });
    }

    /// A member connects again and again.
    pub(crate) fn twice(&self, now_ms: i64, sid: ServerId) {
        self.0.say(now_ms, Kind::Twice, || {
            tracing::warn!(
                target: topics::PEERS, %sid,
                "a member connects again and again: if two processes say that they are this one, see their files myid"
            );
        });
    }

    /// Tells how many lines were left out, if some were and it is time to.
    pub(crate) fn tell_left_out(&self, now_ms: i64) {
        for (what, left_out) in self.0.left_out(now_ms, false) {
            tracing::warn!(target: topics::PEERS, left_out, "more lines like those before were not logged: {what}");
        }
    }
}
