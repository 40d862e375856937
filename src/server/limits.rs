//! Limits on connections: by address, in all, and by rate.

use crate::config;
use hashbrown::HashMap;
use parking_lot::Mutex;
use std::net::IpAddr;

/// Why a connection is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    /// `maxClientCnxns` of its address.
    PerAddress(u32),
    /// `maxCnxns`.
    Total(u32),
}

/// Counts open connections.
#[derive(Debug)]
pub(super) struct Limits {
    per_address: Option<u32>,
    total: Option<u32>,
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    total: u32,
    by_address: HashMap<IpAddr, u32, foldhash::fast::FixedState>,
}

impl Limits {
    pub(super) fn new(client: &config::Client) -> Self {
        Self {
            per_address: client.max_connections_per_address,
            total: client.max_connections,
            open: Mutex::default(),
        }
    }

    /// Counts a new connection from `address`, if there is room.
    pub(super) fn open(&self, address: IpAddr) -> Result<(), Refused> {
        let mut open = self.open.lock();
        if let Some(limit) = self.total
            && open.total >= limit
        {
            return Err(Refused::Total(limit));
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
    pub(super) fn close(&self, address: IpAddr) {
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    #[test]
    fn behaviour_18_limits_by_address_and_in_all() {
        let limits = Limits { per_address: Some(2), total: Some(3), open: Mutex::default() };
        let [a, b] = [1, 2].map(|n| IpAddr::V4(Ipv4Addr::new(127, 0, 0, n)));
        assert_eq!([limits.open(a), limits.open(a)], [Ok(()), Ok(())]);
        assert_eq!(limits.open(a), Err(Refused::PerAddress(2)));
        assert_eq!(limits.open(b), Ok(()));
        assert_eq!(limits.open(b), Err(Refused::Total(3)));
        limits.close(a);
        assert_eq!(limits.open(b), Ok(()));
    }
}
