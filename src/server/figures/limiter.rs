//! What clients can have logged as often as they like (`RateLogger`): of each kind a burst of lines, then one a second;
//! the rest is counted, and told every [`TELL_EVERY_MS`].

use parking_lot::Mutex;

/// How often it is told how many lines were left out, in ms.
const TELL_EVERY_MS: i64 = 10_000;
/// Within this time a kind has one more line, in ms.
const A_LINE_EVERY_MS: i64 = 1000;

/// Declares the kinds: a type with a variant for each, the most lines that it has at once, and its name.
macro_rules! kinds {
    ($($(#[$doc:meta])* $variant:ident = $burst:literal $name:literal,)*) => {
        /// Lines that have a limit of their own, so that many of one kind hide none of another.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum Kind {
            $($(#[$doc])* $variant,)*
        }

        impl Kind {
            const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// Lines at once.
            const fn burst(self) -> i64 {
                match self {
                    $(Self::$variant => $burst,)*
                }
            }

            /// The name.
            const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }
        }
    };
}

kinds! {
    /// A connection over a limit.
    TooMany = 10 "too many connections",
    /// A connection that the system does not give.
    NotTaken = 10 "connections that could not be taken in",
    /// A handshake that the connection throttle drops.
    Throttled = 10 "too many new connections at once",
    /// A length that no packet may have.
    BadLength = 10 "bad packet lengths",
    /// Bytes that are no handshake or request.
    Undecodable = 10 "bytes that are no request",
    /// Requests over the budget of large ones.
    LargeRequest = 10 "large requests over the budget",
    /// A request that has waited too long.
    Stale = 10 "requests that have waited too long",
    /// An op code that is none.
    UnknownOp = 10 "operations of unknown type",
    /// A client that has seen more than the server.
    ZxidAhead = 10 "clients that have seen a later zxid",
    /// A session that is not known.
    NoSession = 50 "sessions that are not known",
    /// A session's password.
    WrongPassword = 10 "wrong session passwords",
    /// A session that is taken up by another connection.
    Moved = 50 "sessions that have moved",
    /// A handshake while the log takes no writes.
    LogFailed = 10 "sessions that the log does not take",
    /// Whoever is connected, or connects, while the ensemble elects.
    NoLeader = 10 "connections while there is no leader",
    /// What a server in read-only mode does not serve.
    ReadOnly = 10 "connections in read-only mode",
    /// A connection that says nothing.
    Sessionless = 10 "connections without a session",
    /// A connection that takes no events.
    TakesNothing = 10 "connections that take no events",
    /// A client that is gone, and has left its session.
    Gone = 50 "clients that are gone",
    /// TLS that failed.
    Tls = 10 "TLS that failed",
    /// An authentication that failed.
    AuthFailed = 10 "failed authentications",
    /// A client that has to authenticate first.
    AuthRequired = 10 "clients that have to authenticate",
    /// A session that has expired.
    Expired = 1000 "expired sessions",
    /// A reply that would be too long.
    ReplyTooLong = 10 "replies that would have been too long",
    /// A quota that is exceeded.
    OverQuota = 10 "exceeded quotas",
    /// A request that has taken long.
    SlowRequest = 10 "slow requests",
    /// A word without an answer.
    WordTooLate = 10 "four-letter words without an answer",
    /// Whoever connects to a port for members and is none.
    Stranger = 10 "connections that are no member's",
    /// What a member says, and makes no sense.
    BadPacket = 10 "packets of members that make no sense",
    /// A link between a leader and a learner that breaks.
    BrokenLink = 20 "broken links",
    /// A learner that its leader does not take.
    SentAway = 20 "learners that were sent away",
    /// A member that may be there twice.
    Twice = 10 "members that connect again and again",
}

/// What was logged of late.
#[derive(Debug)]
pub(super) struct Limiter(Mutex<State>);

#[derive(Debug)]
struct State {
    kinds: Vec<Bucket>,
    /// When it was told last what was left out, in ms of the elapsed clock.
    told_ms: i64,
}

#[derive(Debug, Clone, Copy)]
struct Bucket {
    lines: i64,
    /// The time up to which they were filled up, in ms of the elapsed clock.
    filled_ms: i64,
    left_out: u64,
}

impl Default for Limiter {
    fn default() -> Self {
        let full = |kind: &Kind| Bucket { lines: kind.burst(), filled_ms: 0, left_out: 0 };
        Self(Mutex::new(State { kinds: Kind::ALL.iter().map(full).collect(), told_ms: 0 }))
    }
}

impl Limiter {
    /// Logs a line, if it may be logged now.
    pub(super) fn say(&self, now_ms: i64, kind: Kind, line: impl FnOnce()) {
        if self.admit(kind, now_ms) {
            line();
        }
    }

    /// Whether a line may be logged now; if not, it counts as left out.
    fn admit(&self, kind: Kind, now_ms: i64) -> bool {
        let bucket = &mut self.0.lock().kinds[kind as usize];
        let more = (now_ms - bucket.filled_ms).div_euclid(A_LINE_EVERY_MS).max(0);
        bucket.filled_ms += more * A_LINE_EVERY_MS;
        bucket.lines = bucket.lines.saturating_add(more).min(kind.burst());
        if bucket.lines == 0 {
            bucket.left_out += 1;
            return false;
        }
        bucket.lines -= 1;
        true
    }

    /// Counts lines as left out that nobody has asked for.
    pub(super) fn leave_out(&self, kind: Kind, lines: u64) {
        self.0.lock().kinds[kind as usize].left_out += lines;
    }

    /// What was left out since this was last asked, by its name, if it is time to tell; `at_once`: it is.
    pub(super) fn left_out(&self, now_ms: i64, at_once: bool) -> Vec<(&'static str, u64)> {
        let mut state = self.0.lock();
        if !at_once && now_ms - state.told_ms < TELL_EVERY_MS {
            return Vec::new();
        }
        state.told_ms = now_ms;
        let counts = Kind::ALL.iter().zip(&mut state.kinds);
        let counts = counts.map(|(kind, bucket)| (kind.name(), std::mem::take(&mut bucket.left_out)));
        counts.filter(|(_, left_out)| *left_out > 0).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_then_one_a_second_and_the_rest_is_counted() {
        let limiter = Limiter::default();
        for second in 0..3 {
            let said = (0..1000).filter(|ms| limiter.admit(Kind::AuthFailed, second * 1000 + ms)).count();
            assert_eq!(said, if second == 0 { 10 } else { 1 }, "second {second}");
        }
        assert!(limiter.admit(Kind::TooMany, 2999), "another kind has lines of its own");
        assert_eq!(limiter.left_out(9999, false), []);
        limiter.leave_out(Kind::OverQuota, 7);
        let left_out = [("failed authentications", 3000 - 12), ("exceeded quotas", 7)];
        assert_eq!(limiter.left_out(10_000, false), left_out);
        assert_eq!(limiter.left_out(10_001, true), [], "it is told once");
        let said = (0..100).filter(|_| limiter.admit(Kind::AuthFailed, 3_600_000)).count();
        assert_eq!(said, 10, "a kind that was quiet has its burst again");
    }
}
