//! Scheme `ip`: an ACL names an address, or a network as address/bits (`IPAuthenticationProvider`).
//!
//! Invariant: addresses of the two families never match each other. Whole numbers are read as Java reads them, with a
//! sign if there is one.

use oxkeeper_codec::{ByteStr, records::Id};
use std::net::IpAddr;

/// An address of either family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Address {
    V4(u32),
    V6(u128),
}

impl Address {
    /// Bits of an address.
    const fn width(self) -> u32 {
        match self {
            Self::V4(_) => u32::BITS,
            Self::V6(_) => u128::BITS,
        }
    }

    /// The network of so many leading bits.
    fn network(self, bits: u32) -> Self {
        match self {
            Self::V4(address) => Self::V4(address & !u32::MAX.checked_shr(bits).unwrap_or(0)),
            Self::V6(address) => Self::V6(address & !u128::MAX.checked_shr(bits).unwrap_or(0)),
        }
    }
}

/// The identity of a connection from an address, written as `InetAddress.getHostAddress` does: eight groups, none
/// left out; a mapped IPv4 address as IPv4.
pub(super) fn identity(remote: IpAddr) -> Id {
    let text = match remote.to_canonical() {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => address.segments().map(|group| format!("{group:x}")).join(":"),
    };
    Id { scheme: ByteStr::from_static("ip"), id: ByteStr::from(text) }
}

/// Whether an ACL may name the id.
pub(super) fn is_valid(expression: &str) -> bool {
    parse_network(expression).is_some()
}

/// Whether an address is the one that an ACL names, or within its network.
pub(super) fn matches(address: &str, expression: &str) -> bool {
    let Some((network, bits)) = parse_network(expression) else { return false };
    parse(address).is_some_and(|address| {
        address.width() == network.width() && address.network(bits) == network.network(bits)
    })
}

fn parse_network(expression: &str) -> Option<(Address, u32)> {
    let (address, bits) = match expression.split_once('/') {
        Some((address, bits)) => (parse(address)?, Some(bits)),
        None => (parse(expression)?, None),
    };
    let bits = match bits {
        Some(bits) => u32::try_from(bits.parse::<i32>().ok()?).ok()?,
        None => address.width(),
    };
    (bits <= address.width()).then_some((address, bits))
}

fn parse(text: &str) -> Option<Address> {
    match text.contains(':') {
        true => parse_v6(text).map(Address::V6),
        false => parse_v4(text).map(Address::V4),
    }
}

fn parse_v4(text: &str) -> Option<u32> {
    let mut octets = text.split('.').map(|octet| u8::try_from(octet.parse::<i32>().ok()?).ok());
    let address = [octets.next()??, octets.next()??, octets.next()??, octets.next()??];
    octets.next().is_none().then_some(u32::from_be_bytes(address))
}

fn parse_v6(text: &str) -> Option<u128> {
    let parts: Vec<&str> = text.split("::").collect();
    let (front, back) = match parts[..] {
        [whole] => (parse_groups(whole)?, Vec::new()),
        [front, back] => (parse_groups(front)?, parse_groups(back)?),
        _ => return None,
    };
    let groups = front.len() + back.len();
    let fits = if parts.len() == 1 { groups == 8 } else { groups < 8 };
    let mut address = [0; 8];
    if fits {
        address[..front.len()].copy_from_slice(&front);
        address[8 - back.len()..].copy_from_slice(&back);
    }
    fits.then_some(address.into_iter().fold(0, |sum, group| sum << 16 | u128::from(group)))
}

/// Up to 8 groups of up to 4 characters; of a negative number the last 16 bits count.
fn parse_groups(text: &str) -> Option<Vec<u16>> {
    if text.is_empty() {
        return Some(Vec::new());
    }
    let group = |group: &str| {
        let number = i32::from_str_radix(group, 16).ok().filter(|_| group.len() <= 4)?;
        let [_, _, high, low] = number.to_be_bytes();
        Some(u16::from_be_bytes([high, low]))
    };
    let groups: Vec<u16> = text.split(':').take(9).map(group).collect::<Option<_>>()?;
    (groups.len() <= 8).then_some(groups)
}
