//! One end is `rustls` as others use it, and a socket that takes and gives what it likes.

use super::{
    outbox::Outbox,
    sealed::{Opened, RECORD_EXTRA_BYTES, SEALED_AT_ONCE, Sealed},
};
use crate::tls::{ClientAuth, MemberTls, Password, StoreSettings, TlsSettings};
use bytes::Bytes;
use proptest::prelude::*;
use rustls::{ClientConnection, ServerConnection, pki_types::ServerName};
use std::io::{self, Read, Write};

fn tls(protocol: &str) -> MemberTls {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/tls/plain.pem").into();
    let store = StoreSettings { path, kind: None, password: Password::Text(String::new()) };
    MemberTls::load(TlsSettings {
        prefix: "ssl.",
        key_store: Some(store.clone()),
        trust_store: Some(store),
        protocols: vec![protocol.to_owned()],
        suites: Vec::new(),
        client_auth: ClientAuth::Need,
        unasked: "",
        checks_server_names: false,
        checks_client_names: false,
        allows_reverse_lookup: false,
        checks_lists: false,
        asks_responders: false,
        detection_timeout_ms: 0,
        reloads: false,
    })
    .expect("a key that is trusted")
}

/// Both ends, and what is on its way.
struct Pair {
    client: ClientConnection,
    server: Sealed,
    to_server: Vec<u8>,
    to_client: Vec<u8>,
    /// How much is read at once.
    step: usize,
    /// What the server has opened.
    opened: Vec<u8>,
    end: Opened,
    /// What the client has.
    answer: Vec<u8>,
    is_told_all: bool,
}

impl Pair {
    fn new(protocol: &str, step: usize) -> Self {
        let tls = tls(protocol);
        let name = ServerName::try_from("fixture").unwrap();
        Self {
            client: ClientConnection::new(tls.dialling(), name).unwrap(),
            server: Sealed::new(tls.accepting()).unwrap(),
            to_server: Vec::new(),
            to_client: Vec::new(),
            step,
            opened: Vec::new(),
            end: Opened::More,
            answer: Vec::new(),
            is_told_all: false,
        }
    }

    fn client_sends(&mut self) {
        while self.client.wants_write() {
            self.client.write_tls(&mut self.to_server).unwrap();
        }
    }

    fn client_reads(&mut self) {
        let sent = std::mem::take(&mut self.to_client);
        let mut rest = &sent[..];
        while !rest.is_empty() {
            self.client.read_tls(&mut rest).unwrap();
            let state = self.client.process_new_packets().unwrap();
            let from = self.answer.len();
            self.answer.resize(from + state.plaintext_bytes_to_read(), 0);
            self.client.reader().read_exact(&mut self.answer[from..]).unwrap();
            self.is_told_all |= state.peer_has_closed();
        }
    }

    /// Whoever has come through the handshake has nothing of it left.
    fn shakes(&mut self) -> Result<(), rustls::Error> {
        while self.server.is_shaking() {
            self.client_sends();
            let mut sent = std::mem::take(&mut self.to_server);
            for piece in sent.chunks_mut(self.step) {
                if self.server.is_shaking() {
                    self.server.shake(piece)?;
                } else {
                    self.end = self.server.open(piece, &mut self.opened)?;
                }
                self.to_client.extend(self.server.take_outgoing());
            }
            self.client_reads();
        }
        let (mut early, _) = self.server.take_early();
        early.append(&mut self.opened);
        self.opened = early;
        Ok(())
    }

    fn server_reads(&mut self) -> Result<(), rustls::Error> {
        let mut sent = std::mem::take(&mut self.to_server);
        for piece in sent.chunks_mut(self.step) {
            self.end = self.server.open(piece, &mut self.opened)?;
        }
        Ok(())
    }

