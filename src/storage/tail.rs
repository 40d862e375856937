//! What a log may end with: the fault model, and the judgement that follows from it.
//!
//! **Fault model.** A log is allocated as zeros and written from front to back. What a returned sync covered stays
//! as it is, except for damage. Of what was written after that, a crash (of the process, the system, the power)
//! leaves any number of whole bytes from the front, and may lose any 512-byte sector, which then reads as zeros,
//! or as the end of the file when the length was not stored. It never leaves bytes that nobody wrote. A sector that is written
//! again with what it holds holds that afterwards, whatever fails meanwhile.
//! Damage, on the other hand, is bits that changed anywhere, and it must not be taken for the end of the log: the
//! entries behind it, or the entry itself, may have been acknowledged.
//!
//! So the first place that holds no whole entry is
//! - the *clean end*, if only zeros follow;
//! - *damage*, if a whole entry follows (its checksum right, its zxid later). This refuses one rare kind of crash
//!   as well: power that fails while a batch of several entries is under way, on a disk that stored a later
//!   sector of it and not an earlier one. It looks exactly like an acknowledged entry whose sector was wiped, and
//!   the operator has to know. Data of a client may hold the bytes of a whole entry, so where the place is the front
//!   of a torn one whose length can be believed, only what follows that length counts. A length can be believed
//!   if the header of a later transaction stands behind it, a piece is missing before it ends, and no other length
//!   makes the entry whole;
//! - *damage*, if it is one wrong length or one wrong bit away from being whole;
//! - *torn*, if a piece of it is missing in a way that the model allows: cut off at the end, or a sector of zeros;
//! - *damage* otherwise.
//!
//! Invariant: any single flipped bit of a whole log's entries, the last one included, is damage (the tests flip
//! each); any cut of a log is its torn tail.

use super::error::{Damage, DamageKind};
use oxkeeper_codec::{
    Decode, OpCode, Zxid,
    file::{END_OF_ENTRY, ENTRY_HEADER_LEN},
    records::TxnHeader,
};

/// The unit in which a disk keeps or loses what was written.
const SECTOR_LEN: usize = 512;
/// The shortest body: a header.
const MIN_BODY_LEN: usize = <TxnHeader as Decode<'_>>::MIN_LEN;
/// An entry's checksum has 8 bytes, and the upper four are zero in every whole entry.
const ALWAYS_ZERO_LEN: usize = 4;

/// What stands where the next entry should.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tail {
    /// Zeros, or nothing.
    Clean,
    /// A part of what was written when the server fell.
    Torn,
}

/// The Adler-32 of a body, as it is stored.
pub(super) fn checksum(body: &[u8]) -> i64 {
    i64::from(simd_adler32::adler32(&body))
}

/// Judges the bytes from `at` on, where `because` was found instead of a whole entry.
pub(super) fn judge(data: &[u8], at: usize, last: Option<Zxid>, because: DamageKind) -> Result<Tail, Damage> {
    assert!(at <= data.len(), "the tail starts inside of the file");
    let end = content_end(data, at);
    if end == at {
        return Ok(Tail::Clean);
    }
    let tail = Remains { data, at, end };
    let from = tail.believable_end(last).unwrap_or(at + 1);
    if let Some(next) = whole_entry_after(data, from, end, last) {
        let next = u64::try_from(next).unwrap_or(u64::MAX);
        return Err(Damage::new(at, DamageKind::FollowedByEntry { at: next, because: Box::new(because) }));
    }
    if tail.is_whole_but_for_length() || tail.is_whole_but_for_a_bit() || !tail.is_torn() {
        return Err(Damage::new(at, because));
    }
    Ok(Tail::Torn)
}

/// The end of what is not zero, or `from`.
fn content_end(data: &[u8], from: usize) -> usize {
    let mut end = data.len();
    // Whole blocks first: a preallocated file is mostly zeros, and a block compares quickly.
    while end - from >= 4096 && data[end - 4096..end].iter().fold(0, |all, byte| all | byte) == 0 {
        end -= 4096;
    }
    data[from..end].iter().rposition(|&byte| byte != 0).map_or(from, |last| from + last + 1)
}

/// The first whole entry that starts in `from..end` and is later than `last`.
fn whole_entry_after(data: &[u8], from: usize, end: usize, last: Option<Zxid>) -> Option<usize> {
    (from..end.saturating_sub(ENTRY_HEADER_LEN + MIN_BODY_LEN)).find(|&at| {
        data[at..at + ALWAYS_ZERO_LEN] == [0; ALWAYS_ZERO_LEN]
            && whole_body(&data[at..end]).is_some_and(|body| begins_later_txn(body, last))
    })
}

