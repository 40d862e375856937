//! Digests: CRC-32 of a znode's path, data and stored fields; the tree's is their sum, so that order does not
//! matter (`DigestCalculator`, `AdHash`). Znodes below `/zookeeper` count as 0.

use oxkeeper_codec::records::StatPersisted;

/// The subtree that members may differ in.
const UNCOUNTED: &str = "/zookeeper/";
/// Six longs and three ints.
const FIELDS_LEN: usize = 6 * 8 + 3 * 4;

/// CRC-32 of what comes first: the path ("" for the root) and the data. `None` for znodes that count as 0.
pub fn crc_of_content(path: &str, data: &[u8]) -> Option<u32> {
    if path.starts_with(UNCOUNTED) {
        return None;
    }
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(if path == "/" { b"" } else { path.as_bytes() });
    hasher.update(data);
    Some(hasher.finalize())
}

/// The znode's digest, from the CRC of its path and data.
pub fn node_digest(crc: Option<u32>, stat: &StatPersisted) -> u64 {
    let Some(crc) = crc else { return 0 };
    let mut fields = [0; FIELDS_LEN];
    let mut rest = &mut fields[..];
    let mut put = |bytes: &[u8]| {
        let (head, tail) = std::mem::take(&mut rest).split_at_mut(bytes.len());
        head.copy_from_slice(bytes);
        rest = tail;
    };
    for field in [stat.czxid.0, stat.mzxid.0, stat.pzxid.0, stat.ctime, stat.mtime] {
        put(&field.to_be_bytes());
    }
    for field in [stat.version, stat.cversion, stat.aversion] {
        put(&field.to_be_bytes());
    }
    put(&stat.ephemeral_owner.to_be_bytes());
    debug_assert!(rest.is_empty());
    let mut hasher = crc32fast::Hasher::new_with_initial(crc);
    hasher.update(&fields);
    u64::from(hasher.finalize())
}
