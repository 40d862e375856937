//! Every cut, every flipped bit, every kind of end.

use super::*;
use crate::storage::testing::{log_file, log_of, txn, with_record};
use oxkeeper_codec::{SessionId, txn::Txn};
use proptest::prelude::*;

/// The zxids of a log and its end.
fn read(data: &[u8]) -> Result<(Vec<i64>, LogEnd), String> {
    let mut reader = LogReader::new(data).map_err(|error| format!("{error:?}"))?;
    let mut zxids = Vec::new();
    while let Some(entry) = reader.next_entry().map_err(|damage| damage.to_string())? {
        entry.decode().map_err(|damage| damage.to_string())?;
        zxids.push(entry.zxid.0);
    }
    Ok((zxids, reader.end().unwrap()))
}

/// Where the entries of a log end.
fn ends(data: &[u8]) -> Vec<usize> {
    let mut reader = LogReader::new(data).unwrap();
    let mut ends = vec![FILE_HEADER_LEN];
    while let Some(entry) = reader.next_entry().unwrap() {
        ends.push(usize::try_from(entry.offset).unwrap() + ENTRY_HEADER_LEN + entry.body.len() + 1);
    }
    ends
}

#[test]
fn reads_what_was_written() {
    let log = log_file(1..=5);
    let (zxids, end) = read(&log).unwrap();
    assert_eq!(zxids, [1, 2, 3, 4, 5]);
    assert!(!end.torn);
    assert_eq!(end.entries, 5);
    assert_eq!(log.len() % 4096, 0);
}

#[test]
fn every_cut_of_a_log_is_served_without_its_torn_tail() {
    let log = log_file(1..=4);
    let ends = ends(&log);
    for cut in 0..=ends[4] {
        let whole = ends.iter().filter(|&&end| end <= cut).count().saturating_sub(1);
        for padding in [0, 1, 5000] {
            let mut torn = log[..cut].to_vec();
            torn.resize(cut + padding, 0);
            let (zxids, end) = read(&torn).unwrap_or_else(|e| panic!("cut {cut}, padded {padding}: {e}"));
            assert_eq!(zxids.len(), whole, "cut {cut}, padded {padding}");
            let expected = if whole > 0 || cut >= FILE_HEADER_LEN { ends[whole] } else { 0 };
            assert!(end.offset == expected as u64 || whole == 0, "cut {cut}, padded {padding}: {end:?}");
        }
    }
}

#[test]
fn every_flipped_bit_of_any_entry_is_damage() {
    let log = log_file(1..=3);
    let end = *ends(&log).last().unwrap();
    for padded in [end, log.len()] {
        for bit in FILE_HEADER_LEN * 8..end * 8 {
            let mut damaged = log[..padded].to_vec();
            damaged[bit / 8] ^= 1 << (bit % 8);
            let error = read(&damaged).expect_err(&format!("bit {bit} of {padded} bytes"));
            assert!(error.contains("at offset"), "{error}");
        }
    }
}

#[test]
fn a_large_last_entry_with_a_flipped_bit_is_damage() {
    let log = log_of(&[txn(1, 0), txn(2, 3000)]);
    let ends = ends(&log);
    for bit in ends[1] * 8..ends[2] * 8 {
        let mut damaged = log.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        assert!(read(&damaged).is_err(), "bit {bit}");
    }
}

#[test]
fn a_lost_sector_of_the_last_entry_is_its_torn_tail() {
    let log = log_of(&[txn(1, 20), txn(2, 3000)]);
    let ends = ends(&log);
    let first = ends[1] / 512;
    for sector in first..=(ends[2] - 1) / 512 {
        let mut torn = log.clone();
        let from = (sector * 512).max(ends[1]);
        torn[from..(sector + 1) * 512].fill(0);
        let (zxids, end) = read(&torn).unwrap_or_else(|e| panic!("sector {sector}: {e}"));
        assert_eq!((zxids, end.torn), (vec![1], true), "sector {sector}");
    }
}

/// A whole entry, as a client could make it up: of a transaction later than all that there are.
fn made_up() -> Vec<u8> {
    let made = log_of(&[txn(9, 30)]);
    made[FILE_HEADER_LEN..ends(&made)[1]].to_vec()
}

/// A create with this data.
fn holding(zxid: i64, data: Vec<u8>) -> LoggedTxn {
    let mut txn = txn(zxid, 0);
    let Txn::Create(create) = &mut txn.txn else { panic!("it is a create") };
    create.data = Some(data.into());
    txn
}

