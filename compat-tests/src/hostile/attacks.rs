//! Frames that are none.

use super::{dropped, dropped_after};
use crate::client::OPEN;
use crate::random::Random;
use crate::requests::{create_body, set_body};
use crate::session::Session;
use crate::wire::{Conn, Out};
use std::net::SocketAddr;

/// `jute.maxbuffer`, which a frame may have and not exceed.
pub(super) const MAX: usize = 1_048_575;

pub(super) fn bad_lengths(addr: SocketAddr) -> Result<(), String> {
    let max = i32::try_from(MAX).unwrap_or(i32::MAX);
    for length in [-1, i32::MIN, i32::MAX, -2_000_000_000, max + 1, 0x7fff_0000, 0] {
        let bytes = Out::new().int(length).long(0).long(0).done();
        dropped_after(addr, &bytes, &format!("length {length}"))?;
        let mut session = Session::open(addr, 4000)?;
        session.conn.send(&bytes);
        dropped(&mut session.conn, &format!("length {length} in a session"))?;
    }
    Ok(())
}

/// A setData whose frame has exactly this length.
fn sized(session: &mut Session, len: usize) -> Vec<u8> {
    let empty = session.request(5, &set_body("/largest", Some(b""), -1)).len() - 4;
    session.request(5, &set_body("/largest", Some(&vec![b'x'; len - empty]), -1))
}

pub(super) fn largest_frames(addr: SocketAddr) -> Result<(), String> {
    let mut session = Session::open(addr, 4000)?;
    session.create("/largest", b"", 0)?;
    let bytes = sized(&mut session, MAX);
    session.conn.send(&bytes);
    let answer = session.answer(crate::wire::PATIENCE)?;
    if answer.err != 0 {
        return Err(format!("a frame of the largest size: error {}", answer.err));
    }
    session.set("/largest", b"")?;
    let bytes = sized(&mut session, MAX + 1);
    session.conn.send(&bytes);
    dropped(&mut session.conn, "one byte too many")
}

pub(super) fn before_the_handshake(addr: SocketAddr) -> Result<(), String> {
    let create = create_body("/uninvited", Some(b""), Some(OPEN), 0);
    for (op, body) in [(1, &create[..]), (11, &[][..]), (-11, &[][..]), (4, b"\0\0\0\x01/\0"), (14, &[])] {
        let packet = Out::new().int(1).int(op).raw(body).done();
        dropped_after(addr, &Out::new().buf(Some(&packet)).done(), &format!("op {op} first"))?;
    }
    let mut session = Session::open(addr, 4000)?;
    if session.exists("/uninvited")? {
        return Err("a request before the handshake was served".to_owned());
    }
    session.close()
}

/// Frames with a right length around anything, with and without a session.
pub(super) fn random_frames(addr: SocketAddr) -> Result<(), String> {
    let seed = Random::seed();
    let mut random = Random::new(seed);
    for round in 0..400 {
        let len = random.index(300);
        let bytes = Out::new().buf(Some(&random.bytes(len))).done();
        if round % 2 == 0 {
            let mut conn = Conn::open(addr)?;
            conn.send(&bytes);
            // What follows is no four-letter word, so the first answer, if any, is the last.
            conn.send(&Out::new().int(-5).done());
            dropped(&mut conn, &format!("seed {seed}, frame {round}"))?;
        } else {
            let mut session = Session::open(addr, 4000)?;
            session.conn.send(&bytes);
            session.conn.send(&Out::new().int(-5).done());
            dropped(&mut session.conn, &format!("seed {seed}, frame {round} in a session"))?;
        }
    }
    Ok(())
}
