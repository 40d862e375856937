//! The election port.

use super::*;
use oxkeeper_codec::Encode;

/// A notification, as it stands on the wire.
pub(super) fn framed(zxid: i64) -> Vec<u8> {
    encoded(|out| vote(zxid).encode_framed(out).expect("short"))
}

pub(super) fn hello(sid: i64, addresses: &[&str]) -> Vec<u8> {
    let addresses = addresses.iter().map(|&address| address.to_owned()).collect();
    encoded(|out| Hello { sid: ServerId(sid), addresses }.encode(out))
}

/// Reads a hello from a member.
fn read_hello(stream: &mut TcpStream) -> Hello {
    let mut input = Vec::new();
    loop {
        let mut byte = [0];
        stream.read_exact(&mut byte).expect("a hello");
        input.extend(byte);
        if let Some((hello, _)) = Hello::decode(&input).expect("a hello") {
            return hello;
        }
    }
}

/// Reads a notification, and tells its zxid.
pub(super) fn read_vote(stream: &mut TcpStream) -> i64 {
    let mut len = [0; 4];
    stream.read_exact(&mut len).expect("a length");
    let mut body = vec![0; usize::try_from(i32::from_be_bytes(len)).expect("a length")];
    stream.read_exact(&mut body).expect("a notification");
    Notification::decode(&Bytes::from(body)).expect("a notification").zxid.0
}

#[test]
fn members_talk_whoever_comes_first() {
    for order in [[1, 2, 3], [3, 2, 1], [2, 3, 1]] {
        let members = members(3);
        let started: Vec<_> = order
            .iter()
            .map(|&id| {
                let member = Member::start(id, &members);
                member.votes(&[1, 2, 3], 10 + id);
                (id, member)
            })
            .collect();
        for (id, member) in &started {
            let mut missing: Members = [1, 2, 3].map(ServerId).into();
            missing.remove(&ServerId(*id));
            member.hear("votes of all others", |heard| {
                if let Heard::Zab(Event::Notified(from, said)) = heard {
                    assert_eq!(said.zxid.0, 10 + from.0);
                    missing.remove(&from);
                }
                missing.is_empty().then_some(())
            });
        }
        started.into_iter().for_each(|(_, member)| member.stop());
    }
}

#[test]
fn a_member_that_was_away_is_told_the_newest_alone() {
    for (stays, goes) in [(1, 2), (2, 1)] {
        let members = members(2);
        let first = Member::start(stays, &members);
        first.misses(goes);
        for _ in 0..2 {
            (1..=5).for_each(|zxid| first.votes(&[goes], zxid));
            let second = Member::start(goes, &members);
            first.reaches(goes);
            assert_eq!(second.vote_of(stays), 5);
            second.votes(&[stays], 7);
            assert_eq!(first.vote_of(goes), 7);
            second.stop();
            first.misses(goes);
        }
        first.stop();
    }
}

#[test]
fn a_lower_id_is_dialled_back_and_its_own_connection_ended() {
    let members = members(2);
    let low = listen(&members[&ServerId(1)].election);
    let high = Member::start(2, &members);
    // Before, between and after: it may ask when it likes.
    for round in 0..3 {
        if round > 0 {
            let mut asks = connect(&members[&ServerId(2)].election);
            asks.write_all(&hello(1, &["127.0.0.1:1"])).expect("it listens");
            assert!(is_ended(&mut asks));
        }
        let mut kept = patient(low.accept().expect("it dials").0);
        let hello = read_hello(&mut kept);
        let own = members[&ServerId(2)].election[0].to_string();
        assert_eq!(hello, Hello { sid: ServerId(2), addresses: vec![own] });
        high.reaches(1);
        high.votes(&[1], 30 + round);
        assert_eq!(read_vote(&mut kept), 30 + round);
        kept.write_all(&framed(40 + round)).expect("it reads");
        assert_eq!(high.vote_of(1), 40 + round);
    }
    high.stop();
}

