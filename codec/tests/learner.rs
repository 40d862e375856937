//! The quorum port against packets that official servers sent: recorded between members of 3.9.5 and of 3.4.14 on loopback
//! (`compat-tests/ensemble/record.py`).
#![allow(clippy::unwrap_used, reason = "all of it is a test")]

use bytes::{Bytes, BytesMut};
use oxkeeper_codec::{
    DecodeError, ErrorKind, OpCode, PacketType, ServerId, SessionId, Zxid,
    learner::{
        ForwardedRequest, LearnerInfo, PROTOCOL_VERSION, SNAPSHOT_END, ToLeader, ToLearner,
        check_snapshot_end,
    },
    packet::{PACKET_TAIL, PacketError, Scanner},
    records::Id,
    txn::LoggedTxn,
};
use proptest::prelude::*;

/// What the tests allow a packet to be long.
const LIMIT: usize = 1 << 16;

fn bytes(hex: &str) -> Vec<u8> {
    let digit = |at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
    (0..hex.len()).step_by(2).map(digit).collect()
}

/// A session of 3.9.5 and one of 3.4.14, in the recordings.
const SESSION: SessionId = SessionId(0x0100_01b9_b776_0000);
const SESSION_34: SessionId = SessionId(0x0100_01ba_b017_0000);

const CONFIG: &str = "server.1=127.0.0.1:35007:46987:participant\nserver.2=127.0.0.1:35679:50645:participant\n\
                      server.3=127.0.0.1:57703:43269:participant\nversion=100000000";

const CREATE_SESSION: &str =
    "010001b9b7760000000000000000000100000001000001a2215f7a46fffffff600001f40000000020000000051c6d660";
/// As 3.4.14 proposes it: without a digest.
const CREATE_SESSION_34: &str = "010001bab0170000000000000000000100000001000001a221607281fffffff600001f40";
const RECONFIG: &str = "020001bb2e6b0000000000010000000100000002000001a22160f13600000010000000112f7a6f6f6b65657065722f636f6e666967\
    000000677365727665722e323d3132372e302e302e313a33353637393a35303634353a7061727469636970616e740a7365727665722e333d3132372e302e302e\
    313a35373730333a34333236393a7061727469636970616e740a76657273696f6e3d313030303030303032ffffffff000000020000000051c6d660";

fn info(observer: bool, sid: i64, config_version: Option<i64>, accepted_epoch: i64) -> ToLeader {
    let sid = ServerId(sid);
    let protocol_version = PROTOCOL_VERSION;
    ToLeader::Info(LearnerInfo { observer, accepted_epoch, sid, protocol_version, config_version })
}

fn request(
    session: SessionId,
    cxid: i32,
    op: OpCode,
    body: &str,
    identities: Option<&[(&str, &str)]>,
) -> ToLeader {
    let id = |&(scheme, id): &(&str, &str)| Id { scheme: scheme.into(), id: id.into() };
    let identities = identities.map(|ids| ids.iter().map(id).collect());
    ToLeader::Request(ForwardedRequest { session, cxid, op, body: bytes(body).into(), identities })
}

