//! Requests whose frames are right and whose records are not.

use super::{dropped, dropped_after};
use crate::client::{Hello, OPEN};
use crate::requests::{
    auth_body, create_body, delete_body, m_create, part, parts_end, read_body, set_acl_body, set_body,
    ttl_body, watches_body,
};
use crate::session::{Missing, Session};
use crate::wire::{Out, PATIENCE};
use std::net::SocketAddr;

const HUGE: i32 = i32::MAX;

/// A session that is opened again whenever the server has dropped it.
struct Stubborn {
    addr: SocketAddr,
    session: Session,
}

impl Stubborn {
    fn new(addr: SocketAddr) -> Result<Self, String> {
        Ok(Self { addr, session: Session::open(addr, 10_000)? })
    }

    /// Sends a request that must not succeed: an error or the end of the connection is right.
    fn fails(&mut self, what: &str, op: i32, body: &[u8]) -> Result<(), String> {
        self.session.post(op, body);
        match self.session.answer(PATIENCE) {
            Ok(answer) if answer.err != 0 => Ok(()),
            // A multi tells of its errors inside.
            Ok(answer) if op == 14 && answer.body.starts_with(&[0xff; 4]) => Ok(()),
            Ok(answer) => Err(format!("{what}: op {op} succeeded: {answer:?}")),
            Err(Missing::Closed) => {
                self.session = Session::open(self.addr, 10_000)?;
                Ok(())
            }
            Err(other) => Err(format!("{what}: op {op}: {other}")),
        }
    }

    /// Sends something of which any outcome is right, as long as there is one.
    fn ends(&mut self, what: &str, op: i32, body: &[u8]) -> Result<(), String> {
        self.session.post(op, body);
        match self.session.answer(PATIENCE) {
            Ok(_) => Ok(()),
            Err(Missing::Closed) => {
                self.session = Session::open(self.addr, 10_000)?;
                Ok(())
            }
            Err(other) => Err(format!("{what}: op {op}: {other}")),
        }
    }
}

pub(super) fn cut_handshakes(addr: SocketAddr) -> Result<(), String> {
    let whole = Hello { read_only: None, ..Hello::default() }.bytes();
    for len in 0..whole.len() {
        let bytes = Out::new().buf(Some(&whole[..len])).done();
        dropped_after(addr, &bytes, &format!("handshake of {len} bytes"))?;
    }
    for length in [-2, i32::MIN, HUGE, 1_000_000] {
        let bytes = Out::new().int(0).long(0).int(4000).long(0).int(length).raw(&[0; 16]).done();
        let frame = Out::new().buf(Some(&bytes)).done();
        dropped_after(addr, &frame, &format!("password of length {length}"))?;
    }
    Ok(())
}

/// A right body for each request.
fn bodies() -> Vec<(i32, Vec<u8>)> {
    let path = |path: &str| Out::new().str(path).done();
    vec![
        (1, create_body("/cut", Some(b"d"), Some(OPEN), 0)),
        (15, create_body("/cut", Some(b"d"), Some(OPEN), 0)),
        (19, create_body("/cut", Some(b"d"), Some(OPEN), 4)),
        (21, ttl_body("/cut", 5, 1000)),
        (2, delete_body("/calm/none", -1)),
        (3, read_body("/calm", 0)),
        (4, read_body("/calm", 0)),
        (5, set_body("/calm/none", Some(b"d"), -1)),
        (6, path("/calm")),
        (7, set_acl_body("/calm/none", Some(OPEN), -1)),
        (8, read_body("/calm", 0)),
        (9, path("/calm")),
        (12, read_body("/calm", 0)),
        (13, delete_body("/calm", 0)),
        (14, [m_create("/cut", 0), parts_end()].concat()),
        (16, Out::new().buf(None).buf(None).buf(None).long(-1).done()),
        (17, delete_body("/calm", 1)),
        (18, delete_body("/calm", 1)),
        (22, [part(4, &read_body("/calm", 0)), parts_end()].concat()),
        (100, auth_body("digest", b"a:b")),
        (101, watches_body(0, &[&["/calm"], &["/calm"], &["/calm"]])),
        (102, Out::new().buf(Some(b"token")).done()),
        (103, path("/calm")),
        (104, path("/calm")),
        (105, watches_body(0, &[&["/calm"], &[], &[], &[], &[]])),
        (106, delete_body("/calm", 0)),
        (107, Vec::new()),
    ]
}

pub(super) fn cut_records(addr: SocketAddr) -> Result<(), String> {
    let mut client = Stubborn::new(addr)?;
    for (op, whole) in bodies() {
        for len in 0..whole.len() {
            client.ends(&format!("cut to {len} of {}", whole.len()), op, &whole[..len])?;
        }
    }
    for op in [-1, -10, 0, 10, 20, 23, 99, 108, HUGE, i32::MIN] {
        client.ends("no request", op, &[])?;
    }
    if client.session.exists("/cut")? { Err("a cut record was served".to_owned()) } else { Ok(()) }
}