#[test]
fn a_higher_id_is_asked_to_dial_and_keeps_its_connection() {
    let members = members(3);
    let high = listen(&members[&ServerId(3)].election);
    let low = Member::start(2, &members);
    let mut asks = patient(high.accept().expect("it asks").0);
    assert_eq!(read_hello(&mut asks).sid, ServerId(2));
    assert!(is_ended(&mut asks));
    // What is said at once may come with the hello. All forms of it: 3.4; one address; several.
    let mut before: Option<TcpStream> = None;
    for addresses in [&[][..], &["127.0.0.1:3888"], &["127.0.0.1:3888", "[::1]:3888"]] {
        let zxid = 10 + i64::try_from(addresses.len()).expect("few");
        let mut kept = connect(&members[&ServerId(2)].election);
        kept.write_all(&[hello(3, addresses), framed(zxid)].concat()).expect("it listens");
        low.reaches(3);
        assert_eq!(low.vote_of(3), zxid);
        low.votes(&[3], zxid + 10);
        assert_eq!(read_vote(&mut kept), zxid + 10);
        if let Some(mut before) = before.replace(kept) {
            assert!(is_ended(&mut before), "it was replaced");
        }
    }
    drop((before, high));
    low.misses(3);
    low.stop();
}

#[test]
fn who_takes_nothing_is_told_the_newest_once_it_does() {
    let members = members(2);
    let low = Member::start(1, &members);
    let mut slow = connect(&members[&ServerId(1)].election);
    slow.write_all(&hello(2, &[])).expect("it listens");
    low.reaches(2);
    let text: Bytes = vec![b'a'; 200_000].into();
    for zxid in 1..=1000 {
        let config = Some(oxkeeper_codec::ByteStr::from_bytes_lossy(text.clone()));
        let said = Notification { config, ..vote(zxid) };
        low.peers.tell(Command::Notify(Members::from([ServerId(2)]), said));
    }
    // It is read by the wing, so all commands before it were carried out.
    slow.write_all(&framed(77)).expect("it reads");
    assert_eq!(low.vote_of(2), 77);
    let mut told = 0;
    while read_vote(&mut slow) != 1000 {
        told += 1;
    }
    assert!(told < 500, "{told} that are old were kept");
    low.stop();
}

#[test]
fn strangers_hinder_nobody() {
    let members = members(2);
    let port = members[&ServerId(2)].election.clone();
    let first = Member::start(2, &members);
    let crowd: Vec<_> = (0..400).map(|_| connect(&port)).collect();
    let half = hello(1, &["127.0.0.1:3888"]);
    let endings: Vec<(&str, Vec<u8>)> = vec![
        ("half a hello", half[..half.len() - 1].to_vec()),
        ("a request of the web", b"GET / HTTP/1.1\r\n\r\n".to_vec()),
        ("a version of nobody", (-1i64).to_be_bytes().to_vec()),
        ("no member", hello(9, &["127.0.0.1:1"])),
        ("this member", hello(2, &["127.0.0.1:1"])),
        ("a length of 2 GiB", encoded(|out| (-65536i64, 1i64).encode_each(out, i32::MAX))),
        ("no address", encoded(|out| (-65536i64, 1i64).encode_each(out, -1))),
    ];
    for (what, bytes) in endings {
        let mut stranger = connect(&port);
        stranger.write_all(&bytes).expect(what);
        stranger.shutdown(Shutdown::Write).expect(what);
        assert!(is_ended(&mut stranger), "{what}");
    }
    let second = Member::start(1, &members);
    second.votes(&[2], 11);
    assert_eq!(first.vote_of(1), 11);
    // The oldest of the crowd have made room.
    let ended =
        crowd.into_iter().map(|mut stranger| is_ended(&mut stranger)).take(100).filter(|&ended| ended);
    assert_eq!(ended.count(), 100);
    first.stop();
    second.stop();
}

trait EncodeEach {
    fn encode_each(self, out: &mut Vec<u8>, len: i32);
}

impl EncodeEach for (i64, i64) {
    /// A hello whose addresses have this length.
    fn encode_each(self, out: &mut Vec<u8>, len: i32) {
        self.0.encode(out);
        self.1.encode(out);
        len.encode(out);
    }
}

#[test]
fn nonsense_of_a_member_costs_its_own_connection() {
    let members = members(2);
    let low = Member::start(1, &members);
    let came = || {
        let mut high = connect(&members[&ServerId(1)].election);
        high.write_all(&hello(2, &[])).expect("it listens");
        low.reaches(2);
        high
    };
    for len in [0, -1, 512 * 1024 + 1, i32::MAX] {
        let mut high = came();
        high.write_all(&len.to_be_bytes()).expect("it listens");
        assert!(is_ended(&mut high), "{len}");
    }
    let mut high = came();
    // Too short for a notification, and no state: both are passed over.
    let odd = [&[0, 0, 0, 3, 1, 2, 3][..], &[0, 0, 0, 28], &[9; 28], &framed(5)].concat();
    high.write_all(&odd).expect("it listens");
    assert_eq!(low.vote_of(2), 5);
    low.stop();
}