    /// All of it, through a socket that takes so much at a time and is full in between. What waits sealed is bounded.
    fn server_sends(&mut self, output: &mut Outbox, ends: bool) {
        while output.unsent() > 0 || self.server.has_unsent(ends) {
            let (mut room, taken) = (self.step, &mut self.to_client);
            let sent = self.server.send(output, ends, |pieces| {
                let len = pieces[0].len().min(room);
                room -= len;
                taken.extend_from_slice(&pieces[0][..len]);
                if len > 0 { Ok(len) } else { Err(io::ErrorKind::WouldBlock.into()) }
            });
            sent.unwrap();
            assert!(self.server.buffers()[1].0 <= SEALED_AT_ONCE + 5 * RECORD_EXTRA_BYTES);
        }
    }
}

const PROTOCOLS: [&str; 2] = ["TLSv1.2", "TLSv1.3"];

#[test]
fn what_is_said_arrives_however_it_is_cut() {
    for (protocol, step) in PROTOCOLS.into_iter().flat_map(|it| [(it, 1), (it, 700), (it, usize::MAX)]) {
        let mut pair = Pair::new(protocol, step);
        pair.shakes().unwrap();
        assert!(pair.server.peer_certificates().is_some_and(|chain| chain.len() == 1));
        let question = vec![7; if step == 1 { 300 } else { 50_000 }];
        pair.client.writer().write_all(&question).unwrap();
        pair.client_sends();
        pair.server_reads().unwrap();
        assert!(pair.opened == question, "{protocol}, {step} bytes at a time");
        assert_eq!(pair.server.buffers()[0].0, 0);

        let mut output = Outbox::default();
        output.tail().extend_from_slice(b"head");
        let value: Bytes = vec![8; if step == 1 { 2_000 } else { 3 * SEALED_AT_ONCE }].into();
        output.share(value.clone());
        output.tail().extend_from_slice(b"tail");
        pair.server_sends(&mut output, true);
        pair.client_reads();
        assert!(
            pair.is_told_all && pair.answer == [b"head", &value[..], b"tail"].concat(),
            "{protocol}, {step} bytes at a time"
        );

        pair.client.send_close_notify();
        pair.client_sends();
        pair.server_reads().unwrap();
        assert_eq!(pair.end, Opened::Ended);
        assert_eq!(pair.server.buffers(), [(0, 0); 2], "who has nothing under way has no buffers");
    }
}

/// Nobody waits for what came with the last packet of the handshake.
#[test]
fn what_comes_behind_the_handshake_is_kept() {
    let mut pair = Pair::new("TLSv1.3", usize::MAX);
    pair.client.writer().write_all(b"early").unwrap();
    pair.shakes().unwrap();
    pair.client_sends();
    pair.server_reads().unwrap();
    assert_eq!(pair.opened, b"early");
}

#[test]
fn keys_change_under_way() {
    let mut pair = Pair::new("TLSv1.3", 100);
    pair.shakes().unwrap();
    for n in 0..3 {
        pair.client.refresh_traffic_keys().unwrap();
        pair.client.writer().write_all(&[n]).unwrap();
        pair.client_sends();
        pair.server_reads().unwrap();
        let mut output = Outbox::default();
        output.tail().push(n);
        pair.server_sends(&mut output, false);
        pair.client_reads();
        assert_eq!((pair.answer.last(), pair.opened.last()), (Some(&n), Some(&n)));
    }
}

#[test]
fn who_is_not_believed_is_told_why() {
    for protocol in PROTOCOLS {
        let mut pair = Pair::new(protocol, usize::MAX);
        pair.client_sends();
        pair.to_server[5] = 200;
        let mut hello = std::mem::take(&mut pair.to_server);
        assert!(pair.server.shake(&mut hello).is_err(), "{protocol}: no client begins with that");
        let alert = pair.server.take_outgoing();
        assert_eq!(alert.first(), Some(&21), "an alert (RFC 8446, 5.1)");
    }
}

