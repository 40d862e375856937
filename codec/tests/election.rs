//! The election port against what official servers sent: recorded between members of 3.9.5 and of 3.4.14 on loopback
//! (`compat-tests/ensemble/record.py`).
#![allow(clippy::unwrap_used, reason = "all of it is a test")]

use bytes::Bytes;
use oxkeeper_codec::{
    ByteStr, ErrorKind, ServerId, Zxid,
    election::{
        Hello, HelloError, MAX_ADDRESSES_LEN, MAX_NOTIFICATION_LEN, Notification, PeerState,
        next_notification,
    },
    frame::{BadFrame, PREFIX_LEN},
};
use proptest::prelude::*;

fn bytes(hex: &str) -> Vec<u8> {
    let digit = |at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
    (0..hex.len()).step_by(2).map(digit).collect()
}

fn hello(sid: i64, addresses: &[&str]) -> Hello {
    Hello { sid: ServerId(sid), addresses: addresses.iter().map(|&address| address.into()).collect() }
}

/// A hello, made by hand.
fn raw_hello(version: i64, sid: i64, addresses: &[u8]) -> Vec<u8> {
    let len = u32::try_from(addresses.len()).unwrap();
    [&version.to_be_bytes()[..], &sid.to_be_bytes(), &len.to_be_bytes(), addresses].concat()
}

#[test]
fn hellos_of_official_servers_decode() {
    let recorded = [
        (
            "ffffffffffff000000000000000000040000000f3132372e302e302e313a3336363535",
            hello(4, &["127.0.0.1:36655"]),
        ),
        // Where multiple addresses are switched on: a member with two, and one with one.
        (
            "ffffffffffff000100000000000000030000001f3132372e302e302e313a33363134337c3132372e302e302e313a3432323333",
            hello(3, &["127.0.0.1:36143", "127.0.0.1:42233"]),
        ),
        (
            "ffffffffffff000100000000000000020000000f3132372e302e302e313a3434303035",
            hello(2, &["127.0.0.1:44005"]),
        ),
        // 3.4.14.
        ("0000000000000004", hello(4, &[])),
    ];
    for (hex, expected) in recorded {
        let mut input = bytes(hex);
        let len = input.len();
        for cut in 0..len {
            assert_eq!(Hello::decode(&input[..cut]), Ok(None), "{expected:?} cut at {cut}");
        }
        input.extend(b"and what follows");
        assert_eq!(Hello::decode(&input), Ok(Some((expected.clone(), len))));
        let mut out = Vec::new();
        expected.encode(&mut out);
        if !hex.starts_with("ffffffffffff00010000000000000002") {
            assert_eq!(out, input[..len], "{expected:?}");
        }
        assert_eq!(Hello::decode(&out), Ok(Some((expected, out.len()))));
    }
}

#[test]
fn an_address_that_nobody_can_connect_to_is_left_out() {
    let cases: &[(&str, &[&str])] = &[
        ("0.0.0.0:3888", &[]),
        ("[::]:3888", &[]),
        ("[0:0:0:0:0:0:0:0]:3888|10.0.0.1:3888", &["10.0.0.1:3888"]),
        ("zoo1.example:3888|0.0.0.0:3888", &["zoo1.example:3888"]),
        ("[fe80::1]:3888", &["[fe80::1]:3888"]),
    ];
    for (text, expected) in cases {
        let input = raw_hello(-65_535, 1, text.as_bytes());
        assert_eq!(Hello::decode(&input), Ok(Some((hello(1, expected), input.len()))), "{text}");
    }
}

#[test]
fn what_is_no_hello_is_refused_as_soon_as_that_shows() {
    for version in [-1, -65_534, -65_537, i64::MIN] {
        assert_eq!(Hello::decode(&version.to_be_bytes()), Err(HelloError::Version(version)));
    }
    for len in [0, -1, i32::MIN, 2049, i32::MAX] {
        let input = [&(-65_536i64).to_be_bytes()[..], &[0; 8], &len.to_be_bytes()].concat();
        assert_eq!(Hello::decode(&input), Err(HelloError::Length(len)));
    }
    let longest = format!("{}:1", "a".repeat(MAX_ADDRESSES_LEN - 2));
    let input = raw_hello(-65_536, 1, longest.as_bytes());
    assert_eq!(Hello::decode(&input), Ok(Some((hello(1, &[&longest]), 20 + MAX_ADDRESSES_LEN))));
    for bad in [
        "host",
        "host:",
        ":3888",
        "host:x",
        "host:65536",
        "host:-1",
        "a:1:2",
        "::1:3888",
        "[::1]",
        "[::1",
        "[::1]3888",
        "[]:1",
    ] {
        for text in [bad.to_owned(), format!("host:1|{bad}"), format!("{bad}|host:1")] {
            let refused = Hello::decode(&raw_hello(-65_535, 1, text.as_bytes()));
            assert_eq!(refused, Err(HelloError::Address(bad.into())), "{text}");
        }
    }
    for text in ["|", "host:1|", "|host:1"] {
        assert_eq!(
            Hello::decode(&raw_hello(-65_535, 1, text.as_bytes())),
            Err(HelloError::Address("".into()))
        );
    }
    let not_utf_8 = Hello::decode(&raw_hello(-65_536, 1, b"a\xff:1"));
    assert_eq!(not_utf_8, Err(HelloError::Address("a\u{fffd}:1".into())));
}