#[test]
fn any_address_of_a_member_will_do() {
    let mut members = members(2);
    for ports in members.values_mut() {
        ports.election.insert(0, nobody());
    }
    let unknown = HostPort { host: "nobody.invalid".to_owned(), port: 1 };
    members.get_mut(&ServerId(1)).expect("a member").election.insert(0, unknown);
    let [one, two] =
        [1, 2].map(|id| Member::with(PeerOptions { multi_address: true, ..options(id, &members) }));
    one.reaches(2);
    two.reaches(1);
    one.stop();
    two.stop();
}

#[test]
fn observers_do_not_look_for_each_other() {
    let mut members = members(3);
    for id in [2, 3] {
        members.get_mut(&ServerId(id)).expect("a member").observer = true;
    }
    let other = listen(&members[&ServerId(3)].election);
    let [voter, observer] = [1, 2].map(|id| Member::start(id, &members));
    observer.votes(&[1, 3], 12);
    assert_eq!(voter.vote_of(2), 12);
    let mut asks = patient(other.accept().expect("the voter asks").0);
    assert_eq!(read_hello(&mut asks).sid, ServerId(1));
    other.set_nonblocking(true).expect("it is ours");
    while let Ok((mut asks, _)) = other.accept() {
        assert_eq!(read_hello(&mut asks).sid, ServerId(1));
    }
    voter.stop();
    observer.stop();
}

#[test]
fn a_port_that_is_taken_ends_the_start_or_is_waited_for() {
    let members = members(1);
    let taken = listen(&members[&ServerId(1)].election);
    let start = |attempts| {
        let options = PeerOptions { bind_attempts: attempts, ..options(1, &members) };
        Peers::start(
            options,
            Arc::new(Ear { heard: channel().0, full: Arc::default(), behind: Arc::default() }),
        )
    };
    let error = start(Some(1)).expect_err("it is taken");
    assert_eq!(error.kind(), std::io::ErrorKind::AddrInUse);
    assert!(error.to_string().contains(&members[&ServerId(1)].election[0].to_string()), "{error}");
    let waits = start(None).expect("it comes up");
    drop(taken);
    wait_until("listener", || listens(&members[&ServerId(1)].election));
    waits.stop().expect("no panic");
}

/// While a change is under way, others may look for it at either place.
#[test]
fn a_member_listens_where_the_configuration_has_it() {
    let (before, after) = (members(2), members(2));
    let [old, new] = [&before, &after].map(|members| members[&ServerId(1)].clone());
    let member = Member::start(1, &before);
    let know = |known: &[&BTreeMap<ServerId, Ports>]| {
        member.peers.tell(Command::Members(known.iter().map(|members| membership(members)).collect()));
    };
    member.peers.tell(Command::Listen);
    let is_at = |ports: &Ports| listens(&ports.quorum) && listens(&ports.election);
    wait_until("listener", || is_at(&old));
    know(&[&before, &after]);
    wait_until("second listener", || is_at(&new));
    wait_until("first listener", || is_at(&old));
    know(&[&after]);
    wait_until("end of the first", || !listens(&old.quorum) && !listens(&old.election));
    wait_until("second listener", || is_at(&new));
    // It goes on without a vote, and may be taken back.
    let without = after.clone().into_iter().filter(|(id, _)| *id != ServerId(1)).collect();
    know(&[&without]);
    know(&[&without]);
    member.peers.tell(Command::HangUpAll);
    wait_until("end of the quorum port", || !listens(&new.quorum));
    assert!(listens(&new.election) && !listens(&old.election));
    member.stop();
}

#[test]
fn a_place_that_is_taken_is_waited_for() {
    let (before, mut after) = (members(1), members(1));
    let taken = listen(&after[&ServerId(1)].election);
    let member = Member::start(1, &before);
    let other_name = |address: &HostPort| HostPort { host: "127.0.0.2".to_owned(), ..address.clone() };
    let know = |members: &BTreeMap<ServerId, Ports>| {
        member.peers.tell(Command::Members(vec![membership(members)]));
    };
    know(&after);
    wait_until("end of the first", || !listens(&before[&ServerId(1)].election));
    drop(taken);
    wait_until("listener", || listens(&after[&ServerId(1)].election));
    // The same port of another address.
    let ports = after.get_mut(&ServerId(1)).expect("a member");
    for addresses in [&mut ports.quorum, &mut ports.election] {
        *addresses = addresses.iter().map(other_name).collect();
    }
    know(&after);
    wait_until("listener", || listens(&after[&ServerId(1)].election));
    member.stop();
}