/// What learners said.
fn said() -> Vec<(&'static str, ToLeader)> {
    let address = ("ip", "127.0.0.1");
    let alice = ("digest", "alice:aYXlLOpEooaV1cRAvUL1fp9Qt7E=");
    let create = "000000022f61000000036f6e65000000010000001f00000005776f726c6400000006616e796f6e6500000000";
    vec![
        (
            "0000000b0000000000000000000000140000000000000001000100000000000000000000ffffffff",
            info(false, 1, Some(0), 0),
        ),
        (
            "0000000b0000000100000000000000140000000000000001000100000000000000000000ffffffff",
            info(false, 1, Some(0), 1),
        ),
        (
            "000000100000000000000000000000140000000000000004000100000000000000000000ffffffff",
            info(true, 4, Some(0), 0),
        ),
        ("0000000b00000000000000000000000c000000000000000100010000ffffffff", info(false, 1, None, 0)),
        (
            "00000012000000010000000d0000000400000001ffffffff",
            ToLeader::AckEpoch { last_zxid: Zxid(0x1_0000_000d), current_epoch: Some(1) },
        ),
        (
            "00000012000000010000000400000004ffffffffffffffff",
            ToLeader::AckEpoch { last_zxid: Zxid(0x1_0000_0004), current_epoch: None },
        ),
        ("000000030000000100000000ffffffffffffffff", ToLeader::Ack(Zxid::begin_of(1))),
        ("000000030000000100000004ffffffffffffffff", ToLeader::Ack(Zxid(0x1_0000_0004))),
        (
            "00000005000000010000000800000000ffffffff",
            ToLeader::Ping { zxid: Zxid(0x1_0000_0008), touched: vec![] },
        ),
        (
            "0000000500000001000000040000000c010001b9b776000000001f40ffffffff",
            ToLeader::Ping { zxid: Zxid(0x1_0000_0004), touched: vec![(SESSION, 8000)] },
        ),
        (
            "00000001ffffffffffffffff00000014010001b9b776000000000000fffffff600001f40ffffffff",
            request(SESSION, 0, OpCode::CREATE_SESSION, "00001f40", None),
        ),
        (
            "00000001ffffffffffffffff0000003c010001b9b77600000000000100000001000000022f61000000036f6e65000000010000001f\
             00000005776f726c6400000006616e796f6e650000000000000001000000026970000000093132372e302e302e31",
            request(SESSION, 1, OpCode::CREATE, create, Some(&[address])),
        ),
        (
            "00000001ffffffffffffffff00000021010001b9b77600000000000200000005000000022f610000000374776fffffffff00000002\
             0000000664696765737400000022616c6963653a6159586c4c4f70456f6f61563163524176554c31667039517437453d\
             000000026970000000093132372e302e302e31",
            request(
                SESSION,
                2,
                OpCode::SET_DATA,
                "000000022f610000000374776fffffffff",
                Some(&[alice, address]),
            ),
        ),
        (
            "00000001ffffffffffffffff00000016010001bab01700000000000400000009000000022f6100000002\
             000000026970000000093132372e302e302e31\
             0000000664696765737400000022616c6963653a6159586c4c4f70456f6f61563163524176554c31667039517437453d",
            request(SESSION_34, 4, OpCode::SYNC, "000000022f61", Some(&[address, alice])),
        ),
        (
            "00000006ffffffffffffffff0000000c010001b9b776000000001f40ffffffff",
            ToLeader::Revalidate { session: SESSION, timeout_ms: 8000 },
        ),
    ]
}

/// What leaders said.
fn told() -> Vec<(String, ToLearner)> {
    let newest = Zxid(0x1_0000_000d);
    let packet = |hex: &str| hex.to_owned();
    let hex = |text: &str| text.bytes().map(|byte| format!("{byte:02x}")).collect::<String>();
    let txn = |text| Bytes::from(bytes(text));
    let first = Zxid(0x1_0000_0001);
    vec![
        (
            packet("0000001100000001000000000000000400010000ffffffff"),
            ToLearner::LeaderInfo { epoch: 1, protocol_version: PROTOCOL_VERSION },
        ),
        (packet("0000000d000000010000000dffffffffffffffff"), ToLearner::Diff(newest)),
        (packet("0000000e000000010000000dffffffffffffffff"), ToLearner::Trunc(newest)),
        (packet("0000000f000000010000000cffffffffffffffff"), ToLearner::Snap(Zxid(0x1_0000_000c))),
        (
            format!("0000000a0000000100000000{:08x}{}ffffffff", CONFIG.len(), hex(CONFIG)),
            ToLearner::NewLeader { epoch: 1, config: Some(CONFIG.into()) },
        ),
        (packet("0000000a0000000100000000ffffffffffffffff"), ToLearner::NewLeader { epoch: 1, config: None }),
        (packet("0000000cffffffffffffffffffffffffffffffff"), ToLearner::UpToDate),
        (
            format!("00000002000000010000000100000030{CREATE_SESSION}ffffffff"),
            ToLearner::Proposal(first, txn(CREATE_SESSION)),
        ),
        (
            format!("00000002000000010000000100000024{}ffffffff", CREATE_SESSION_34),
            ToLearner::Proposal(first, txn(CREATE_SESSION_34)),
        ),
        (packet("000000040000000100000001ffffffffffffffff"), ToLearner::Commit(first)),
        (
            packet("000000090000000100000002000000080000000000000002ffffffff"),
            ToLearner::CommitAndActivate(first.next(), ServerId(2)),
        ),
        (
            format!("00000008000000010000000100000030{CREATE_SESSION}ffffffff"),
            ToLearner::Inform(first, txn(CREATE_SESSION)),
        ),
        (
            format!("000000130000000100000002000000b80000000000000002{RECONFIG}ffffffff"),
            ToLearner::InformAndActivate(first.next(), ServerId(2), txn(RECONFIG)),
        ),
        (packet("000000050000000100000004ffffffffffffffff"), ToLearner::Ping(Zxid(0x1_0000_0004))),
        (
            packet("00000006ffffffffffffffff00000009010001b9b776000001ffffffff"),
            ToLearner::Revalidated { session: SESSION, valid: true },
        ),
        (packet("000000070000000000000000ffffffffffffffff"), ToLearner::Sync),
    ]
}