const CONFIG: &str = "server.1=127.0.0.1:39665:41729:participant\nserver.2=127.0.0.1:45853:34771:participant\n\
                      server.3=127.0.0.1:35229:38299:participant\nserver.4=127.0.0.1:40805:35393:observer\nversion=0";

/// The same, as member 3 knows it: each has its own ports, and for the others those of the proxies in front of them.
const CONFIG_OF_3: &str = "server.1=127.0.0.1:39665:41729:participant\nserver.2=127.0.0.1:45853:34771:participant\n\
                           server.3=127.0.0.1:47543:42703:participant\nserver.4=127.0.0.1:35843:36655:observer\nversion=0";

fn vote(state: PeerState, leader: i64, peer_epoch: i64, config: Option<&str>) -> Notification {
    let (leader, config) = (ServerId(leader), config.map(ByteStr::from));
    Notification { state, leader, zxid: Zxid::ZERO, election_epoch: 1, peer_epoch, config }
}

#[test]
fn notifications_of_3_9_decode_and_encode_to_the_same_bytes() {
    let observer = Notification {
        leader: ServerId(i64::MIN),
        zxid: Zxid(i64::MIN),
        peer_epoch: i64::MIN,
        ..vote(PeerState::Looking, 0, 0, Some(CONFIG))
    };
    let recorded = [
        (
            "000000de00000000000000000000000300000000000000000000000000000001000000000000000000000002000000b2",
            vote(PeerState::Looking, 3, 0, Some(CONFIG)),
        ),
        (
            "000000de00000002000000000000000300000000000000000000000000000001000000000000000000000002000000b2",
            vote(PeerState::Leading, 3, 0, Some(CONFIG_OF_3)),
        ),
        // Whom an observer votes for.
        (
            "000000de00000000800000000000000080000000000000000000000000000001800000000000000000000002000000b2",
            observer,
        ),
    ];
    for (numbers, expected) in recorded {
        let config = expected.config.clone().unwrap();
        let input = [&bytes(numbers), &config.as_bytes()[..]].concat();
        for cut in 0..input.len() {
            assert_eq!(next_notification(&input[..cut]), Ok(None));
        }
        let body = next_notification(&input).unwrap().unwrap();
        assert_eq!(body, PREFIX_LEN..input.len());
        assert_eq!(Notification::decode(&Bytes::copy_from_slice(&input[body])).as_ref(), Ok(&expected));
        let mut out = Vec::new();
        expected.encode_framed(&mut out).unwrap();
        assert_eq!(out, input);
    }
}

#[test]
fn notifications_of_3_4_decode() {
    let recorded = [
        (
            "00000000000000000000000300000000000000000000000000000001000000000000000000000001",
            vote(PeerState::Looking, 3, 0, None),
        ),
        (
            "00000002000000000000000300000000000000000000000000000001000000000000000100000001",
            vote(PeerState::Leading, 3, 1, None),
        ),
    ];
    for (hex, expected) in recorded {
        let body = Bytes::from(bytes(hex));
        assert_eq!(body.len(), 40);
        assert_eq!(Notification::decode(&body), Ok(expected.clone()));
        // They take the long form, too: that is what 3.9 sends them.
        let mut out = Vec::new();
        expected.encode(&mut out);
        assert_eq!((out.len(), &out[..36]), (44, &body[..36]));
        assert_eq!(Notification::decode(&out.into()), Ok(expected));
    }
}

/// The first `len` bytes of a vote for 3 in epoch 7 with this version, then a configuration `abc`.
fn cut(len: usize, version: i32) -> Bytes {
    let zxid = Zxid::begin_of(5);
    let vote = Notification { zxid, ..vote(PeerState::Looking, 3, 7, Some("abc")) };
    let mut body = Vec::new();
    vote.encode(&mut body);
    body[36..40].copy_from_slice(&version.to_be_bytes());
    body.resize(len.max(body.len()), 0);
    body.truncate(len);
    body.into()
}

#[test]
fn the_length_decides_what_is_in_a_notification() {
    let peer_epoch = |len, version| Notification::decode(&cut(len, version)).map(|vote| vote.peer_epoch);
    let config = |len, version| Notification::decode(&cut(len, version)).unwrap().config;
    assert_eq!(peer_epoch(28, 2), Ok(5), "from the zxid");
    for len in (0..28).chain(29..40).chain(41..47) {
        assert!(peer_epoch(len, 2).is_err(), "{len} bytes of version 2");
    }
    for len in (0..28).chain(29..40) {
        assert!(peer_epoch(len, 1).is_err(), "{len} bytes of version 1");
    }
    for version in [i32::MIN, 0, 1, 2, 3] {
        assert_eq!((peer_epoch(40, version), config(40, version)), (Ok(7), None), "the version is not read");
    }
    for (len, version) in [(41, 1), (44, 1), (47, 0), (60, -1)] {
        assert_eq!(
            (peer_epoch(len, version), config(len, version)),
            (Ok(7), None),
            "{len} bytes of {version}"
        );
    }
    for (len, version) in [(47, 2), (60, 2), (47, 3)] {
        assert_eq!(config(len, version), Some("abc".into()), "{len} bytes of {version}");
    }
}