/// An alert is told behind all that was to be said before it, as with buffers.
#[test]
fn an_alert_comes_behind_what_waits() {
    let mut pair = Pair::new("TLSv1.3", usize::MAX);
    pair.shakes().unwrap();
    pair.client.refresh_traffic_keys().unwrap();
    pair.client.writer().write_all(&[1; 10]).unwrap();
    pair.client_sends();
    pair.server_reads().unwrap();
    pair.client.writer().write_all(&[1; 10]).unwrap();
    pair.client_sends();
    *pair.to_server.last_mut().unwrap() ^= 1;
    assert!(pair.server_reads().is_err());
    pair.server_sends(&mut Outbox::default(), true);
    let mut sent = &pair.to_client[..];
    let mut told = Ok(());
    while !sent.is_empty() && told.is_ok() {
        pair.client.read_tls(&mut sent).unwrap();
        told = pair.client.process_new_packets().map(|_| ());
    }
    assert!(matches!(told, Err(rustls::Error::AlertReceived(_))), "{told:?}");
}

/// The type and the length of each record.
fn records(mut bytes: &[u8]) -> Vec<(u8, usize)> {
    let mut records = Vec::new();
    while let [kind, _, _, high, low, rest @ ..] = bytes {
        let len = usize::from(u16::from_be_bytes([*high, *low]));
        records.push((*kind, len));
        bytes = &rest[len.min(rest.len())..];
    }
    records
}

/// Each byte of it comes in a record of its own.
#[test]
fn what_is_kept_of_a_handshake_is_bounded() {
    let mut pair = Pair::new("TLSv1.2", 1);
    let mut most = 0;
    let refused = (0..1 << 16).find_map(|n| {
        let byte = if n == 0 { 1 } else { u8::from(n == 2) * 0xff };
        let shaken = pair.server.shake(&mut [22, 3, 3, 0, 1, byte]);
        most = most.max(pair.server.buffers()[0].0);
        shaken.err()
    });
    assert!(refused.is_some() && most <= 64 << 10, "{most} bytes, {refused:?}");
}

proptest! {
    /// Damage ends a connection, or is nothing but a wait for more.
    #[test]
    fn damage_is_an_error(
        which in 0..2_usize,
        step in 1..500_usize,
        at in any::<prop::sample::Index>(),
        with in 1..=255_u8,
    ) {
        let mut pair = Pair::new(PROTOCOLS[which], step);
        pair.shakes().unwrap();
        pair.client.writer().write_all(&[7; 1000]).unwrap();
        pair.client_sends();
        let at = at.index(pair.to_server.len());
        pair.to_server[at] ^= with;
        let outcome = pair.server_reads();
        prop_assert!(pair.opened.iter().all(|&byte| byte == 7), "nothing is made up");
        prop_assert_eq!(outcome.is_err(), pair.server.has_unsent(false), "an alert");
        prop_assert!(pair.server.buffers()[0].0 < 20_000);
    }

    /// A handshake goes wrong as it does where `rustls` keeps the buffers.
    #[test]
    fn a_damaged_handshake_fails_as_with_buffers(
        which in 0..2_usize,
        step in 1..500_usize,
        at in any::<prop::sample::Index>(),
        with in 1..=255_u8,
    ) {
        let mut pair = Pair::new(PROTOCOLS[which], step);
        pair.client_sends();
        let at = at.index(pair.to_server.len());
        pair.to_server[at] ^= with;
        let mut buffered = ServerConnection::new(tls(PROTOCOLS[which]).accepting()).unwrap();
        let mut expected = Ok(());
        for mut piece in pair.to_server.chunks(step) {
            if expected.is_ok() {
                buffered.read_tls(&mut piece).unwrap();
                expected = buffered.process_new_packets().map(|_| ());
            }
        }
        let mut outcome = Ok(());
        let mut sent = std::mem::take(&mut pair.to_server);
        for piece in sent.chunks_mut(step) {
            outcome = outcome.and_then(|()| pair.server.shake(piece));
        }
        prop_assert_eq!(outcome, expected);
        let mut answer = Vec::new();
        while buffered.wants_write() {
            buffered.write_tls(&mut answer).unwrap();
        }
        let told = records(&pair.server.take_outgoing());
        let kinds = |records: &[(u8, usize)]| records.iter().map(|record| record.0).collect::<Vec<_>>();
        prop_assert_eq!(kinds(&told), kinds(&records(&answer)), "as many of each");
    }
}
