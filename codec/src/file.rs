//! Magics and numbers of log and snapshot files (`FileTxnLog`, `FileSnap` of 3.4 … 3.9).
//!
//! A log: [`FileHeader`](crate::records::FileHeader), then entries of an `long` Adler-32 of the body, an `int` length, the body
//! ([`crate::txn::LoggedTxn`]) and one byte [`END_OF_ENTRY`]; zeros to the end. A snapshot: header, sessions, ACL
//! table, znodes (path and [`DataNode`](crate::records::DataNode)) ended by the path "/", seal, then since 3.6 a digest and seal,
//! and since 3.9 the last zxid and seal. A seal is a `long` Adler-32 of all before it and the text "/".

/// `ZKLG`: the first four bytes of a log.
pub const LOG_MAGIC: i32 = i32::from_be_bytes(*b"ZKLG");
/// `ZKSN`: the first four bytes of a snapshot (once decompressed).
pub const SNAPSHOT_MAGIC: i32 = i32::from_be_bytes(*b"ZKSN");
/// The only format version there is, for both.
pub const FILE_VERSION: i32 = 2;
/// `dbid` of a log.
pub const LOG_DBID: i64 = 0;
/// `dbid` of a snapshot.
pub const SNAPSHOT_DBID: i64 = -1;
/// Length of a file header, in bytes.
pub const FILE_HEADER_LEN: usize = 16;
/// Length of what precedes the body of a log entry, in bytes: checksum and length.
pub const ENTRY_HEADER_LEN: usize = 12;
/// The byte behind the body of each log entry (`EOR`).
pub const END_OF_ENTRY: u8 = 0x42;
/// How node digests are computed (`DigestCalculator.DIGEST_VERSION`).
pub const DIGEST_VERSION: i32 = 2;

const _: () = assert!(LOG_MAGIC == 0x5a4b_4c47 && SNAPSHOT_MAGIC == 0x5a4b_534e);
