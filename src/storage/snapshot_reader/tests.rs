//! Round trips in every packing, every cut, every flipped bit, and the endings of older versions.

use super::*;
use crate::storage::{
    MemoryDisk, SnapshotWriter,
    testing::{Tree, snapshot_body, world},
};
use oxkeeper_codec::Encode;
use proptest::prelude::*;
use std::sync::Arc;

const TAIL: SnapshotTail = SnapshotTail {
    digest: Some(ZxidDigest { zxid: Zxid(9), version: 2, digest: -5 }),
    last_zxid: Some(Zxid(10)),
};

fn written(body: &[u8], compression: Compression, tail: &SnapshotTail) -> Vec<u8> {
    let disk = MemoryDisk::new("/d");
    let mut writer = SnapshotWriter::create(Arc::new(disk.clone()), Zxid(9), compression).unwrap();
    writer.write(body).unwrap();
    let written = writer.finish(tail).unwrap();
    disk.content(&written.name).unwrap()
}

fn read(file: &[u8], compression: Compression) -> Result<Tree, SnapshotError> {
    let mut tree = Tree::default();
    tree.tail = read_snapshot(file, compression, &mut tree)?;
    Ok(tree)
}

/// A file with this body and these sealed parts.
fn sealed(parts: &[&[u8]]) -> Vec<u8> {
    let mut file = FileHeader { magic: SNAPSHOT_MAGIC, version: FILE_VERSION, dbid: -1 }.to_vec();
    for part in parts {
        file.extend_from_slice(part);
        let hash = simd_adler32::adler32(&file.as_slice());
        i64::from(hash).encode(&mut file);
        "/".encode(&mut file);
    }
    file
}

#[test]
fn round_trip_in_every_packing() {
    let body = snapshot_body(1..=20_000);
    for compression in [Compression::None, Compression::Gzip, Compression::Snappy] {
        let file = written(&body, compression, &TAIL);
        let tree = read(&file, compression).unwrap();
        assert_eq!(tree.nodes.len(), 20_001);
        assert_eq!(tree.sessions.into_iter().collect::<Vec<_>>(), [(0x77, 30_000)]);
        assert_eq!(tree.acls[&1], [world()]);
        assert_eq!(tree.tail, TAIL);
    }
}

#[test]
fn a_record_longer_than_the_unpacking_buffer() {
    let mut body = Vec::new();
    [0i32, 0].iter().for_each(|count| count.encode(&mut body));
    "".encode(&mut body);
    let data: Vec<u8> = (0..3_000_000u32).map(|i| (i % 253) as u8).collect();
    Some(data.as_slice()).encode(&mut body);
    body.extend([0; 8 + 60]);
    "/".encode(&mut body);
    for compression in [Compression::Gzip, Compression::Snappy] {
        assert_eq!(read(&written(&body, compression, &TAIL), compression).unwrap().nodes.len(), 1);
    }
}

#[test]
fn the_endings_of_all_versions_are_read() {
    let body = snapshot_body(1..=3);
    let digest = [9i64.to_vec(), 2i32.to_vec(), 77i64.to_vec()].concat();
    let text_digest = [9i64.to_vec(), 1i32.to_vec(), "4d".to_vec()].concat();
    let no_digest = [0i64.to_vec(), 2i32.to_vec(), 0i64.to_vec()].concat();
    let last = 10i64.to_vec();
    let is = |version, digest| Some(ZxidDigest { zxid: Zxid(9), version, digest });
    let cases: [(&[&[u8]], _, _); 6] = [
        (&[&body], None, None),
        (&[&body, &digest], is(2, 77), None),
        (&[&body, &text_digest], is(1, 77), None),
        (&[&body, &digest, &last], is(2, 77), Some(Zxid(10))),
        (&[&body, &last], None, Some(Zxid(10))),
        (&[&body, &no_digest], None, None),
    ];
    for (parts, digest, last_zxid) in cases {
        let tree = read(&sealed(parts), Compression::None).unwrap();
        assert_eq!(tree.tail, SnapshotTail { digest, last_zxid });
    }
}

#[test]
fn without_a_digest_nothing_follows_the_first_seal() {
    let body = snapshot_body(1..=3);
    let tail = SnapshotTail { digest: None, last_zxid: Some(Zxid(10)) };
    assert_eq!(written(&body, Compression::None, &tail), sealed(&[&body]));
}

#[test]
fn every_cut_is_damage_or_an_older_version() {
    let body = snapshot_body(1..=5);
    let file = written(&body, Compression::None, &TAIL);
    let first_seal = FILE_HEADER_LEN + body.len() + 13;
    for len in 0..file.len() {
        let is_older = len == first_seal || len == first_seal + 33;
        assert_eq!(read(&file[..len], Compression::None).is_ok(), is_older, "cut at {len}");
    }
    for compression in [Compression::Gzip, Compression::Snappy] {
        let file = written(&body, compression, &TAIL);
        for len in 0..file.len() {
            assert!(read(&file[..len], compression).is_err(), "{compression:?} cut at {len}");
        }
    }
}

#[test]
fn every_flipped_bit_is_damage() {
    let file = written(&snapshot_body(1..=3), Compression::None, &TAIL);
    for bit in 0..file.len() * 8 {
        let mut damaged = file.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        let error = read(&damaged, Compression::None).expect_err(&format!("bit {bit}"));
        assert!(matches!(error, SnapshotError::Damage(_)), "bit {bit}: {error:?}");
    }
}

#[test]
fn a_whole_snapshot_of_another_version_is_no_damage() {
    let mut file = sealed(&[&snapshot_body(1..=3)]);
    let body_end = file.len() - 13;
    file[7] = 3;
    let hash = i64::from(simd_adler32::adler32(&&file[..body_end]));
    file[body_end..body_end + 8].copy_from_slice(&hash.to_be_bytes());
    assert_eq!(read(&file, Compression::None).unwrap_err(), SnapshotError::Version(3));
}

#[test]
fn what_the_visitor_refuses_is_damage() {
    let twice = sealed(&[&snapshot_body([1, 1])]);
    let Err(SnapshotError::Damage(damage)) = read(&twice, Compression::None) else { panic!("accepted") };
    assert!(damage.to_string().contains("twice"), "{damage}");
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_a_panic(data in proptest::collection::vec(any::<u8>(), 0..400), which in 0..4) {
        let body = snapshot_body(1..=3);
        let (prefix, compression) = match which {
            0 => (Vec::new(), Compression::None),
            1 => (sealed(&[])[..].to_vec(), Compression::None),
            2 => (written(&body, Compression::Gzip, &TAIL)[..20].to_vec(), Compression::Gzip),
            _ => (written(&body, Compression::Snappy, &TAIL)[..20].to_vec(), Compression::Snappy),
        };
        let _ = read(&[prefix, data].concat(), compression);
    }
}

const FILE_HEADER_LEN: usize = oxkeeper_codec::file::FILE_HEADER_LEN;
