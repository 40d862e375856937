//! Too much, too slow, too many.

use super::{SESSIONLESS, dropped};
use crate::client::Hello;
use crate::random::Random;
use crate::requests::{auth_body, read_body, set_body};
use crate::session::Session;
use crate::wire::{Conn, Got, In, Out, PATIENCE};
use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// Handshake and request in single bytes, on some connections at once: slow is not forbidden.
pub(super) fn trickle(addr: SocketAddr) -> Result<(), String> {
    let hello = Out::new().buf(Some(&Hello::default().bytes())).done();
    let mut conns = (0..20).map(|_| Conn::open(addr)).collect::<Result<Vec<_>, _>>()?;
    let get = Out::new().int(1).int(4).raw(&read_body("/calm", 0)).done();
    let get = Out::new().buf(Some(&get)).done();
    for bytes in [hello, get] {
        for byte in bytes {
            conns.iter_mut().for_each(|conn| conn.send(&[byte]));
            std::thread::sleep(Duration::from_millis(1));
        }
        for conn in &mut conns {
            if !matches!(conn.recv(PATIENCE), Got::Packet(_)) {
                return Err("a slow client got no answer".to_owned());
            }
        }
    }
    Ok(())
}

pub(super) fn unfinished_handshakes(addr: SocketAddr) -> Result<(), String> {
    let mut conns = (0..50).map(|_| Conn::open(addr)).collect::<Result<Vec<_>, _>>()?;
    let hello = Out::new().buf(Some(&Hello::default().bytes())).done();
    for (n, conn) in conns.iter_mut().enumerate() {
        conn.send(&hello[..n % hello.len()]);
    }
    conns.iter_mut().try_for_each(|conn| dropped(conn, "half a handshake"))
}

pub(super) fn pings(addr: SocketAddr) -> Result<(), String> {
    let mut session = Session::open(addr, 10_000)?;
    let ping = Out::new().buf(Some(&Out::new().int(-2).int(11).done())).done();
    for _ in 0..10 {
        session.conn.send(&ping.repeat(10_000));
        for n in 0..10_000 {
            if !matches!(session.conn.recv(PATIENCE), Got::Packet(_)) {
                return Err(format!("ping {n} was not answered"));
            }
        }
    }
    session.close()
}

/// Writes until the other side takes no more for a while; gives how much it took.
fn push(stream: &mut TcpStream, piece: &[u8], limit: usize) -> usize {
    let _ = stream.set_write_timeout(Some(Duration::from_millis(300)));
    let mut sent = 0;
    while sent < limit {
        match stream.write(piece) {
            Ok(count) if count > 0 => sent += count,
            _ => break,
        }
    }
    sent
}

/// A session on a plain stream, of which nothing is read after the handshake.
fn deaf(addr: SocketAddr) -> Result<TcpStream, String> {
    let mut stream = TcpStream::connect(addr).map_err(|e| e.to_string())?;
    // Or the kernel would take dozens of megabytes in its place.
    rustix::net::sockopt::set_socket_recv_buffer_size(&stream, 4096).map_err(|e| e.to_string())?;
    let hello = Out::new().buf(Some(&Hello::default().bytes())).done();
    stream.write_all(&hello).map_err(|e| e.to_string())?;
    let mut answer = [0; 41];
    std::io::Read::read_exact(&mut stream, &mut answer).map_err(|e| e.to_string())?;
    Ok(stream)
}

/// Far more replies than fit anywhere are asked for at once, and read in the end: every one must come.
pub(super) fn late_readers(addr: SocketAddr) -> Result<(), String> {
    let mut sessions = (0..3).map(|_| Session::open(addr, 30_000)).collect::<Result<Vec<_>, _>>()?;
    for session in &mut sessions {
        let requests: Vec<u8> = (0..200).flat_map(|_| session.request(4, &read_body("/big", 0))).collect();
        session.conn.send(&requests);
    }
    for session in &mut sessions {
        for n in 0..200 {
            session.answer(PATIENCE).map_err(|e| format!("reply {n}: {e}"))?.ok()?;
        }
    }
    Ok(())
}

/// Each asks for gigabytes.
pub(super) fn unread_replies(addr: SocketAddr) -> Result<(), String> {
    let get = Out::new().buf(Some(&Out::new().int(1).int(4).raw(&read_body("/big", 0)).done())).done();
    let mut streams = (0..12).map(|_| deaf(addr)).collect::<Result<Vec<_>, _>>()?;
    for stream in &mut streams {
        push(stream, &get.repeat(1000), 100_000);
    }
    std::thread::sleep(Duration::from_millis(500));
    // It is replies that wait there, and not refusals.
    for stream in &mut streams {
        let mut head = [0; 20];
        std::io::Read::read_exact(stream, &mut head).map_err(|e| e.to_string())?;
        let length = In(&head).int().unwrap_or(0);
        if length < 500_000 {
            return Err(format!("a reply of {length} bytes only"));
        }
    }
    Ok(())
}

/// A write, and behind it reads of a znode that is small when they are asked for and large when they have their turn.
pub(super) fn unread_reads_behind_writes(addr: SocketAddr) -> Result<(), String> {
    let packet =
        |op: i32, body: &[u8]| Out::new().buf(Some(&Out::new().int(1).int(op).raw(body).done())).done();
    let mut calm = Session::open(addr, 10_000)?;
    calm.create("/grows", b"", 0)?;
    let grow = packet(5, &set_body("/grows", Some(&[b'x'; 800_000]), -1));
    let shrink = packet(5, &set_body("/grows", Some(b""), -1));
    let reads = packet(4, &read_body("/grows", 0)).repeat(1000);
    let mut streams = (0..4).map(|_| deaf(addr)).collect::<Result<Vec<_>, _>>()?;
    for stream in &mut streams {
        push(stream, &[&grow[..], &reads, &shrink].concat(), 1);
    }
    std::thread::sleep(Duration::from_millis(500));
    drop(streams);
    calm.set("/grows", b"")?;
    calm.close()
}