#[test]
fn an_empty_configuration_is_none_and_one_with_a_wrong_length_is_refused() {
    let with_len = |len: i32| {
        let mut body = cut(47, 2).to_vec();
        body[40..44].copy_from_slice(&len.to_be_bytes());
        Notification::decode(&body.into())
    };
    assert_eq!(with_len(0).unwrap().config, None);
    assert_eq!(with_len(2).unwrap().config, Some("ab".into()));
    for len in [-1, -2, i32::MIN, 4, i32::MAX] {
        assert_eq!(with_len(len).unwrap_err().field, "config", "{len}");
    }
}

#[test]
fn a_state_that_is_none_is_refused() {
    for number in 0..=3 {
        assert_eq!(PeerState::from_number(number).map(PeerState::number), Some(number));
    }
    for number in [-1, 4, i32::MAX] {
        let mut body = cut(47, 2).to_vec();
        body[..4].copy_from_slice(&number.to_be_bytes());
        let error = Notification::decode(&body.into()).unwrap_err();
        assert_eq!((error.kind, error.field), (ErrorKind::BadValue(number.into()), "state"));
    }
}

#[test]
fn the_configuration_is_shared() {
    let body = cut(47, 2);
    let config = Notification::decode(&body).unwrap().config.unwrap();
    assert!(body.as_ptr_range().contains(&config.as_bytes().as_ptr()));
}

#[test]
fn lengths_of_notifications_are_bounded() {
    let longest = i32::try_from(MAX_NOTIFICATION_LEN).unwrap();
    for len in [0, -1, i32::MIN, longest + 1, i32::MAX] {
        assert_eq!(next_notification(&len.to_be_bytes()), Err(BadFrame(len)));
    }
    for len in [1, longest] {
        assert_eq!(next_notification(&len.to_be_bytes()), Ok(None));
    }
}

fn any_hello() -> impl Strategy<Value = Hello> {
    let host = prop_oneof!["[a-z][a-z0-9.-]{0,12}", "[1-9][0-9]\\.0\\.0\\.1", Just("[fe80::1]".to_owned())];
    let address = (host, any::<u16>()).prop_map(|(host, port)| format!("{host}:{port}"));
    (0..i64::MAX, prop::collection::vec(address, 0..4))
        .prop_map(|(sid, addresses)| Hello { sid: ServerId(sid), addresses })
}

fn any_notification() -> impl Strategy<Value = Notification> {
    let numbers = (0..4i32, any::<i64>(), any::<i64>(), any::<i64>(), any::<i64>());
    (numbers, prop::option::of("[a-zä=:\n]{1,40}")).prop_map(|(numbers, config)| {
        let (state, leader, zxid, election_epoch, peer_epoch) = numbers;
        Notification {
            state: PeerState::from_number(state).unwrap(),
            leader: ServerId(leader),
            zxid: Zxid(zxid),
            election_epoch,
            peer_epoch,
            config: config.map(ByteStr::from),
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_hello_decodes_to_what_it_was(hello in any_hello()) {
        let mut out = Vec::new();
        hello.encode(&mut out);
        for cut in 0..out.len() {
            prop_assert_eq!(Hello::decode(&out[..cut]), Ok(None));
        }
        let len = out.len();
        prop_assert_eq!(Hello::decode(&out), Ok(Some((hello, len))));
    }

    #[test]
    fn a_notification_decodes_to_what_it_was(notification in any_notification()) {
        let mut out = Vec::new();
        notification.encode_framed(&mut out).unwrap();
        let body = next_notification(&out).unwrap().unwrap();
        prop_assert_eq!(Notification::decode(&Bytes::from(out).slice(body)), Ok(notification));
    }

    #[test]
    fn any_bytes_decode_or_fail_alike_however_they_arrive(
        version in prop_oneof![Just(-65_536i64), Just(-65_535), any::<i64>()],
        rest in prop::collection::vec(prop_oneof![4 => Just(0u8), 1 => 0u8..40, 1 => Just(b':'), 1 => any::<u8>()], 0..80),
    ) {
        let input = [&version.to_be_bytes()[..], &rest].concat();
        let at_once = Hello::decode(&input);
        let piecewise = (0..=input.len()).map(|cut| Hello::decode(&input[..cut])).find(|found| *found != Ok(None));
        prop_assert_eq!(piecewise.unwrap_or(Ok(None)), at_once);
        if let Ok(notification) = Notification::decode(&Bytes::from(rest)) {
            let mut out = Vec::new();
            notification.encode(&mut out);
            prop_assert_eq!(Notification::decode(&Bytes::from(out)), Ok(notification));
        }
    }
}