/// Whether a body begins with the header of a transaction later than `last`.
fn begins_later_txn(body: &[u8], last: Option<Zxid>) -> bool {
    TxnHeader::from_slice(body).is_ok_and(|header| {
        last.is_none_or(|last| header.zxid > last)
            && (header.op == OpCode::ERROR || header.op.name().is_some())
    })
}

/// The body of the entry that starts here, if it is whole.
fn whole_body(data: &[u8]) -> Option<&[u8]> {
    let (stored, len) = entry_header(data)?;
    let len = usize::try_from(len).ok().filter(|&len| len >= MIN_BODY_LEN)?;
    let body = data.get(ENTRY_HEADER_LEN..ENTRY_HEADER_LEN.checked_add(len)?)?;
    let whole = data.get(ENTRY_HEADER_LEN + len) == Some(&END_OF_ENTRY) && checksum(body) == stored;
    whole.then_some(body)
}

/// Checksum and length of the entry that starts here.
pub(super) fn entry_header(data: &[u8]) -> Option<(i64, i32)> {
    let head = data.get(..ENTRY_HEADER_LEN)?;
    Some((i64::from_slice(&head[..8]).ok()?, i32::from_slice(&head[8..]).ok()?))
}

/// What is left in a log from the first place on that is no whole entry.
struct Remains<'a> {
    data: &'a [u8],
    at: usize,
    /// Behind it there are only zeros.
    end: usize,
}

impl Remains<'_> {
    /// Where the entry would have ended, if it is the front of one, torn, and its length can be believed.
    fn believable_end(&self, last: Option<Zxid>) -> Option<usize> {
        let (stored, len) = entry_header(&self.data[self.at..])?;
        let len = usize::try_from(len).ok().filter(|&len| len >= MIN_BODY_LEN)?;
        let start = self.at + ENTRY_HEADER_LEN;
        let claimed = start.checked_add(len)?.checked_add(1)?;
        let body = &self.data[start.min(self.end)..claimed.min(self.end)];
        let is_front = u32::try_from(stored).is_ok() && begins_later_txn(body, last);
        let is_torn = is_front && (self.is_cut_off() || self.lacks_a_sector());
        (is_torn && !is_whole_at_another_length(body, stored)).then_some(claimed)
    }

    /// What lies between the entry's header and the last byte that is not zero, if that is an end mark.
    fn marked_body(&self) -> Option<(i64, &[u8])> {
        let (stored, _) = entry_header(&self.data[self.at..])?;
        let body = self.data.get(self.at + ENTRY_HEADER_LEN..self.end - 1)?;
        (self.data[self.end - 1] == END_OF_ENTRY && body.len() >= MIN_BODY_LEN).then_some((stored, body))
    }

    fn is_whole_but_for_length(&self) -> bool {
        self.marked_body().is_some_and(|(stored, body)| checksum(body) == stored)
    }

    /// One flipped bit of the checksum, or of a body whose length and end mark are right. A bit of the body moves
    /// the first half of an Adler-32 by a power of two, and the second by that times the distance to the end.
    fn is_whole_but_for_a_bit(&self) -> bool {
        const MODULUS: i64 = 65521;
        let Some((stored, body)) = self.marked_body() else { return false };
        let is = checksum(body);
        if (stored ^ is).count_ones() == 1 {
            return true;
        }
        if u32::try_from(stored).is_err() {
            return false;
        }
        let low = ((is & 0xffff) - (stored & 0xffff)).rem_euclid(MODULUS);
        let high = ((is >> 16) - (stored >> 16)).rem_euclid(MODULUS);
        (0..8).map(|bit| 1i64 << bit).any(|step| {
            let signed = if low == step { step } else { -step };
            low == signed.rem_euclid(MODULUS) && flips_back(body, signed, high)
        })
    }

    fn is_torn(&self) -> bool {
        let head = &self.data[self.at..];
        if head.iter().take(ALWAYS_ZERO_LEN).any(|&byte| byte != 0) {
            // Zeros were written here, and zeros stood here before: something else has changed them.
            return false;
        }
        if self.data.len() - self.at < ENTRY_HEADER_LEN {
            return true;
        }
        self.is_cut_off() || self.lacks_a_sector()
    }

    /// The front of an entry, and nothing behind it.
    fn is_cut_off(&self) -> bool {
        let Some((stored, len)) = entry_header(&self.data[self.at..]) else { return false };
        if u32::try_from(stored).is_err() {
            return false;
        }
        match usize::try_from(len) {
            Ok(0) => self.end <= self.at + ENTRY_HEADER_LEN,
            Ok(len) => self.end <= self.at + ENTRY_HEADER_LEN + len,
            Err(_) => false,
        }
    }

    /// A sector of the entry is all zeros: it was never stored.
    fn lacks_a_sector(&self) -> bool {
        let claimed = match entry_header(&self.data[self.at..]) {
            Some((_, len)) if len > 0 => {
                usize::try_from(len).map_or(0, |len| self.at + ENTRY_HEADER_LEN + len + 1)
            }
            _ => 0,
        };
        let end = if claimed > self.at { claimed.min(self.data.len()) } else { self.end };
        let mut from = self.at;
        while from < end {
            let to = ((from / SECTOR_LEN + 1) * SECTOR_LEN).min(end);
            let piece = &self.data[from..to];
            if piece.len() > ALWAYS_ZERO_LEN && piece.iter().all(|&byte| byte == 0) {
                return true;
            }
            from = to;
        }
        false
    }
}

