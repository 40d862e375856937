//! How a whole server paces clients and itself: what waits, for how long, and what waiting costs.
#![allow(clippy::unwrap_used, reason = "a test may panic")]
#![expect(clippy::disallowed_methods, reason = "tests read the clock for their patience")]

mod common;

use common::{
    CLOSE_SESSION, CREATE, Client, EXISTS, GET_DATA, SET_DATA, Server, create, frame, rest, set, watched,
};
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
    let (server, [mut busy, mut held]) = Server::throttled(3000, "");
    server.occupy(&mut busy, &frame(1, CREATE, &create("/a", "", 0)));
    held.ask(1, EXISTS, &watched("/a"));
    std::thread::sleep(Duration::from_millis(100));
    let before = cpu(&server);
    std::thread::sleep(Duration::from_secs(1));
    let used = cpu(&server) - before;
    assert!(used < Duration::from_millis(300), "{used:?} of CPU in 1 s");
    assert_eq!((busy.reply(), held.reply()), ((1, 0), (1, 0)));
}

#[test]
fn a_request_that_waits_is_looked_at_again_after_the_stall_time() {
    let (server, [mut busy, mut gone]) = Server::throttled(2000, "request_throttle_stall_time=600000\n");
    server.occupy(&mut busy, &frame(1, CREATE, &create("/a", "", 0)));
    gone.ask(1, CREATE, &create("/gone", "", 0));
    server.wait_until("it waits", |server| server.figure("request_throttle_wait_count") == "1");
    drop(gone);
    server.wait_until("the write ends", |server| {
        let dropped = server.figure("stale_requests_dropped");
        let occupied = server.is_occupied();
        assert!(!occupied || dropped == "0", "it was looked at before");
        !occupied
    });
    assert_eq!(busy.reply(), (1, 0));
    // A write that ends has all look again.
    server.wait_until("it is dropped", |server| server.figure("stale_requests_dropped") == "1");
}

#[test]
fn a_request_is_stale_after_its_sessions_timeout_if_that_is_checked() {
    // The session itself lasts until the next tick.
    let lines = "tickTime=600000\nminSessionTimeout=500\nmaxSessionTimeout=500\n";
    for (more, dropped, late) in [
        ("request_stale_latency_check=true\n", "1", "0"),
        ("request_stale_latency_check=true\nrequest_throttle_drop_stale=false\n", "0", "1"),
        ("", "0", "0"),
    ] {
        let (server, [mut busy, mut held]) = Server::throttled(2000, &format!("{lines}{more}"));
        server.occupy(&mut busy, &frame(1, CREATE, &create("/a", "", 0)));
        let since = Instant::now();
        held.ask(1, EXISTS, &watched("/none"));
        if dropped == "1" {
            assert_eq!(rest(&mut held.stream), "", "it is cut off");
        } else {
            assert_eq!(held.reply(), (1, -101));
        }
        assert!(since.elapsed() > Duration::from_millis(500), "{:?}", since.elapsed());
        assert_eq!(server.is_occupied(), dropped == "1", "it need not wait for the write");
        assert_eq!(busy.reply(), (1, 0));
        assert_eq!(server.figure("stale_requests_dropped"), dropped, "{more}");
        assert_eq!(server.figure("stale_requests"), late, "{more}");
    }
}

#[test]
fn a_sync_covers_no_more_writes_than_max_batch_size() {
    // The session and the znode have one each.
    for (lines, syncs, most) in [("maxBatchSize=4\n", "5", "4"), ("maxBatchSize=-1\n", "3", "10")] {
        let server = Server::start(lines);
        let mut client = Client::open(&server);
        assert_eq!(client.call(1, CREATE, &create("/a", "", 0)), 0);
        // In one segment: the server reads them at once.
        let sets: Vec<u8> = (2..12).flat_map(|xid| frame(xid, SET_DATA, &set("/a", ""))).collect();
        client.stream.write_all(&sets).expect("the server reads");
        for xid in 2..12 {
            assert_eq!(client.reply(), (xid, 0));
        }
        let figures = ["cnt", "max"].map(|part| server.figure(&format!("{part}_sync_processor_batch_size")));
        assert_eq!(figures, [syncs, most], "{lines}");
    }
}

#[test]
fn a_batch_that_is_full_waits_for_nothing() {
    let server = Server::start("flushDelay=600000\nmaxWriteQueuePollTime=600000\nmaxBatchSize=2\n");
    let mut clients = Client::open_two(&server);
    for (client, path) in clients.iter_mut().zip(["/a", "/b"]) {
        client.ask(1, CREATE, &create(path, "", 0));
    }
    assert_eq!(clients.map(|mut client| client.reply()), [(1, 0); 2]);
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

#[test]
fn what_a_client_asks_before_it_closes_the_connection_is_done() {
    let server = Server::start("");
    let mut other = Client::open(&server);
    let mut client = Client::open(&server);
    assert_eq!(client.call(1, CREATE, &create("/ephemeral", "", 1)), 0);
    // Requests and the end of the connection are there together, as often with the C client, which does not wait
    // for the answer when it closes its session.
    server.signal("-STOP");
    client.ask(2, CREATE, &create("/last", "", 0));
    client.ask(3, CLOSE_SESSION, &[]);
    drop(client);
    server.signal("-CONT");
    // `dump` leaves a session out as soon as it is going to end: its ephemerals go with the transaction.
    let mut xid = 0;
    server.wait_until("the session is closed", |_| {
        xid += 1;
        other.call(xid, EXISTS, &watched("/ephemeral")) == -101
    });
    assert_eq!(other.call(xid + 1, EXISTS, &watched("/last")), 0);
}