/// The length of the packet that the input begins with.
fn scan(input: &[u8], limit: usize) -> Result<Option<usize>, DecodeError> {
    Scanner::default().scan(input, limit)
}

/// The input is one packet: shorter, it is not there yet, whether it is looked at anew or as it arrives.
fn is_one_packet(input: &[u8]) {
    let mut arriving = Scanner::default();
    for cut in 0..input.len() {
        assert_eq!((scan(&input[..cut], LIMIT), arriving.scan(&input[..cut], LIMIT)), (Ok(None), Ok(None)));
    }
    assert_eq!(arriving.scan(input, LIMIT), Ok(Some(input.len())));
    let more = [input, &[0; 20]].concat();
    assert_eq!(scan(&more, LIMIT), Ok(Some(input.len())));
}

#[test]
fn what_official_learners_send_decodes_and_encodes_to_the_same_bytes() {
    for (hex, packet) in said() {
        let input = Bytes::from(bytes(hex));
        is_one_packet(&input);
        assert_eq!(ToLeader::decode(&input).as_ref(), Ok(&packet));
        let mut out = Vec::new();
        packet.encode(&mut out);
        assert_eq!(out, input, "{packet:?}");
    }
}

#[test]
fn what_official_leaders_send_decodes_and_encodes_to_the_same_bytes() {
    for (hex, packet) in told() {
        let input = Bytes::from(bytes(&hex));
        is_one_packet(&input);
        assert_eq!(ToLearner::decode(&input).as_ref(), Ok(&packet));
        let mut out = Vec::new();
        packet.encode(&mut out);
        assert_eq!(out, input, "{packet:?}");
    }
}

#[test]
fn the_head_of_a_transaction_is_made_apart_and_the_bytes_are_shared() {
    let mut with_one = 0;
    for (hex, packet) in told() {
        let input = Bytes::from(bytes(&hex));
        let mut out = Vec::new();
        let Some(txn) = packet.encode_head(&mut out) else {
            assert_eq!(out, input, "{packet:?}");
            continue;
        };
        with_one += 1;
        assert_eq!([&out[..], txn, &PACKET_TAIL].concat(), input, "{packet:?}");
        assert!(LoggedTxn::from_bytes(txn).is_ok(), "{packet:?}");
        let (ToLearner::Proposal(_, shared)
        | ToLearner::Inform(_, shared)
        | ToLearner::InformAndActivate(_, _, shared)) = ToLearner::decode(&input).unwrap()
        else {
            panic!("{packet:?} has a transaction");
        };
        assert!(input.as_ptr_range().contains(&shared.as_ptr()), "a slice of what arrived, no copy");
    }
    assert_eq!(with_one, 4);
}

#[test]
fn the_body_of_a_request_is_shared() {
    for (hex, _) in said() {
        let input = Bytes::from(bytes(hex));
        if let Ok(ToLeader::Request(request)) = ToLeader::decode(&input) {
            assert!(input.as_ptr_range().contains(&request.body.as_ptr()));
        }
    }
}

#[test]
fn a_type_that_is_not_sent_in_this_direction_is_told_from_what_does_not_decode() {
    let both = [PacketType::PING, PacketType::REVALIDATE];
    for (hex, _) in said() {
        let input = Bytes::from(bytes(hex));
        let kind = PacketType(i32::from(input[3]));
        if !both.contains(&kind) {
            assert_eq!(ToLearner::decode(&input), Err(PacketError::Unexpected(kind)));
        }
    }
    for (hex, _) in told() {
        let input = Bytes::from(bytes(&hex));
        let kind = PacketType(i32::from(input[3]));
        if !both.contains(&kind) {
            assert_eq!(ToLeader::decode(&input), Err(PacketError::Unexpected(kind)));
        }
    }
    for kind in [-1, 0, 20, i32::MAX] {
        let input = packet(kind, Some(b"whatever"));
        assert_eq!(scan(&input, LIMIT), Ok(Some(input.len())), "it can be passed over");
        assert_eq!(ToLeader::decode(&input), Err(PacketError::Unexpected(PacketType(kind))));
        assert_eq!(ToLearner::decode(&input), Err(PacketError::Unexpected(PacketType(kind))));
    }
}