/// Whether an entry with this checksum ends somewhere in `body`, before the end that its length claims.
fn is_whole_at_another_length(body: &[u8], stored: i64) -> bool {
    const MODULUS: i64 = 65521;
    let (mut low, mut high) = (1, 0);
    body.iter().enumerate().any(|(len, &byte)| {
        let ends = byte == END_OF_ENTRY && len >= MIN_BODY_LEN && high << 16 | low == stored;
        low = (low + i64::from(byte)) % MODULUS;
        high = (high + low) % MODULUS;
        ends
    })
}

/// Whether some byte of `body` differs by `step` from what was written, so that the second half of the checksum
/// is off by `high`, and could differ so by one bit.
fn flips_back(body: &[u8], step: i64, high: i64) -> bool {
    const MODULUS: i64 = 65521;
    let len = i64::try_from(body.len()).unwrap_or(i64::MAX);
    body.iter().zip((1..=len).rev()).any(|(&byte, distance)| {
        let was = i64::from(byte) - step;
        (0..=255).contains(&was)
            && (was ^ i64::from(byte)).count_ones() == 1
            && (step * distance - high).rem_euclid(MODULUS) == 0
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_ends_at_the_last_byte_that_is_not_zero() {
        let mut data = vec![0; 20_000];
        assert_eq!(content_end(&data, 16), 16);
        data[16] = 1;
        assert_eq!(content_end(&data, 16), 17);
        data[19_999] = 1;
        assert_eq!(content_end(&data, 16), 20_000);
        assert_eq!(content_end(&data, 20_000), 20_000);
    }

    #[test]
    fn bytes_that_nobody_wrote_are_damage() {
        for (len, is_torn) in [(0x7fu8, true), (0xff, false)] {
            // What looks like a length is beyond the last byte, so sectors of zeros follow.
            let mut data = vec![0; 8192];
            data[4..700].fill(0x5a);
            data[8] = len;
            assert_eq!(judge(&data, 0, None, DamageKind::Checksum).is_ok(), is_torn, "length 0x{len:x}..");
            data[2] = 1;
            assert!(judge(&data, 0, None, DamageKind::Checksum).is_err(), "length 0x{len:x}..");
        }
        assert!(judge(&[1; 7], 0, None, DamageKind::Checksum).is_err());
        assert_eq!(judge(&[0, 0, 0, 0, 1], 0, None, DamageKind::Checksum), Ok(Tail::Torn));
    }

    #[test]
    fn a_flipped_bit_is_told_from_other_changes() {
        let body: Vec<u8> = (0..200u8).chain([0; 900]).chain([7; 1000]).collect();
        let stored = checksum(&body);
        let entry = |body: &[u8]| {
            let mut data = stored.to_be_bytes().to_vec();
            data.extend(i32::try_from(body.len()).unwrap().to_be_bytes());
            data.extend(body);
            data.push(END_OF_ENTRY);
            data
        };
        let verdict = |data: &[u8]| judge(data, 0, None, DamageKind::Checksum);
        for bit in 0..body.len() * 8 {
            let mut changed = body.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(verdict(&entry(&changed)).is_err(), "bit {bit}");
        }
        let mut torn = body;
        torn[1012..1524].fill(0);
        assert_eq!(verdict(&entry(&torn)), Ok(Tail::Torn));
    }
}
