//! How a whole server paces clients and itself: what waits, for how long, and what waiting costs.
#![allow(clippy::unwrap_used, reason = "a test may panic")]
#![expect(clippy::disallowed_methods, reason = "tests read the clock for their patience")]

mod common;

use common::{CREATE, Client, EXISTS, GET_DATA, SET_DATA, Server, create, frame, set, watched};
use std::{
    io::Write,
    time::{Duration, Instant},
};

/// How long `count` writes take, one after the other.
fn writes(client: &mut Client, first_xid: i32, count: i32) -> Duration {
    let began = Instant::now();
    for xid in first_xid..first_xid + count {
        assert_eq!(client.call(xid, SET_DATA, &set("/a", "")), 0);
    }
    began.elapsed()
}

/// A server whose `flushDelay` is 4 s, and a client with a znode, both idle for longer than that.
fn idle_with_delay(extra: &str) -> (Server, Client) {
    let server = Server::start(&format!("flushDelay=4000\n{extra}"));
    let mut client = Client::open(&server);
    assert_eq!(client.call(1, CREATE, &create("/a", "", 0)), 0);
    std::thread::sleep(Duration::from_millis(4100));
    (server, client)
}

#[test]
fn flush_delay_counts_from_the_last_sync_and_ends_when_nothing_more_comes() {
    let (_server, mut client) = idle_with_delay("");
    let first = writes(&mut client, 2, 1);
    assert!(first < Duration::from_secs(3), "the log was idle for longer than the delay: {first:?}");
    let second = writes(&mut client, 3, 1);
    assert!(second >= Duration::from_millis(1000), "others may come for a third of the delay: {second:?}");
    assert!(second < Duration::from_millis(3900), "but nothing came: {second:?}");
}

#[test]
fn an_idle_log_is_synced_after_the_poll_time() {
    let (_server, mut client) = idle_with_delay("maxWriteQueuePollTime=10\n");
    let took = writes(&mut client, 2, 10);
    assert!(took >= Duration::from_millis(90), "nine of them wait for others: {took:?}");
    assert!(took < Duration::from_secs(3), "but not for long: {took:?}");
}

/// CPU time that a server has used.
fn cpu(server: &Server) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", server.child.id())).unwrap();
    let fields: Vec<u64> = stat
        .rsplit(')')
        .next()
        .unwrap()
        .split_whitespace()
        .skip(11)
        .take(2)
        .map(|f| f.parse().unwrap())
        .collect();
    Duration::from_millis(fields.iter().sum::<u64>() * 10)
}

#[test]
fn a_request_that_is_throttled_costs_nothing_while_it_waits() {
    let server =
        Server::start("request_throttle_max_requests=1\nflushDelay=3000\nmaxWriteQueuePollTime=3000\n");
    let mut busy = Client::open(&server);
    let mut held = Client::open(&server);
    busy.ask(1, CREATE, &create("/a", "", 0));
    server.wait_until("the write is in work", |server| server.word("srvr").contains("Outstanding: 1\n"));
    held.ask(1, EXISTS, &watched("/a"));
    std::thread::sleep(Duration::from_millis(100));
    let before = cpu(&server);
    std::thread::sleep(Duration::from_secs(1));
    let used = cpu(&server) - before;
    assert!(used < Duration::from_millis(300), "{used:?} of CPU in 1 s");
    assert_eq!((busy.reply(), held.reply()), ((1, 0), (1, 0)));
}

#[test]
fn a_connection_does_not_outlive_its_session_because_nobody_reads() {
    let server = Server::start("");
    let mut owner = Client::open(&server);
    assert_eq!(owner.call(1, CREATE, &create("/big", &"x".repeat(900_000), 0)), 0);
    let mut deaf = Client::open_for(&server, 1000);
    let gets: Vec<u8> = (1..=100).flat_map(|xid| frame(xid, GET_DATA, &watched("/big"))).collect();
    deaf.stream.write_all(&gets).expect("the server reads");
    let sid = format!("sid=0x{:x},", deaf.session);
    server.wait_until("it is there", |server| server.word("cons").contains(&sid));
    server.wait_until("its connection ends", |server| !server.word("cons").contains(&sid));
}