/// A packet without identities.
fn packet(kind: i32, data: Option<&[u8]>) -> Bytes {
    let mut out = [&kind.to_be_bytes()[..], &[0; 8]].concat();
    out.extend(data.map_or(-1, |data| i32::try_from(data.len()).unwrap()).to_be_bytes());
    out.extend(data.unwrap_or_default());
    out.extend(PACKET_TAIL);
    out.into()
}

#[test]
fn too_little_data_is_an_error_and_more_than_enough_is_not() {
    // Types from learners and from leaders, and the least that they need.
    let from_learners = [(11, 12), (16, 12), (18, 4), (1, 16), (6, 12)];
    let from_leaders = [(17, 4), (9, 8), (19, 8), (6, 9)];
    let decodes = |by_learner: bool, input: &Bytes| match by_learner {
        true => ToLeader::decode(input).map(|_| ()),
        false => ToLearner::decode(input).map(|_| ()),
    };
    let all = from_learners.map(|of| (true, of)).into_iter().chain(from_leaders.map(|of| (false, of)));
    for (by_learner, (kind, least)) in all {
        let null = decodes(by_learner, &packet(kind, None));
        let is_null =
            |error| matches!(error, PacketError::Malformed(e) if e.kind == ErrorKind::UnexpectedNull);
        assert!(null.is_err_and(is_null), "type {kind}");
        for len in 0..least {
            let short = decodes(by_learner, &packet(kind, Some(&vec![0; len])));
            let ends =
                |error| matches!(error, PacketError::Malformed(e) if e.kind == ErrorKind::UnexpectedEnd);
            assert!(short.is_err_and(ends), "type {kind} with {len} bytes");
        }
        for len in [least, least + 1, least + 7, least + 100] {
            assert_eq!(
                decodes(by_learner, &packet(kind, Some(&vec![0; len]))),
                Ok(()),
                "type {kind}, {len} bytes"
            );
        }
    }
}

#[test]
fn touches_come_whole() {
    for len in 0..40 {
        let touches = ToLeader::decode(&packet(5, Some(&vec![1; len])));
        match touches {
            Ok(ToLeader::Ping { touched, .. }) => assert_eq!(touched.len() * 12, len),
            Ok(other) => panic!("{other:?}"),
            Err(_) => assert_ne!(len % 12, 0),
        }
    }
    assert!(ToLeader::decode(&packet(5, None)).is_err(), "an answer has data, if none then of length 0");
    assert!(ToLearner::decode(&packet(5, None)).is_ok());
}

#[test]
fn between_12_and_20_bytes_there_is_no_configuration_version() {
    for (len, known) in [(12, false), (19, false), (20, true), (24, true)] {
        let Ok(ToLeader::Info(info)) = ToLeader::decode(&packet(11, Some(&vec![0; len]))) else {
            panic!("{len} bytes are enough");
        };
        assert_eq!(info.config_version.is_some(), known, "{len} bytes");
    }
}

#[test]
fn a_length_that_is_a_lie_is_refused_before_what_it_announces_arrives() {
    let head = packet(2, None)[..12].to_vec();
    for announced in [-2, i32::MIN, i32::MAX, 1000 - 19] {
        let input = [&head[..], &announced.to_be_bytes()].concat();
        let expected = DecodeError { kind: ErrorKind::BadLength(announced), offset: 12, field: "data" };
        assert_eq!(scan(&input, 1000), Err(expected));
    }
    let exact = [&head[..], &(1000i32 - 20).to_be_bytes()].concat();
    assert_eq!(scan(&exact, 1000), Ok(None), "with the end it is as long as it may be");
    // Identities: their number, and the length of a text.
    for (numbers, at) in [(&[i32::MAX][..], 16), (&[123], 16), (&[1, 0, -2], 24), (&[1, 980], 20)] {
        let mut input = [&head[..], &PACKET_TAIL].concat();
        numbers.iter().for_each(|number| input.extend(number.to_be_bytes()));
        assert!(scan(&input, 1000).is_err_and(|e| e.field == "authinfo" && e.offset >= at), "{numbers:?}");
    }
}