pub(super) fn unread_writes(addr: SocketAddr) -> Result<(), String> {
    let set = Out::new().int(1).int(5).raw(&set_body("/calm/none", Some(&[b'x'; 100]), -1)).done();
    let set = Out::new().buf(Some(&set)).done().repeat(100);
    let mut streams = (0..5).map(|_| deaf(addr)).collect::<Result<Vec<_>, _>>()?;
    for stream in &mut streams {
        push(stream, &set, 3_000_000);
    }
    std::thread::sleep(Duration::from_millis(300));
    Ok(())
}

/// Requests with numbers that the official server does not count as in work, as fast as they are taken: small ones, then
/// large ones.
pub(super) fn uncounted(addr: SocketAddr) -> Result<(), String> {
    Session::open(addr, 10_000)?.create("/uncounted", b"", 0)?;
    for (size, at_once, count) in [(0, 10_000, 300_000), (100_000, 10, 3000)] {
        let set = Out::new().int(0).int(5).raw(&set_body("/uncounted", Some(&vec![b'x'; size]), -1)).done();
        let sets = Out::new().buf(Some(&set)).done().repeat(at_once);
        let mut session = Session::open(addr, 30_000)?;
        let mut reader = session.conn.try_clone()?;
        std::thread::scope(|scope| {
            scope.spawn(|| (0..count / at_once).for_each(|_| session.conn.send(&sets)));
            for n in 0..count {
                if !matches!(reader.recv(PATIENCE), Got::Packet(_)) {
                    return Err(format!("request {n} was not answered"));
                }
            }
            Ok(())
        })?;
    }
    Ok(())
}

/// As many as one address may have by default, each with nearly a whole frame.
pub(super) fn unfinished_frames(addr: SocketAddr) -> Result<(), String> {
    let mut conns = (0..50).map(|_| Session::open(addr, 10_000)).collect::<Result<Vec<_>, _>>()?;
    let bytes = [&1_048_575_i32.to_be_bytes()[..], &vec![b'x'; 1_048_000]].concat();
    for session in &mut conns {
        session.conn.send(&bytes);
    }
    Ok(())
}

pub(super) fn identities(addr: SocketAddr) -> Result<(), String> {
    let mut session = Session::open(addr, 10_000)?;
    let auth = |n: u32| {
        let body = auth_body("digest", format!("user{n}:secret").as_bytes());
        Out::new().buf(Some(&Out::new().int(-4).int(100).raw(&body).done())).done()
    };
    for from in (0..20_000).step_by(1000) {
        let bytes: Vec<u8> = (from..from + 1000).flat_map(auth).collect();
        session.conn.send(&bytes);
        for n in 0..1000 {
            match session.conn.recv(PATIENCE) {
                Got::Packet(_) => {}
                // To have enough is a right answer, too.
                Got::Closed { .. } => return Ok(()),
                Got::Nothing => return Err(format!("identity {} was not answered", from + n)),
            }
        }
    }
    for _ in 0..300 {
        session.set("/calm/none", b"").unwrap_or_default();
        session.get("/calm")?;
    }
    session.close()
}

pub(super) fn words(addr: SocketAddr) -> Result<(), String> {
    let words =
        ["srvr", "mntr", "cons", "dump", "wchc", "stat", "envi", "conf", "ruok", "wchp", "hash", "dirs"];
    let mut held = Vec::new();
    for round in 0..100 {
        for word in words {
            let mut conn = Conn::open(addr)?;
            conn.send(word.as_bytes());
            match round % 3 {
                0 => drop(conn),
                1 => held.push(conn),
                _ => drop(conn.recv_to_end(PATIENCE).map_err(|e| format!("{word}: {e}"))?),
            }
        }
    }
    held.iter_mut().try_for_each(|conn| conn.recv_to_end(PATIENCE).map(drop))
}

/// Reset instead of closed, at any point of a conversation.
pub(super) fn resets(addr: SocketAddr) -> Result<(), String> {
    let mut random = Random::new(Random::seed());
    let hello = Out::new().buf(Some(&Hello::default().bytes())).done();
    let get = Out::new().buf(Some(&Out::new().int(1).int(4).raw(&read_body("/big", 0)).done())).done();
    let talk = [hello, get.repeat(5)].concat();
    for _ in 0..3000 {
        let mut stream = TcpStream::connect(addr).map_err(|e| e.to_string())?;
        rustix::net::sockopt::set_socket_linger(&stream, Some(Duration::ZERO)).map_err(|e| e.to_string())?;
        stream.write_all(&talk[..random.index(talk.len() + 1)]).map_err(|e| e.to_string())?;
    }
    Ok(())
}

pub(super) fn half_open(addr: SocketAddr) -> Result<(), String> {
    let began = Instant::now();
    let mut conns = Vec::new();
    for _ in 0..5000 {
        match Conn::open(addr) {
            Ok(conn) => conns.push(conn),
            Err(e) => return Err(format!("{} connections, then {e}", conns.len())),
        }
    }
    // Each is closed in its time.
    for conn in &mut conns {
        dropped(conn, "a half-open connection")?;
    }
    let limit = SESSIONLESS * 2 + PATIENCE;
    if began.elapsed() > limit { Err(format!("closed after {:?} only", began.elapsed())) } else { Ok(()) }
}
