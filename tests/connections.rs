//! Connections that are gone, slow, or prove who they are behind a write.
#![allow(clippy::unwrap_used, reason = "a test may panic")]
#![expect(clippy::disallowed_methods, reason = "tests read the clock for their patience")]

mod common;

use common::{
    CREATE, Client, EXISTS, GET_DATA, SET_DATA, Server, create, frame, receive, set, text, watched,
};
use std::{
    io::{Read, Write},
    time::{Duration, Instant},
};

const PING: i32 = 11;
const SET_ACL: i32 = 7;
const AUTH: i32 = 100;
const SET_WATCHES: i32 = 101;
const ADD_WATCH: i32 = 106;
const NO_AUTH: i32 = -102;
const RECURSIVE: i32 = 1;

/// Nothing comes within so long.
const QUIET: Duration = Duration::from_millis(300);

fn hears_nothing(client: &mut Client) -> bool {
    client.stream.set_read_timeout(Some(QUIET)).unwrap();
    let heard = client.stream.read(&mut [0; 1]);
    client.stream.set_read_timeout(Some(common::PATIENCE)).unwrap();
    heard.is_err()
}

#[test]
fn what_a_connection_asked_to_watch_goes_with_it() {
    // The next connection in its place had the watch.
    let server = Server::start("");
    let mut main = Client::open(&server);
    assert_eq!(main.call(1, CREATE, &create("/w", "", 0)), 0);
    for round in 0..5 {
        let mut gone = Client::open(&server);
        let add = [text("/w"), RECURSIVE.to_be_bytes().to_vec()].concat();
        let both = [frame(1, SET_DATA, &set("/w", "x")), frame(2, ADD_WATCH, &add)].concat();
        gone.stream.write_all(&both).unwrap();
        // Without a word: what it asked may still be in work.
        let no_linger = rustix::net::sockopt::set_socket_linger(&gone.stream, Some(Duration::ZERO));
        no_linger.expect("a reset instead of an orderly end");
        drop(gone);
        let mut next = Client::open(&server);
        assert_eq!(main.call(2 + round, SET_DATA, &set("/w", "y")), 0);
        assert!(hears_nothing(&mut next), "round {round}");
    }
    assert_eq!(server.figure("watch_count"), "0");
}

#[test]
fn who_takes_a_long_reply_bit_by_bit_keeps_its_session() {
    let server = Server::start("minSessionTimeout=1000\n");
    let mut main = Client::open(&server);
    assert_eq!(main.call(1, CREATE, &create("/big", &"x".repeat(900_000), 0)), 0);
    let mut slow = Client::open_for(&server, 1000);
    rustix::net::sockopt::set_socket_recv_buffer_size(&slow.stream, 16 << 10).unwrap();
    let gets: Vec<u8> = (1..=8).flat_map(|xid| frame(xid, GET_DATA, &watched("/big"))).collect();
    slow.stream.write_all(&gets).unwrap();
    // Three time-outs, with pings that lie unread behind the replies.
    let (began, mut taken, mut pinged) = (Instant::now(), 0, Instant::now());
    let mut buffer = vec![0; 64 << 10];
    while began.elapsed() < Duration::from_secs(3) {
        taken += slow.stream.read(&mut buffer).expect("the connection is open");
        if pinged.elapsed() > Duration::from_millis(300) {
            pinged = Instant::now();
            slow.stream.write_all(&frame(-2, PING, &[])).unwrap();
        }
        std::thread::sleep(Duration::from_millis(40));
    }
    assert!(taken > 0, "some of it has been taken");
    let session = format!("sid=0x{:x},", slow.session);
    assert!(server.word("cons").contains(&session), "{}", server.log());
}

#[test]
fn an_identity_proven_behind_a_write_counts_for_what_follows() {
    let server = Server::start("");
    let mut main = Client::open(&server);
    assert_eq!(main.call(1, CREATE, &create("/mine", "secret", 0)), 0);
    // user:password as the official digest of it.
    let id = "user:tpUq/4Pn5A64fVZyQ0gOJ8ZWqkY=";
    let acl = [&1_i32.to_be_bytes()[..], &31_i32.to_be_bytes(), &text("digest"), &text(id)].concat();
    let set_acl = [text("/mine"), acl, (-1_i32).to_be_bytes().to_vec()].concat();
    assert_eq!(main.call(2, SET_ACL, &set_acl), 0);
    assert_eq!(main.call(3, GET_DATA, &watched("/mine")), NO_AUTH);

    let mut client = Client::open(&server);
    assert_eq!(client.call(1, CREATE, &create("/w", "", 0)), 0);
    let auth = [&0_i32.to_be_bytes()[..], &text("digest"), &text("user:password")].concat();
    let all = [
        frame(2, SET_DATA, &set("/w", "x")),
        frame(3, GET_DATA, &watched("/mine")),
        frame(-4, AUTH, &auth),
        frame(4, GET_DATA, &watched("/mine")),
        frame(5, SET_DATA, &set("/mine", "more")),
    ];
    client.stream.write_all(&all.concat()).unwrap();
    let mut replies: Vec<(i32, i32)> = (0..5).map(|_| client.reply()).collect();
    // Its own answer may overtake those before.
    replies.sort_unstable();
    assert_eq!(replies, [(-4, 0), (2, 0), (3, NO_AUTH), (4, 0), (5, 0)]);
}

#[test]
fn set_watches_tells_nothing_about_what_may_not_be_read() {
    let server = Server::start("");
    let mut client = Client::open(&server);
    assert_eq!(client.call(1, CREATE, &create("/closed", "", 0)), 0);
    let acl = [&1_i32.to_be_bytes()[..], &30_i32.to_be_bytes(), &text("world"), &text("anyone")].concat();
    let set_acl = [text("/closed"), acl, (-1_i32).to_be_bytes().to_vec()].concat();
    assert_eq!(client.call(2, SET_ACL, &set_acl), 0);
    let list = [&1_i32.to_be_bytes()[..], &text("/closed")].concat();
    let body = [&0_i64.to_be_bytes()[..], &list, &list, &list].concat();
    client.ask(3, SET_WATCHES, &body);
    let first = receive(&mut client.stream).expect("a reply");
    assert_eq!(first[..4], 3_i32.to_be_bytes(), "no event before it");
    assert_eq!(client.call(4, EXISTS, &watched("/none")), -101);
}