#[test]
fn a_negative_number_of_identities_is_none() {
    for count in [-2, i32::MIN] {
        let mut input = packet(1, Some(&[0; 16])).to_vec();
        input.truncate(input.len() - 4);
        input.extend(count.to_be_bytes());
        is_one_packet(&input);
        let Ok(ToLeader::Request(request)) = ToLeader::decode(&input.into()) else { panic!("a request") };
        assert_eq!(request.identities, Some(vec![]));
    }
}

#[test]
fn a_packet_with_many_identities_is_looked_at_once() {
    let mut input = packet(1, Some(&[0; 16])).to_vec();
    input.truncate(input.len() - 4);
    input.extend(50_000i32.to_be_bytes());
    input.resize(input.len() + 50_000 * 8, 0);
    let mut scanner = Scanner::default();
    // Byte by byte: begun anew each time, it would take 10^10 steps.
    for cut in 0..input.len() {
        assert_eq!(scanner.scan(&input[..cut], input.len()), Ok(None));
    }
    assert_eq!(scanner.scan(&input, input.len()), Ok(Some(input.len())));
}

#[test]
fn the_end_of_a_snapshot_is_recognised() {
    let stream = [&SNAPSHOT_END[..], b"\0\0\0\x0a"].concat();
    assert_eq!(SNAPSHOT_END[4..], *b"BenWasHere");
    for cut in 0..stream.len() {
        assert_eq!(check_snapshot_end(&stream[..cut]), Ok(cut >= SNAPSHOT_END.len()));
    }
    for at in 0..SNAPSHOT_END.len() {
        let mut other = stream.clone();
        other[at] ^= 1;
        assert_eq!(check_snapshot_end(&other[..=at]).unwrap_err().offset, at);
    }
}

fn text() -> impl Strategy<Value = String> {
    "[a-zä:=.]{0,12}"
}

fn shared() -> impl Strategy<Value = Bytes> {
    prop::collection::vec(any::<u8>(), 0..40).prop_map(Bytes::from)
}

fn zxid() -> impl Strategy<Value = Zxid> {
    any::<i64>().prop_map(Zxid)
}

fn epoch() -> impl Strategy<Value = i64> {
    any::<i32>().prop_map(i64::from)
}

fn any_request() -> impl Strategy<Value = ToLeader> {
    let id = (text(), text()).prop_map(|(scheme, id)| Id { scheme: scheme.into(), id: id.into() });
    let identities = prop::option::of(prop::collection::vec(id, 0..4));
    (any::<i64>(), any::<i32>(), any::<i32>(), shared(), identities).prop_map(
        |(session, cxid, op, body, identities)| {
            let (session, op) = (SessionId(session), OpCode(op));
            ToLeader::Request(ForwardedRequest { session, cxid, op, body, identities })
        },
    )
}

fn any_said() -> impl Strategy<Value = ToLeader> {
    let info = (any::<bool>(), epoch(), any::<i64>(), any::<i32>(), any::<Option<i64>>());
    let info = info.prop_map(|(observer, accepted_epoch, sid, protocol_version, config_version)| {
        let sid = ServerId(sid);
        ToLeader::Info(LearnerInfo { observer, accepted_epoch, sid, protocol_version, config_version })
    });
    // -1 stands for none.
    let known = any::<Option<i32>>().prop_map(|epoch| epoch.filter(|&epoch| epoch != -1));
    let touched = prop::collection::vec((any::<i64>().prop_map(SessionId), any::<i32>()), 0..5);
    prop_oneof![
        info,
        (zxid(), known)
            .prop_map(|(last_zxid, current_epoch)| ToLeader::AckEpoch { last_zxid, current_epoch }),
        zxid().prop_map(ToLeader::Ack),
        (zxid(), touched).prop_map(|(zxid, touched)| ToLeader::Ping { zxid, touched }),
        any_request(),
        (any::<i64>(), any::<i32>()).prop_map(|(session, timeout_ms)| ToLeader::Revalidate {
            session: SessionId(session),
            timeout_ms
        }),
    ]
}

