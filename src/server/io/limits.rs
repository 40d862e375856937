//! Limits on connections: by address, in all, and by rate.

use crate::config;
use hashbrown::HashMap;
use parking_lot::Mutex;
use std::net::IpAddr;

/// Why a connection is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    /// `maxClientCnxns` of its address.
    PerAddress(u32),
    /// `maxCnxns`.
    Total(u32),
    /// The process may have no more descriptors.
    Descriptors(u32),
}

/// What a handshake asks for, as far as it has a weight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// A new session that all members know.
    Global,
    /// A new session of this member alone.
    Local,
    /// A session that exists.
    Renewed,
}

/// Counts open connections, and the rate of new sessions.
#[derive(Debug)]
pub(crate) struct Limits {
    per_address: Option<u32>,
    total: Option<u32>,
    /// What the process has descriptors for.
    descriptors: u32,
    open: Mutex<Open>,
    bucket: Option<Mutex<Bucket>>,
}

#[derive(Debug, Default)]
struct Open {
    total: u32,
    by_address: HashMap<IpAddr, u32, foldhash::fast::FixedState>,
}

impl Limits {
    /// `descriptors`: connections that the process can hold; `seed` is for the drops by chance.
    pub(crate) fn new(
        client: &config::Client,
        throttle: &config::ConnectionThrottle,
        descriptors: u32,
        seed: u64,
    ) -> Self {
        Self {
            per_address: client.max_connections_per_address,
            total: client.max_connections,
            descriptors,
            open: Mutex::default(),
            bucket: throttle.tokens.map(|tokens| Mutex::new(Bucket::new(throttle.clone(), tokens, seed))),
        }
    }

    /// Takes the tokens of a handshake for a session of that kind. Returns how many tokens are missing then, or `None` if
    /// the connection is to be dropped (`ZooKeeperServer.processConnectRequest`).
    pub(crate) fn admit(&self, wanted: Wanted, now_ms: i64) -> Option<u64> {
        self.bucket.as_ref().map_or(Some(0), |bucket| bucket.lock().admit(wanted, now_ms))
    }

    /// The chance of a drop, as `mntr` shows it.
    pub(crate) fn drop_probability(&self) -> String {
        let chance = self.bucket.as_ref().map_or(0.0, |bucket| bucket.lock().chance);
        format!("{chance:?}")
    }

    /// Counts a new connection from `address`, if there is room.
    pub(crate) fn open(&self, address: IpAddr) -> Result<(), Refused> {
        let mut open = self.open.lock();
        if let Some(limit) = self.total
            && open.total >= limit
        {
            return Err(Refused::Total(limit));
        }
        if open.total >= self.descriptors {
            return Err(Refused::Descriptors(self.descriptors));
        }
        let here = open.by_address.get(&address).copied().unwrap_or(0);
        if let Some(limit) = self.per_address
            && here >= limit
        {
            return Err(Refused::PerAddress(limit));
        }
        open.total += 1;
        open.by_address.insert(address, here + 1);
        drop(open);
        Ok(())
    }

    /// A connection from `address` is closed.
    pub(crate) fn close(&self, address: IpAddr) {
        let mut open = self.open.lock();
        open.total = open.total.saturating_sub(1);
        if let Some(here) = open.by_address.get_mut(&address) {
            *here -= 1;
            if *here == 0 {
                open.by_address.remove(&address);
            }
        }
    }
}

/// Tokens for new connections, and a chance of a drop that rises while the bucket is empty (`BlueThrottle`).
#[derive(Debug)]
struct Bucket {
    rules: config::ConnectionThrottle,
    max: i64,
    tokens: i64,
    filled_ms: i64,
    changed_ms: i64,
    chance: f64,
    random: Random,
}

impl Bucket {
    fn new(rules: config::ConnectionThrottle, max: u32, seed: u64) -> Self {
        let max = i64::from(max);
        let random = Random(seed);
        Self { rules, max, tokens: max, filled_ms: 0, changed_ms: 0, chance: 0.0, random }
    }

    fn admit(&mut self, wanted: Wanted, now_ms: i64) -> Option<u64> {
        let need = match (&self.rules.weights, wanted) {
            (Some(weights), Wanted::Renewed) => weights.renewed_session,
            (Some(weights), Wanted::Local) => weights.local_session,
            (Some(weights), Wanted::Global) => weights.global_session,
            (None, _) => 1,
        };
        self.fill(now_ms);
        if let Some(freeze_ms) = self.rules.freeze_time_ms {
            self.adjust(i64::from(freeze_ms), now_ms);
            if self.random.below_one() < self.chance {
                return None;
            }
        }
        let left = self.tokens - i64::from(need);
        if left < 0 {
            return None;
        }
        self.tokens = left;
        u64::try_from(self.max - left).ok()
    }

    fn fill(&mut self, now_ms: i64) {
        let passed_ms = now_ms - self.filled_ms;
        let every_ms = i64::from(self.rules.fill_time_ms);
        if passed_ms > every_ms {
            let new = passed_ms.saturating_mul(i64::from(self.rules.fill_count)) / every_ms.max(1);
            self.tokens = self.tokens.saturating_add(new).min(self.max);
            self.filled_ms = now_ms;
        }
    }

