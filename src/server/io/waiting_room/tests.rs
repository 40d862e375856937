//! Who is answered, who waits, who is let go.

use super::*;
use crate::{
    config::{FourLetterWord, FourLetterWords},
    server::operators::{Desk, Ports, TraceMask},
};
use std::net::Ipv4Addr;

const PATIENCE: Duration = Duration::from_secs(20);
/// The beginning of a handshake: no word.
const HANDSHAKE: &[u8] = b"\0\0\0\x2d\0\0\0\0";
const NOT_SERVING: &str = "This ZooKeeper instance is not currently serving requests";

fn room(words: FourLetterWords, silence: Duration, descriptors: u32) -> (WaitingRoom, SocketAddr) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    (
        WaitingRoom::open(
            listener,
            House {
                words: Arc::new(Desk::new(
                    words,
                    Ports { client: Some(address.port()), secure: None },
                    TraceMask::default(),
                )),
                silence,
                descriptors,
                clock: Clock::start(),
            },
        )
        .unwrap(),
        address,
    )
}

fn open_to_all() -> (WaitingRoom, SocketAddr) {
    room(FourLetterWords::all(), PATIENCE, 100)
}

fn says(address: SocketAddr, bytes: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(bytes).unwrap();
    stream
}

/// All that comes until the connection is closed.
fn answer(mut stream: TcpStream) -> String {
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

fn ask(address: SocketAddr, word: &[u8]) -> String {
    answer(says(address, word))
}

#[test]
fn words_are_answered_as_by_a_server_that_does_not_serve_yet() {
    let (room, address) = open_to_all();
    assert_eq!(ask(address, b"ruok"), "imok");
    assert_eq!(ask(address, b"isro"), "null");
    assert_eq!(ask(address, b"hash"), NOT_SERVING);
    for word in
        ["srvr", "stat", "mntr", "conf", "cons", "dump", "dirs", "wchs", "wchc", "wchp", "crst", "srst"]
    {
        assert_eq!(ask(address, word.as_bytes()), format!("{NOT_SERVING}\n"), "{word}");
    }
    assert!(ask(address, b"envi\r\n").starts_with("Environment:\n"));
    assert_eq!(ask(address, b"gtmk"), "306");
    assert_eq!(ask(address, b"stmk\0\0\0\0\0\0\0\x07"), "7");
    assert_eq!(ask(address, b"gtmk"), "7");
    assert_eq!(ask(address, b"\xff\xf4\xff\xfd"), "");
    let door = room.close().unwrap();
    assert_eq!(door.waiting.len(), 0);
}

#[test]
fn a_word_that_is_not_listed_gets_the_notice() {
    let (room, address) = room(FourLetterWords::LEAST.with(FourLetterWord::Isro), PATIENCE, 100);
    assert_eq!(ask(address, b"ruok"), "ruok is not executed because it is not in the whitelist.\n");
    assert_eq!(ask(address, b"srvr"), format!("{NOT_SERVING}\n"));
    room.close().unwrap();
}

#[test]
fn a_word_may_come_in_pieces_and_with_the_end_of_the_stream() {
    let (room, address) = open_to_all();
    let mut slow = says(address, b"ru");
    // Somebody else is answered in between, so the piece has been seen.
    assert_eq!(ask(address, b"ruok"), "imok");
    slow.write_all(b"ok").unwrap();
    slow.shutdown(Shutdown::Write).unwrap();
    assert_eq!(answer(slow), "imok");
    room.close().unwrap();
}

#[test]
fn everybody_else_is_handed_over_untouched_and_in_order() {
    let (room, address) = open_to_all();
    let mut guests = Vec::new();
    for said in [HANDSHAKE, b"", b"ru", b"GET / HTTP/1.1\r\n"] {
        guests.push(says(address, said));
        assert_eq!(ask(address, b"ruok"), "imok");
    }
    let door = room.close().unwrap();
    let peers: Vec<_> = door.waiting.iter().map(|(_, peer)| *peer).collect();
    assert_eq!(peers, guests.iter().map(|guest| guest.local_addr().unwrap()).collect::<Vec<_>>());
    let mut bytes = [0; 64];
    assert_eq!((&door.waiting[0].0).read(&mut bytes).unwrap(), HANDSHAKE.len());
    assert_eq!(&bytes[..HANDSHAKE.len()], HANDSHAKE);
    // The port is open all the time.
    TcpStream::connect(address).unwrap();
    assert!(door.listener.accept().is_ok());
}

#[test]
fn who_hangs_up_gives_its_place_up() {
    let (room, address) = room(FourLetterWords::all(), PATIENCE, 1);
    drop(says(address, HANDSHAKE));
    drop(says(address, b""));
    assert_eq!(ask(address, b"ruok"), "imok", "there is room for one");
    assert_eq!(room.close().unwrap().waiting.len(), 0);
}

#[test]
fn further_ones_wait_in_the_backlog() {
    let (room, address) = room(FourLetterWords::all(), PATIENCE, 2);
    let mut guests = vec![says(address, HANDSHAKE)];
    assert_eq!(ask(address, b"ruok"), "imok");
    guests.push(says(address, HANDSHAKE));
    guests.push(says(address, HANDSHAKE));
    let third = says(address, b"ruok");
    guests.remove(0);
    guests.remove(0);
    assert_eq!(answer(third), "imok", "once there is room");
    let door = room.close().unwrap();
    assert!(door.waiting.len() <= 2);
}

#[test]
fn who_says_nothing_for_long_is_let_go_and_who_asks_for_a_session_is_not() {
    let (room, address) = room(FourLetterWords::all(), Duration::from_millis(1), 100);
    let asks = says(address, HANDSHAKE);
    assert_eq!(answer(says(address, b"")), "");
    // The mask never comes.
    let mut text = String::new();
    drop(says(address, b"stmk").read_to_string(&mut text));
    assert_eq!(text, "");
    let door = room.close().unwrap();
    assert_eq!(door.waiting.len(), 1);
    assert_eq!(door.waiting[0].1, asks.local_addr().unwrap());
}