fn any_told() -> impl Strategy<Value = ToLearner> {
    let leader = || any::<i64>().prop_map(ServerId);
    prop_oneof![
        (epoch(), any::<i32>())
            .prop_map(|(epoch, protocol_version)| ToLearner::LeaderInfo { epoch, protocol_version }),
        zxid().prop_map(ToLearner::Diff),
        zxid().prop_map(ToLearner::Trunc),
        zxid().prop_map(ToLearner::Snap),
        (epoch(), prop::option::of(text())).prop_map(|(epoch, config)| {
            let config = config.map(Into::into);
            ToLearner::NewLeader { epoch, config }
        }),
        Just(ToLearner::UpToDate),
        (zxid(), shared()).prop_map(|(zxid, txn)| ToLearner::Proposal(zxid, txn)),
        zxid().prop_map(ToLearner::Commit),
        (zxid(), leader()).prop_map(|(zxid, leader)| ToLearner::CommitAndActivate(zxid, leader)),
        (zxid(), shared()).prop_map(|(zxid, txn)| ToLearner::Inform(zxid, txn)),
        (zxid(), leader(), shared())
            .prop_map(|(zxid, leader, txn)| ToLearner::InformAndActivate(zxid, leader, txn)),
        zxid().prop_map(ToLearner::Ping),
        (any::<i64>(), any::<bool>())
            .prop_map(|(session, valid)| ToLearner::Revalidated { session: SessionId(session), valid }),
        Just(ToLearner::Sync),
    ]
}

/// Takes packets off a stream that arrives in pieces of these lengths, one after the other and round about, until it ends
/// or cannot be read on.
fn taken(stream: &[u8], pieces: &[usize], limit: usize) -> (Vec<Bytes>, bool) {
    let (mut scanner, mut input, mut packets) = (Scanner::default(), BytesMut::new(), Vec::new());
    let (mut rest, mut lengths) = (stream, pieces.iter().cycle());
    loop {
        match scanner.scan(&input, limit) {
            Ok(Some(len)) => packets.push(input.split_to(len).freeze()),
            Ok(None) if rest.is_empty() => return (packets, true),
            Ok(None) => {
                let (piece, behind) = rest.split_at((*lengths.next().unwrap()).min(rest.len()));
                input.extend_from_slice(piece);
                rest = behind;
            }
            Err(_) => return (packets, false),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_stream_gives_what_was_put_into_it(
        packets in prop::collection::vec(any_said(), 0..6),
        pieces in prop::collection::vec(1usize..50, 1..10),
    ) {
        let mut stream = Vec::new();
        packets.iter().for_each(|packet| packet.encode(&mut stream));
        let (raw, readable) = taken(&stream, &pieces, LIMIT);
        let decoded: Result<Vec<_>, _> = raw.iter().map(ToLeader::decode).collect();
        prop_assert_eq!(decoded, Ok(packets));
        prop_assert!(readable);
    }

    #[test]
    fn a_stream_to_a_learner_gives_what_was_put_into_it(
        packets in prop::collection::vec(any_told(), 0..6),
        pieces in prop::collection::vec(1usize..50, 1..10),
    ) {
        let mut stream = Vec::new();
        packets.iter().for_each(|packet| packet.encode(&mut stream));
        let (raw, readable) = taken(&stream, &pieces, LIMIT);
        let decoded: Result<Vec<_>, _> = raw.iter().map(ToLearner::decode).collect();
        prop_assert_eq!(decoded, Ok(packets));
        prop_assert!(readable);
    }

    #[test]
    fn any_bytes_decode_or_fail_alike_however_they_arrive(
        // Small numbers, so that lengths often fit.
        stream in prop::collection::vec(prop_oneof![4 => Just(0u8), 1 => 0u8..20, 1 => any::<u8>()], 0..300),
        pieces in prop::collection::vec(1usize..50, 1..10),
        limit in 20usize..200,
    ) {
        let at_once = taken(&stream, &[stream.len().max(1)], limit);
        prop_assert_eq!(&taken(&stream, &[1], limit), &at_once);
        prop_assert_eq!(&taken(&stream, &pieces, limit), &at_once);
        for raw in at_once.0 {
            prop_assert!(raw.len() <= limit);
            // What is ignored is not kept, and comes out in its plain form.
            let mut out = Vec::new();
            if let Ok(packet) = ToLeader::decode(&raw) {
                packet.encode(&mut out);
                prop_assert_eq!(ToLeader::decode(&Bytes::from(out.clone())), Ok(packet));
            }
            out.clear();
            if let Ok(packet) = ToLearner::decode(&raw) {
                packet.encode(&mut out);
                prop_assert_eq!(ToLearner::decode(&Bytes::from(out)), Ok(packet));
            }
        }
    }
}