    /// Raises the chance while no token is left, and lowers it while few are missing; at most once in `freeze_ms`.
    fn adjust(&mut self, freeze_ms: i64, now_ms: i64) {
        if now_ms - self.changed_ms <= freeze_ms {
            return;
        }
        self.changed_ms = now_ms;
        let missing = i32::try_from(self.max - self.tokens).unwrap_or(i32::MAX);
        let max = i32::try_from(self.max).unwrap_or(i32::MAX);
        let few = (f64::from(max) * self.rules.decrease_ratio).round();
        if self.tokens == 0 {
            self.chance = (self.chance + self.rules.drop_increase).min(1.0);
        } else if f64::from(missing) <= few {
            self.chance = (self.chance - self.rules.drop_decrease).max(0.0);
        }
    }
}

/// Random numbers that nobody has to be unable to guess (splitmix64).
#[derive(Debug)]
struct Random(u64);

impl Random {
    /// At least 0 and below 1.
    fn below_one(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let high = u32::try_from((mixed ^ (mixed >> 31)) >> 32).unwrap_or(u32::MAX);
        f64::from(high) / (f64::from(u32::MAX) + 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{ConnectionThrottle, ConnectionWeights};
    use std::net::Ipv4Addr;

    #[test]
    fn connections_never_take_the_last_descriptors() {
        let limits =
            Limits { per_address: None, total: None, descriptors: 2, open: Mutex::default(), bucket: None };
        let address = IpAddr::V4(Ipv4Addr::LOCALHOST);
        assert_eq!([limits.open(address), limits.open(address)], [Ok(()), Ok(())]);
        assert_eq!(limits.open(address), Err(Refused::Descriptors(2)));
    }

    #[test]
    fn behaviour_18_limits_by_address_and_in_all() {
        let limits = Limits {
            per_address: Some(2),
            total: Some(3),
            descriptors: 4,
            open: Mutex::default(),
            bucket: None,
        };
        let [a, b] = [1, 2].map(|n| IpAddr::V4(Ipv4Addr::new(127, 0, 0, n)));
        assert_eq!([limits.open(a), limits.open(a)], [Ok(()), Ok(())]);
        assert_eq!(limits.open(a), Err(Refused::PerAddress(2)));
        assert_eq!(limits.open(b), Ok(()));
        assert_eq!(limits.open(b), Err(Refused::Total(3)));
        limits.close(a);
        assert_eq!(limits.open(b), Ok(()));
    }

    fn bucket(tokens: u32, freeze_time_ms: Option<u32>, weights: Option<ConnectionWeights>) -> Bucket {
        let rules = ConnectionThrottle {
            tokens: Some(tokens),
            fill_time_ms: 10,
            fill_count: 1,
            freeze_time_ms,
            drop_increase: 0.5,
            drop_decrease: 0.25,
            decrease_ratio: 0.5,
            weights,
        };
        Bucket::new(rules, tokens, 7)
    }

    #[test]
    fn a_bucket_empties_and_fills() {
        let mut bucket = bucket(2, None, None);
        assert_eq!([bucket.admit(Wanted::Global, 0), bucket.admit(Wanted::Renewed, 0)], [Some(1), Some(2)]);
        assert_eq!([bucket.admit(Wanted::Global, 0), bucket.admit(Wanted::Global, 10)], [None, None]);
        assert_eq!([bucket.admit(Wanted::Global, 11), bucket.admit(Wanted::Global, 12)], [Some(2), None]);
        assert_eq!(bucket.admit(Wanted::Global, 1000), Some(1));
    }

    #[test]
    fn sessions_weigh_by_kind() {
        let weights = ConnectionWeights { global_session: 3, local_session: 1, renewed_session: 2 };
        let mut bucket = bucket(7, None, Some(weights));
        assert_eq!([bucket.admit(Wanted::Global, 0), bucket.admit(Wanted::Renewed, 0)], [Some(3), Some(5)]);
        let [global, local] = [Wanted::Global, Wanted::Local].map(|wanted| bucket.admit(wanted, 0));
        assert_eq!([global, local, bucket.admit(Wanted::Renewed, 0)], [None, Some(6), None]);
    }

    #[test]
    fn the_chance_of_a_drop_follows_the_bucket() {
        let mut bucket = bucket(1, Some(100), None);
        assert_eq!(bucket.admit(Wanted::Global, 0), Some(1));
        bucket.adjust(100, 101);
        bucket.adjust(100, 150);
        assert!((bucket.chance - 0.5).abs() < 1e-9);
        bucket.adjust(100, 202);
        assert!((bucket.chance - 1.0).abs() < 1e-9);
        assert_eq!(bucket.admit(Wanted::Global, 203), None, "dropped by chance, though there is a token");
        bucket.adjust(100, 303);
        assert!((bucket.chance - 0.75).abs() < 1e-9);
    }

    #[test]
    fn random_numbers_spread_below_one() {
        let mut random = Random(1);
        let numbers: Vec<f64> = (0..1000).map(|_| random.below_one()).collect();
        assert!(numbers.iter().all(|n| (0.0..1.0).contains(n)));
        let mean = numbers.iter().sum::<f64>() / 1000.0;
        assert!((mean - 0.5).abs() < 0.05, "{mean}");
    }
}