pub(super) fn huge_vectors(addr: SocketAddr) -> Result<(), String> {
    let mut client = Stubborn::new(addr)?;
    let acl = |count: i32| Out::new().str("/v").buf(Some(b"d")).int(count).int(31).str("world").str("anyone");
    for count in [HUGE, HUGE - 1, 1 << 30, 100_000_000, -2, i32::MIN] {
        client.fails("acl", 1, &acl(count).int(0).done())?;
        client.fails("acl", 7, &Out::new().str("/calm").int(count).int(31).int(0).done())?;
        client.fails("acl in a multi", 14, &part(1, &acl(count).int(0).done()))?;
        for op in [101, 105] {
            for before in 0..3 {
                let empty = (0..before).fold(Out::new().long(0), |out, _| out.int(0));
                let body = empty.int(count).str("/calm").done();
                client.ends("watches", op, &body)?;
            }
        }
    }
    for length in [HUGE, HUGE - 3, 1 << 30] {
        client.fails("path", 4, &Out::new().int(length).raw(b"/calm").byte(0).done())?;
        client.fails("data", 5, &Out::new().str("/calm").int(length).raw(b"d").int(-1).done())?;
        client.ends("auth", 100, &Out::new().int(0).str("digest").int(length).raw(b"a:b").done())?;
        client.ends("token", 102, &Out::new().int(length).raw(b"t").done())?;
    }
    Ok(())
}

pub(super) fn negative_buffers(addr: SocketAddr) -> Result<(), String> {
    let mut client = Stubborn::new(addr)?;
    for length in [-1, -2, -1000, i32::MIN] {
        for op in [3, 4, 8, 12] {
            client.fails("path", op, &Out::new().int(length).byte(0).done())?;
        }
        client.fails("path", 2, &Out::new().int(length).int(-1).done())?;
        client.fails("path", 1, &Out::new().int(length).buf(None).int(0).int(0).done())?;
        client.ends("list", 101, &Out::new().long(0).int(length).int(length).int(length).done())?;
        client.ends("path", 106, &Out::new().int(length).int(0).done())?;
        client.ends("multi", 14, &Out::new().int(1).byte(0).int(-1).int(length).done())?;
    }
    Ok(())
}

pub(super) fn bad_paths(addr: SocketAddr) -> Result<(), String> {
    let mut client = Stubborn::new(addr)?;
    let paths: [&[u8]; 6] =
        [b"/\xff", b"/a\xc0\xaf", b"/\xed\xa0\x80", b"/\xf8\x88\x80\x80\x80", b"\xfe\xfe", b"/\x80"];
    for path in paths {
        let out = || Out::new().buf(Some(path));
        client.ends(
            "create",
            1,
            &out().buf(Some(b"d")).int(1).int(31).str("world").str("anyone").int(1).done(),
        )?;
        for op in [3, 4, 8, 12] {
            client.ends("read", op, &out().byte(1).done())?;
        }
        client.ends("delete", 2, &out().int(-1).done())?;
        client.ends("watches", 101, &Out::new().long(0).int(1).raw(&out().done()).int(0).int(0).done())?;
        client.ends("scheme", 100, &Out::new().int(0).buf(Some(path)).buf(Some(path)).done())?;
        client.ends("watch", 106, &out().int(1).done())?;
    }
    // Whatever became of them, what can be listed can be read and deleted.
    let mut session = Session::open(addr, 10_000)?;
    for name in session.children("/")? {
        session.get(&format!("/{name}"))?;
    }
    session.close()
}

pub(super) fn strange_multis(addr: SocketAddr) -> Result<(), String> {
    let mut client = Stubborn::new(addr)?;
    let mut nested = m_create("/nested", 0);
    for _ in 0..200 {
        nested = part(14, &[nested, parts_end()].concat());
    }
    client.fails("nested", 14, &[nested, parts_end()].concat())?;
    let read = part(22, &[part(4, &read_body("/calm", 0)), parts_end()].concat());
    client.ends("reads nested", 22, &[read, parts_end()].concat())?;
    client.fails("a session's end inside", 14, &[part(-11, &[]), parts_end()].concat())?;
    client.fails("without end", 14, &m_create("/nested", 0).repeat(10))?;
    let huge = [m_create("/nested", 0).repeat(15_000), parts_end()].concat();
    client.fails("the same node 15,000 times", 14, &huge)?;
    client.ends("nothing but ends", 14, &parts_end().repeat(1000))?;
    let reads = [part(4, &read_body("/big", 0)).repeat(30), parts_end()].concat();
    client.ends("30 large reads", 22, &reads)?;
    if client.session.exists("/nested")? {
        return Err("a part of a failed multi was served".to_owned());
    }
    client.session.conn.send(&Out::new().int(-5).done());
    dropped(&mut client.session.conn, "the end")
}
