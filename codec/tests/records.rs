//! Every record against the checked-in list of names, field order and types (`schema.txt`, compared with
//! `zookeeper.jute` of 3.9.5 when it was made): the names are those, and bytes made from the types alone decode, use up
//! exactly what was made, and encode to the same bytes. Cut short, they fail and do not panic.
#![allow(
    clippy::unwrap_used,
    elided_lifetimes_in_paths,
    reason = "a test may panic, and its macro takes any record"
)]

use oxkeeper_codec::{Decode, Encode, Reader, packet::QuorumPacket, records::*};
use std::collections::BTreeMap;

const SCHEMA: &str = include_str!("schema.txt");

/// Splitmix64.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % end
    }
}

/// A record's name and its fields with their types.
fn schema() -> BTreeMap<&'static str, Vec<(&'static str, &'static str)>> {
    let field = |text: &'static str| text.split_once(':').expect("a name and a type");
    let line = |line: &'static str| {
        let mut words = line.split_whitespace();
        (words.next().expect("a name"), words.map(field).collect())
    };
    SCHEMA.lines().map(line).collect()
}

/// Appends a value of a type.
fn make(kind: &str, random: &mut Random, out: &mut Vec<u8>) {
    let (kind, nullable) = match kind.split_once('?') {
        Some((head, rest)) => (format!("{head}{rest}"), true),
        None => (kind.to_owned(), false),
    };
    if nullable && random.below(3) == 0 {
        return (-1i32).encode(out);
    }
    match kind.as_str() {
        "int" => i32::try_from(random.below(1 << 32).cast_signed() - (1 << 31)).unwrap().encode(out),
        "long" => (random.below(u64::MAX).cast_signed()).encode(out),
        "boolean" => out.push(u8::try_from(random.below(2)).unwrap()),
        "text" => "/äb c"[..usize::try_from([0, 1, 3, 6][random.below(4) as usize]).unwrap()].encode(out),
        "buffer" => Some(&b"\xff\0data"[..usize::try_from(random.below(7)).unwrap()]).encode(out),
        kind => match kind.strip_prefix("vector<").and_then(|rest| rest.strip_suffix('>')) {
            Some(item) => {
                let count = random.below(4);
                i32::try_from(count).unwrap().encode(out);
                (0..count).for_each(|_| make(item, random, out));
            }
            None => schema()[kind].iter().for_each(|(_, kind)| make(kind, random, out)),
        },
    }
}

/// The fewest bytes of a type.
fn min_len(kind: &str) -> usize {
    match kind {
        "int" => 4,
        "long" => 8,
        "boolean" => 1,
        "text" | "text?" | "buffer?" => 4,
        kind if kind.starts_with("vector") => 4,
        record => schema()[record].iter().map(|(_, kind)| min_len(kind)).sum(),
    }
}

fn decodes_to_itself<'a, T: Decode<'a> + Encode + PartialEq + std::fmt::Debug>(bytes: &'a [u8]) {
    let mut reader = Reader::new(bytes);
    let value = T::decode(&mut reader).unwrap();
    assert_eq!(reader.remaining(), 0, "{value:?} ends where its bytes end");
    assert_eq!(value.to_vec(), bytes, "{value:?}");
    assert_eq!(value.encoded_len(), bytes.len(), "{value:?}");
}

macro_rules! records {
    ($($record:ident)*) => {
        #[test]
        fn names_and_order_of_fields_are_those_of_the_list() {
            let schema = schema();
            let mut known = 0;
            $({
                let (name, fields) = $record::SCHEMA;
                let listed: Vec<_> = schema[name].iter().map(|(field, _)| *field).collect();
                assert_eq!(fields, listed, "{name}");
                assert_eq!(<$record as Decode<'_>>::MIN_LEN, min_len(name), "{name}");
                known += 1;
            })*
            assert_eq!(known, schema.len(), "the list has every record");
        }

        #[test]
        fn every_record_decodes_to_what_it_is_encoded_from() {
            for seed in 0..200 {
                $({
                    let mut bytes = Vec::new();
                    make(stringify!($record), &mut Random(seed), &mut bytes);
                    decodes_to_itself::<$record>(&bytes);
                    for cut in 0..bytes.len() {
                        assert!($record::from_slice(&bytes[..cut]).is_err(), "{} cut at {cut}", stringify!($record));
                    }
                })*
            }
        }

        #[test]
        fn any_bytes_decode_or_fail_and_never_panic() {
            let mut random = Random(1);
            for len in (0..200).chain((0..2000).map(|i| i % 60)) {
                // Small numbers, so that lengths often fit.
                let bytes: Vec<u8> = (0..len)
                    .map(|_| u8::try_from([0, 0, 0, random.below(8), random.below(256)][random.below(5) as usize]).unwrap())
                    .collect();
                $(
                    if let Ok(value) = $record::from_slice(&bytes) {
                        // Booleans other than 1, negative counts and broken text come out in their plain form.
                        let again = value.to_vec();
                        assert_eq!(again.len(), value.encoded_len());
                        assert_eq!($record::from_slice(&again).as_ref(), Ok(&value));
                    }
                )*
            }
        }
    };
}

records! {
    Id Acl Stat StatPersisted ClientInfo ConnectRequest ConnectResponse SetWatches SetWatches2 RequestHeader
    MultiHeader AuthPacket ReplyHeader GetDataRequest SetDataRequest ReconfigRequest SetDataResponse
    GetSaslRequest SetSaslResponse CreateRequest CreateTtlRequest DeleteRequest GetChildrenRequest
    GetAllChildrenNumberRequest GetChildren2Request CheckVersionRequest SyncRequest SyncResponse GetAclRequest
    SetAclRequest SetAclResponse AddWatchRequest WatcherEvent ErrorResponse CreateResponse Create2Response
    ExistsRequest ExistsResponse GetDataResponse GetChildrenResponse GetAllChildrenNumberResponse
    GetChildren2Response GetAclResponse CheckWatchesRequest RemoveWatchesRequest GetEphemeralsRequest
    GetEphemeralsResponse WhoAmIResponse FileHeader DataNode TxnDigest TxnHeader CreateTxnV0 CreateTxn
    CreateTtlTxn CreateContainerTxn DeleteTxn SetDataTxn CheckVersionTxn SetAclTxn CreateSessionTxn
    CloseSessionTxn ErrorTxn RawTxn MultiTxn QuorumPacket
}
