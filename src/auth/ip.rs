//! Scheme `ip`: an ACL names an address, or a network as address/bits (`IPAuthenticationProvider`).
//!
//! Invariant: addresses of the two families never match each other. Whole numbers are read as Java reads them, with a
//! sign if there is one.

use core::net::IpAddr;
use oxkeeper_codec::{ByteStr, records::Id};

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

#[cfg(test)]
mod tests {
    use super::*;
    use core::net::{Ipv4Addr, Ipv6Addr};
    use proptest::prelude::*;

    #[test]
    fn b121_an_id_is_an_address_or_a_network() {
        let valid = "1.2.3.4 0.0.0.0/0 1.2.3.4/32 +1.02.003.4/+8 1.2.3.4/-0 ::/0 ::1 1::/128 1:2:3:4:5:6:7:8 \
                     1:2:3:4:5:6:7:: a::F fe80::00ab/64 1::-1 +1::+fff";
        for text in valid.split_whitespace() {
            assert!(is_valid(text), "{text}");
        }
        let invalid = "localhost 1.2.3 1.2.3.4.5 1.2.3. .1.2.3 256.1.1.1 -1.1.1.1 1.2.3.4/33 1.2.3.4/-1 1.2.3.4/ \
                       1.2.3.4/8/8 1.2.3.4/x / ::/129 :: / 1:2 1:2:3:4:5:6:7 1:2:3:4:5:6:7:8:9 1::2::3 ::: :1::2 \
                       1:2:3:4:5:6:7::8 12345:: g:: ::ffff:1.2.3.4 fe80::1%2 [::1]";
        for text in invalid.split(' ').filter(|text| !["", "::"].contains(text)) {
            assert!(!is_valid(text), "{text}");
        }
        assert!(!is_valid("") && is_valid("::"));
    }

    #[test]
    fn b124_networks_match_by_their_leading_bits() {
        let cases = [
            ("10.1.2.3", "10.1.2.3", true),
            ("10.1.2.3", "10.1.2.4", false),
            ("10.1.2.3", "10.1.2.4/29", true),
            ("10.1.2.3", "10.1.2.255/24", true),
            ("10.1.2.3", "10.1.3.0/23", true),
            ("10.1.2.3", "10.1.4.0/23", false),
            ("10.1.2.3", "200.0.0.0/0", true),
            ("10.1.2.3", "10.1.2.3/33", false),
            ("10.1.2.3", "::/0", false),
            ("0:0:0:0:0:0:0:1", "::1", true),
            ("0:0:0:0:0:0:0:1", "0.0.0.0/0", false),
            ("2001:db8:0:0:0:0:0:7", "2001:db8::/32", true),
            ("2001:db9:0:0:0:0:0:7", "2001:db8::/32", false),
            ("2001:db9:0:0:0:0:0:7", "2001:db8::/31", true),
            ("2001:db9:0:0:0:0:0:7", "::/0", true),
            ("no address", "0.0.0.0/0", false),
        ];
        for (address, expression, expected) in cases {
            assert_eq!(matches(address, expression), expected, "{address} {expression}");
        }
    }

    #[test]
    fn b126_addresses_are_written_as_java_writes_them() {
        let cases = [
            (IpAddr::V4(Ipv4Addr::LOCALHOST), "127.0.0.1"),
            (IpAddr::V6(Ipv6Addr::LOCALHOST), "0:0:0:0:0:0:0:1"),
            (IpAddr::V6(Ipv4Addr::new(1, 2, 3, 4).to_ipv6_mapped()), "1.2.3.4"),
            (IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0xab, 0xc)), "2001:db8:0:0:0:0:ab:c"),
        ];
        for (remote, text) in cases {
            assert_eq!(identity(remote), Id { scheme: "ip".into(), id: text.into() });
        }
    }

    proptest! {
        #[test]
        fn b121_every_address_is_valid_and_matches_itself(v4: u32, v6: u128, bits in 0..=32u8) {
            for address in [IpAddr::V4(v4.into()), IpAddr::V6(v6.into())] {
                let id = identity(address).id;
                let network = format!("{id}/{bits}");
                prop_assert!(matches(&id, &id) && matches(&id, &network));
            }
        }

        #[test]
        fn b124_a_network_is_a_comparison_of_bits(a: u32, b: u32, bits in 0..=32u32) {
            let same = (0..bits).all(|bit| a << bit >> 31 == b << bit >> 31);
            let (a, b) = (Ipv4Addr::from(a), Ipv4Addr::from(b));
            prop_assert_eq!(matches(&a.to_string(), &format!("{b}/{bits}")), same);
        }

        #[test]
        fn b121_no_text_makes_it_panic(text in "[0-9a-f:./+-]{0,24}|.{0,20}") {
            prop_assert!(is_valid(&text) || !matches(&text, &text));
            prop_assert!(text.contains('/') || is_valid(&text) == matches(&text, &text));
        }
    }
}
