//! Session passwords: a function of the session id alone, the same on every server (`ZooKeeperServer.generatePasswd`).
//!
//! It is the byte stream of `java.util.Random` seeded with the id XOR a constant, so members and restarts agree
//! without sharing state.

use oxkeeper_codec::{SessionId, request::PASSWORD_LEN};

const SECRET: i64 = 0xB341_5C00;
const MULTIPLIER: u64 = 0x5_DEEC_E66D;
const INCREMENT: u64 = 0xB;
const MASK: u64 = (1 << 48) - 1;

/// The password of a session.
pub fn password(id: SessionId) -> [u8; PASSWORD_LEN] {
    let mut state = ((id.0 ^ SECRET).cast_unsigned() ^ MULTIPLIER) & MASK;
    let mut password = [0; PASSWORD_LEN];
    for word in password.chunks_exact_mut(4) {
        state = state.wrapping_mul(MULTIPLIER).wrapping_add(INCREMENT) & MASK;
        // The upper 32 of 48 bits, least significant byte first.
        word.copy_from_slice(&state.to_le_bytes()[2..6]);
    }
    password
}

/// Whether this is the session's password. Takes the same time wherever they differ.
pub fn password_matches(id: SessionId, offered: &[u8]) -> bool {
    let expected = password(id);
    offered.len() == expected.len()
        && expected.iter().zip(offered).fold(0, |differences, (a, b)| differences | (a ^ b)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn behaviour_6_the_password_is_a_function_of_the_id() {
        // First bytes of java.util.Random(0): nextInt() is -1155484576 = 0xbb20b460, least significant byte first.
        let zero_seed = SessionId(SECRET);
        assert_eq!(password(zero_seed)[..4], [0x60, 0xb4, 0x20, 0xbb]);
        assert!(password_matches(SessionId(7), &password(SessionId(7))));
        assert!(!password_matches(SessionId(7), &password(SessionId(8))));
        assert!(!password_matches(SessionId(7), &[]));
    }
}
