//! What keeps a transaction within what a log entry can hold, and within what official servers read.
//!
//! An entry's length is an `int`, so 2^31 - 1 bytes are the end, and no transaction gets there:
//! - A client's write is its request, at most [`MAX_BODY_BYTES`], laid out anew. Each operation takes at least
//!   [`LEAST_OP_BYTES`] in a multi and becomes at most [`MOST_OP_GROWTH`] longer: the number of a sequential znode (11),
//!   for the rest about as much goes as comes. Paths are valid text by then, or the operation is an error, which is
//!   shorter than any operation.
//! - ACLs alone can multiply, by the identities of `auth` and by replacement characters for what is no UTF-8. They are
//!   counted as they are stored, for all operations of a request together: [`acl_bytes`].
//! - The end of a session lists its ephemerals only up to [`close_list_bytes`].
//! - All others have a fixed size or one path.

use super::Rules;
use oxkeeper_codec::{Decode, records};

/// A longer body is refused like one that does not decode. (Only a `jute.maxbuffer` beyond it lets one come.)
pub(super) const MAX_BODY_BYTES: usize = 512 << 20;
/// The shortest create in a multi: its header, path "/", no data, no ACL, flags.
const LEAST_OP_BYTES: usize = 9 + 5 + 4 + 4 + 4;
/// What an operation can grow by.
const MOST_OP_GROWTH: usize = 12;
/// Header and digest around a record.
const AROUND_RECORD_BYTES: usize =
    <records::TxnHeader as Decode<'_>>::MIN_LEN + <records::TxnDigest as Decode<'_>>::MIN_LEN;
/// An entry can be so much longer than `jute.maxbuffer` and still be read by every official server (3.4; later ones
/// take `jute.maxbuffer.extrasize`, by default another `jute.maxbuffer`: `BinaryInputArchive.checkLength`).
const EXTRA_BYTES: usize = 1024;

/// What the ACLs of one request may be together, in bytes as they are stored: as much as a packet can carry, and at
/// least 1 MiB. Beyond, the ACL is invalid.
pub(super) fn acl_bytes(rules: &Rules) -> usize {
    rules.max_packet_bytes.clamp(1 << 20, MAX_BODY_BYTES)
}

const _: () = {
    let grown = MAX_BODY_BYTES / LEAST_OP_BYTES * (LEAST_OP_BYTES + MOST_OP_GROWTH);
    assert!(
        grown + MAX_BODY_BYTES + AROUND_RECORD_BYTES < i32::MAX as usize,
        "every transaction can be logged"
    );
};

/// The longest record of a session's end: with a longer one, an official server would refuse to read the log.
pub(super) fn close_list_bytes(rules: &Rules) -> usize {
    (rules.max_packet_bytes + EXTRA_BYTES).min(MAX_BODY_BYTES) - AROUND_RECORD_BYTES
}