#[test]
fn an_entry_within_the_data_of_a_torn_one_does_not_follow_it() {
    for filler in [3, 700] {
        let data = [made_up(), vec![7; filler], made_up(), vec![7; filler]].concat();
        let log = log_of(&[txn(1, 20), holding(2, data)]);
        let ends = ends(&log);
        for cut in ends[1] + 8..ends[2] {
            for padding in [0, 5000] {
                let mut torn = log[..cut].to_vec();
                torn.resize(cut + padding, 0);
                let (zxids, end) = read(&torn).unwrap_or_else(|e| panic!("cut {cut}, padded {padding}: {e}"));
                assert_eq!((zxids, end.torn), (vec![1], true), "cut {cut}, padded {padding}");
            }
        }
        for sector in ends[1] / 512 + 1..ends[2] / 512 {
            let mut torn = log.clone();
            torn[sector * 512..(sector + 1) * 512].fill(0);
            let (zxids, end) = read(&torn).unwrap_or_else(|e| panic!("sector {sector}: {e}"));
            assert_eq!((zxids, end.torn), (vec![1], true), "sector {sector}");
        }
    }
}

#[test]
fn what_follows_a_torn_entry_is_found_whatever_its_data_holds() {
    let data = [made_up(), vec![7; 3000]].concat();
    let log = log_of(&[txn(1, 20), holding(2, data), txn(3, 20)]);
    let ends = ends(&log);
    let mut wiped = log;
    let sector = (ends[1] / 512 + 2) * 512;
    wiped[sector..sector + 512].fill(0);
    let error = read(&wiped).unwrap_err();
    assert!(error.contains(&format!("a whole entry follows at offset {}", ends[2])), "{error}");
}

#[test]
fn a_length_that_swallows_what_follows_is_not_believed() {
    let log = log_file(1..=5);
    let ends = ends(&log);
    let right = i32::try_from(ends[2] - ends[1] - ENTRY_HEADER_LEN - 1).unwrap();
    for wrong in [right + 1, right * 2, right * 5, 1 << 20, i32::MAX] {
        let mut damaged = log.clone();
        damaged[ends[1] + 8..ends[1] + 12].copy_from_slice(&wrong.to_be_bytes());
        for len in [ends[5], log.len()] {
            let error = read(&damaged[..len]).expect_err(&format!("length {wrong}"));
            assert!(error.contains("a whole entry follows"), "length {wrong}: {error}");
        }
    }
}

#[test]
fn zeros_between_entries_are_damage() {
    let log = log_file(1..=4);
    let ends = ends(&log);
    let mut holed = log;
    holed[ends[1]..ends[2]].fill(0);
    let error = read(&holed).unwrap_err();
    assert!(error.contains("a whole entry follows"), "{error}");
}

#[test]
fn a_file_shorter_than_its_header_is_empty() {
    let log = log_file([1]);
    for len in [0, 3, 15] {
        assert_eq!(read(&log[..len]).unwrap().0, [0i64; 0]);
        assert_eq!(read(&vec![b'?'; len]).unwrap().0, [0i64; 0]);
    }
    assert_eq!(read(&[0; 4096]).unwrap().0, [0i64; 0]);
}

#[test]
fn another_version_is_told_apart_from_another_kind() {
    let mut log = log_file([1]);
    log[7] = 3;
    assert_eq!(LogReader::new(&log).unwrap_err(), OpenError::Version(3));
    log[..4].copy_from_slice(b"ZKSN");
    assert!(matches!(LogReader::new(&log).unwrap_err(), OpenError::Damage(_)));
}

#[test]
fn a_lost_header_before_a_whole_entry_is_damage() {
    let mut log = log_file(1..=2);
    log[..FILE_HEADER_LEN].fill(0);
    assert!(LogReader::new(&log).is_err());
}

#[test]
fn right_checksum_and_wrong_content_is_damage() {
    let mut bad = with_record(2, Txn::CloseSession(None));
    bad.header.op = OpCode(999);
    let log = log_of(&[txn(1, 0), bad]);
    let error = read(&log).unwrap_err();
    assert!(error.contains("checksum is right"), "{error}");
}

#[test]
fn logs_of_3_4_have_no_digest_and_close_sessions_without_a_record() {
    let mut txns = [with_record(1, Txn::CloseSession(None)), txn(2, 5)];
    for txn in &mut txns {
        txn.digest = None;
        txn.header.client_id = SessionId(5);
    }
    assert_eq!(read(&log_of(&txns)).unwrap().0, [1, 2]);
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_a_panic(mut data in proptest::collection::vec(any::<u8>(), 0..600), header in any::<bool>()) {
        if header && data.len() >= FILE_HEADER_LEN {
            data[..FILE_HEADER_LEN].copy_from_slice(&crate::storage::log::FILE_HEADER);
        }
        let _ = read(&data);
    }

    #[test]
    fn changed_logs_never_lose_an_entry_in_the_middle(at in 16usize..400, byte in any::<u8>()) {
        let log = log_file(1..=5);
        let mut changed = log.clone();
        changed[at] = byte;
        if let Ok((zxids, _)) = read(&changed) {
            prop_assert!(changed == log || at >= ends(&log)[5], "{zxids:?}");
        }
    }
}
