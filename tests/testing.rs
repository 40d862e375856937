//! Servers for tests: how fast they are there, what can be done to them, and that nothing of them stays.
#![allow(clippy::unwrap_used, reason = "a test may panic")]
#![expect(clippy::disallowed_methods, reason = "tests read the clock for their patience")]

mod common;

use common::{CREATE, Client, EXISTS, create, watched};
use oxkeeper::testing::{TestingEnsemble, TestingError, TestingServer};
use std::{
    fs,
    net::TcpStream,
    sync::Mutex,
    thread,
    time::{Duration, Instant},
};

const PATIENCE: Duration = Duration::from_secs(30);
const NO_NODE: i32 = -101;

/// Threads and descriptors of the process are counted: one test at a time.
static ALONE: Mutex<()> = Mutex::new(());

fn try_client(address: &str) -> Option<Client> {
    let stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    Client::try_on(stream, 10_000)
}

fn client(address: &str) -> Client {
    let until = Instant::now() + PATIENCE;
    loop {
        if let Some(client) = try_client(address) {
            return client;
        }
        assert!(Instant::now() < until, "nobody serves at {address}");
        thread::sleep(Duration::from_millis(10));
    }
}

fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < until, "{what}");
        thread::sleep(Duration::from_millis(10));
    }
}

fn count(dir: &str) -> usize {
    fs::read_dir(dir).unwrap().count()
}

/// Resident memory, in KiB.
fn memory_kib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
fn a_server_keeps_its_data_and_its_port_until_it_is_dropped() {
    let _alone = ALONE.lock();
    let mut server = TestingServer::start().unwrap();
    let (address, dir) = (server.connect_string(), server.data_dir().to_path_buf());
    assert_eq!(client(&address).call(1, CREATE, &create("/a", "1", 0)), 0);
    server.stop().unwrap();
    assert!(TcpStream::connect(&address).is_err());
    assert!(matches!(server.stop(), Err(TestingError::State("does not run"))));
    server.restart().unwrap();
    assert_eq!(server.connect_string(), address);
    assert_eq!(client(&address).call(1, EXISTS, &watched("/a")), 0);
    assert_eq!(client(&address).call(1, CREATE, &create("/b", "1", 0)), 0);
    server.kill().unwrap();
    server.restart().unwrap();
    // Once more, with one that runs.
    server.restart().unwrap();
    let mut held = client(&address);
    assert_eq!((held.call(1, EXISTS, &watched("/b")), held.call(2, EXISTS, &watched("/c"))), (0, NO_NODE));
    drop(server);
    assert!(TcpStream::connect(&address).is_err() && !dir.exists());
}

#[test]
fn settings_ports_and_directories_can_be_given() {
    let _alone = ALONE.lock();
    let dir = tempfile::tempdir().unwrap();
    let server = TestingServer::builder().data_dir(dir.path()).setting("tickTime", 100).start().unwrap();
    let taken = TestingServer::builder().port(server.port()).start().unwrap_err();
    assert!(taken.to_string().contains(&server.port().to_string()), "{taken}");
    let wrong = TestingServer::builder().setting("tickTime", "soon").start().unwrap_err();
    assert!(matches!(&wrong, TestingError::Settings(_)) && wrong.to_string().contains("tickTime"), "{wrong}");
    drop(server);
    assert!(dir.path().join("version-2").exists(), "a directory that was given stays");
}

#[test]
fn two_hundred_servers_leave_nothing() {
    let _alone = ALONE.lock();
    let use_one = || {
        let server = TestingServer::start().unwrap();
        assert_eq!(client(&server.connect_string()).call(1, CREATE, &create("/a", "1", 0)), 0);
    };
    // What is allocated once is not a leak.
    (0..20).for_each(|_| use_one());
    let (threads, descriptors, memory) = (count("/proc/self/task"), count("/proc/self/fd"), memory_kib());
    let began = Instant::now();
    (0..200).for_each(|_| use_one());
    let each = began.elapsed() / 200;
    wait_until("threads are left", || count("/proc/self/task") <= threads);
    assert_eq!(count("/proc/self/fd"), descriptors);
    let more = memory_kib().saturating_sub(memory);
    println!("a server, a session and a znode: {each:?}; {more} KiB more after 200");
    assert!(more < 200 * 16, "{more} KiB more");
}

#[test]
fn an_ensemble_outlives_its_leader() {
    let _alone = ALONE.lock();
    let began = Instant::now();
    let mut ensemble = TestingEnsemble::start(3).unwrap();
    println!("an ensemble of three: {:?}", began.elapsed());
    let leader = ensemble.leader().unwrap();
    assert_eq!(client(&ensemble.connect_string_of(leader)).call(1, CREATE, &create("/a", "1", 0)), 0);
    ensemble.kill(leader).unwrap();
    let others: Vec<usize> = (1..=3).filter(|&number| number != leader).collect();
    ensemble.await_serving(&others).unwrap();
    let next = ensemble.leader().unwrap();
    assert_ne!(next, leader);
    assert_eq!(client(&ensemble.connect_string_of(next)).call(1, EXISTS, &watched("/a")), 0);
    ensemble.restart(leader).unwrap();
    ensemble.await_serving(&[1, 2, 3]).unwrap();
    assert_eq!(ensemble.mode(leader).as_deref(), Some("follower"));
    ensemble.stop(next).unwrap();
    ensemble.restart(next).unwrap();
    ensemble.await_serving(&[1, 2, 3]).unwrap();
}

#[test]
fn members_are_kept_apart_and_come_back() {
    let _alone = ALONE.lock();
    let mut ensemble = TestingEnsemble::start(3).unwrap();
    let leader = ensemble.leader().unwrap();
    let others: Vec<usize> = (1..=3).filter(|&number| number != leader).collect();
    ensemble.partition(&[leader]);
    wait_until("the leader still leads nobody", || ensemble.mode(leader).is_none());
    ensemble.await_serving(&others).unwrap();
    let written = client(&ensemble.connect_string_of(others[0])).call(1, CREATE, &create("/apart", "1", 0));
    assert_eq!(written, 0);
    ensemble.heal();
    ensemble.await_serving(&[leader]).unwrap();
    let mut back = client(&ensemble.connect_string_of(leader));
    assert_eq!(back.call(1, EXISTS, &watched("/apart")), 0);

    let leader = ensemble.leader().unwrap();
    let others: Vec<usize> = (1..=3).filter(|&number| number != leader).collect();
    ensemble.pause(leader);
    wait_until("nobody else leads", || ensemble.leader().is_some_and(|next| next != leader));
    ensemble.await_serving(&others).unwrap();
    ensemble.resume(leader);
    ensemble.await_serving(&[leader]).unwrap();
    assert_eq!(ensemble.mode(leader).as_deref(), Some("follower"));
    let address = ensemble.connect_string();
    drop(ensemble);
    assert!(address.split(',').all(|member| TcpStream::connect(member).is_err()));
}
