//! The quorum port.

use super::*;
use oxkeeper_codec::{Encode, PacketType};

fn proposal(zxid: i64, len: usize) -> ToLearner {
    ToLearner::Proposal(Zxid(zxid), Bytes::from(vec![u8::try_from(zxid % 256).expect("a byte"); len]))
}

#[test]
fn packets_go_both_ways_in_order() {
    let (leader, to_learner, learner, to_leader) = leader_and_learner();
    // Short and long ones are written in different ways.
    let packets: Vec<_> = (0..500)
        .flat_map(|n| {
            [proposal(n, usize::try_from(n * n).expect("small") % 5000), ToLearner::Commit(Zxid(n))]
        })
        .chain([ToLearner::UpToDate, proposal(500, 1_000_000), ToLearner::Sync])
        .collect();
    for packet in &packets {
        leader.tell_learner(to_learner, packet.clone());
    }
    for packet in packets {
        assert_eq!(learner.hear_leader(to_leader), packet);
    }
    let answers: Vec<_> = (0..100).map(|n| ToLeader::Ack(Zxid(n))).collect();
    answers.iter().for_each(|answer| learner.tell_leader(to_leader, answer.clone()));
    for answer in answers {
        assert_eq!(leader.hear_learner(to_learner), answer);
    }
    learner.stop();
    leader.is_closed(to_learner);
    leader.stop();
}

#[test]
fn a_stream_goes_before_what_is_said_afterwards() {
    let (leader, to_learner, learner, to_leader) = leader_and_learner();
    let (writer, reader) = piece_stream();
    leader.tell_learner(to_learner, ToLearner::Diff(Zxid(200)));
    leader.peers.tell(Command::Stream(to_learner, reader));
    leader.tell_learner(to_learner, ToLearner::UpToDate);
    for n in 0..200 {
        let piece = encoded(|out| proposal(n, 100_000).encode(out));
        if !writer.has_room() {
            leader.hear("room", |heard| matches!(heard, Heard::Room).then_some(()));
        }
        assert!(writer.send(piece.into()));
    }
    drop(writer);
    assert_eq!(learner.hear_leader(to_leader), ToLearner::Diff(Zxid(200)));
    for n in 0..200 {
        assert_eq!(learner.hear_leader(to_leader), proposal(n, 100_000));
    }
    assert_eq!(learner.hear_leader(to_leader), ToLearner::UpToDate);
    leader.stop();
    learner.stop();
}

#[test]
fn a_leader_waits_for_a_learner_that_is_full() {
    let (leader, to_learner, learner, to_leader) = leader_and_learner();
    learner.full.store(true, Ordering::Release);
    let (writer, reader) = piece_stream();
    leader.peers.tell(Command::Stream(to_learner, reader));
    let piece = Bytes::from(encoded(|out| proposal(7, 100_000).encode(out)));
    let mut count = 0;
    // Until the sockets are full, too.
    while writer.has_room() || leader.heard.recv_timeout(Duration::from_millis(500)).is_ok() {
        count += 1;
        assert!(count < 1000, "somebody reads it");
        assert!(writer.send(piece.clone()));
    }
    drop(writer);
    leader.votes(&[1], 5);
    assert_eq!(learner.vote_of(2), 5, "elections go on");
    learner.full.store(false, Ordering::Release);
    learner.peers.tell(Command::Resume);
    for _ in 0..count {
        assert_eq!(learner.hear_leader(to_leader), proposal(7, 100_000));
    }
    leader.stop();
    learner.stop();
}

#[test]
fn a_stream_whose_link_ends_is_closed() {
    let (leader, to_learner, learner, _) = leader_and_learner();
    // Nobody reads that much before it is hung up; and for a link that is no more.
    for _ in 0..2 {
        let (writer, reader) = piece_stream();
        leader.peers.tell(Command::Stream(to_learner, reader));
        leader.peers.tell(Command::HangUp(to_learner));
        while writer.blocking_send(Bytes::from(vec![0; 100_000])) {}
        assert!(writer.is_closed() && writer.has_room());
        leader.hear("room", |heard| matches!(heard, Heard::Room).then_some(()));
    }
    leader.stop();
    learner.stop();
}

/// A leader and two learners that are played by the test, with their links.
fn two_learners() -> (Member, Vec<HostPort>, [(TcpStream, Link); 2]) {
    let members = members(1);
    let leader = Member::start(1, &members);
    let port = members[&ServerId(1)].quorum.clone();
    leader.peers.tell(Command::Listen);
    let learners = [2, 3].map(|sid| {
        let mut learner = connect_when_listening(&port);
        learner.write_all(&encoded(|out| info(sid).encode(out))).expect("it listens");
        (learner, leader.link())
    });
    (leader, port, learners)
}

/// Nobody hears what is said over this connection any more, once what was heard before is out of the way.
fn is_silent(leader: &Member, learner: &mut TcpStream, link: Link) {
    let ack = encoded(|out| ToLeader::Ack(Zxid(1)).encode(out));
    assert!(is_ended(learner));
    while leader.heard.try_recv().is_ok() {}
    assert!(!(0..100).all(|_| learner.write_all(&ack).is_ok()), "somebody reads it");
    while let Ok(heard) = leader.heard.try_recv() {
        assert!(!format!("{heard:?}").contains(&format!("{link:?}")), "{heard:?}");
    }
}

#[test]
fn a_link_that_was_hung_up_is_heard_of_no_more() {
    let (leader, _, [(mut first, first_link), (mut second, second_link)]) = two_learners();
    let ack = encoded(|out| ToLeader::Ack(Zxid(1)).encode(out));
    first.write_all(&ack).expect("it listens");
    leader.peers.tell(Command::HangUp(first_link));
    is_silent(&leader, &mut first, first_link);
    second.write_all(&ack).expect("it listens");
    leader.hear("packet of the other one", |heard| {
        matches!(heard, Heard::Zab(Event::FromLearner(link, ToLeader::Ack(_))) if link == second_link)
            .then_some(())
    });
    // Nothing goes to it, either, and a link that ended is nobody's any more.
    leader.tell_learner(first_link, ToLearner::UpToDate);
    leader.peers.tell(Command::HangUp(first_link));
    leader.stop();
}

#[test]
fn all_links_end_with_their_leader() {
    let (leader, port, learners) = two_learners();
    let last = learners[1].1;
    leader.peers.tell(Command::HangUpAll);
    for (mut learner, link) in learners {
        is_silent(&leader, &mut learner, link);
    }
    wait_until("end of the listener", || !listens(&port));
    leader.peers.tell(Command::Listen);
    let mut next = connect_when_listening(&port);
    next.write_all(&encoded(|out| info(3).encode(out))).expect("it listens");
    assert!(leader.link() > last, "numbers are not given again");
    leader.stop();
}

/// The listener is another task's.
pub(super) fn connect_when_listening(port: &[HostPort]) -> TcpStream {
    wait_until("listener", || listens(port));
    connect(port)
}

#[test]
fn strangers_hinder_no_learner() {
    let members = members(1);
    let leader = Member::start(1, &members);
    let port = &members[&ServerId(1)].quorum;
    leader.peers.tell(Command::Listen);
    drop(connect_when_listening(port));
    let _crowd: Vec<_> = (0..400).map(|_| connect(port)).collect();
    let first = encoded(|out| info(2).encode(out));
    let huge = encoded(|out| (PacketType::FOLLOWERINFO, Zxid(0)).encode_with_len(out, 1 << 20));
    let negative = encoded(|out| (PacketType::FOLLOWERINFO, Zxid(0)).encode_with_len(out, -7));
    for (what, bytes) in [
        ("half a packet", &first[..first.len() - 1]),
        ("a request of the web", b"GET / HTTP/1.1\r\nHost: a\r\nAccept: */*\r\n\r\n"),
        ("an ACK", &encoded(|out| ToLeader::Ack(Zxid(1)).encode(out))),
        ("a packet of a leader", &encoded(|out| ToLearner::UpToDate.encode(out))),
        ("a long packet", &huge),
        ("a negative length", &negative),
    ] {
        let mut stranger = connect(port);
        stranger.write_all(bytes).expect(what);
        stranger.shutdown(Shutdown::Write).expect(what);
        assert!(is_ended(&mut stranger), "{what}");
    }
    let mut learner = connect(port);
    learner.write_all(&first).expect("it listens");
    match leader.heard.recv_timeout(PATIENCE).expect("a learner") {
        Heard::Zab(Event::Arrived(Link(1))) => {}
        other => panic!("no word of strangers: {other:?}"),
    }
    // Nor does a member send what is too long.
    learner.write_all(&huge[..12]).expect("it listens");
    learner.write_all(&i32::MAX.to_be_bytes()).expect("it listens");
    leader.is_closed(Link(1));
    leader.stop();
}

trait EncodeWithLen {
    fn encode_with_len(self, out: &mut Vec<u8>, len: i32);
}

impl EncodeWithLen for (PacketType, Zxid) {
    /// The head of a packet that announces so much data.
    fn encode_with_len(self, out: &mut Vec<u8>, len: i32) {
        self.0.encode(out);
        self.1.encode(out);
        len.encode(out);
    }
}

#[test]
fn a_packet_of_no_known_type_is_passed_over() {
    let members = members(1);
    let leader = Member::start(1, &members);
    leader.peers.tell(Command::Listen);
    let mut learner = connect_when_listening(&members[&ServerId(1)].quorum);
    let mut said = encoded(|out| info(2).encode(out));
    ToLearner::UpToDate.encode(&mut said);
    ToLeader::Ack(Zxid(5)).encode(&mut said);
    for byte in said {
        learner.write_all(&[byte]).expect("it listens");
    }
    let link = leader.link();
    assert_eq!(leader.hear_learner(link), info(2));
    assert_eq!(leader.hear_learner(link), ToLeader::Ack(Zxid(5)));
    leader.stop();
}

#[test]
fn a_leader_that_is_gone_is_not_dialled_for_ever() {
    let members = members(2);
    let learner = Member::start(1, &members);
    learner.misses(2);
    for leader in [2, 9] {
        learner.peers.tell(Command::Dial(ServerId(leader)));
        learner.hear("end of the dialling", |heard| match heard {
            Heard::Zab(Event::NotDialled(peer)) => (peer == ServerId(leader)).then_some(()),
            _ => None,
        });
    }
    learner.stop();
}

#[test]
fn what_was_said_before_a_stop_is_heard() {
    let (leader, to_learner, learner, to_leader) = leader_and_learner();
    // More than sockets hold, and nothing of it is taken yet, on either side.
    for member in [&leader, &learner] {
        member.full.store(true, Ordering::Release);
    }
    for zxid in 1..=40 {
        learner.tell_leader(to_leader, ToLeader::Ack(Zxid(zxid)));
        leader.tell_learner(to_learner, proposal(zxid, 500_000));
        leader.tell_learner(to_learner, ToLearner::Commit(Zxid(zxid)));
    }
    let stops = std::thread::Builder::new().spawn(|| leader.stop()).expect("a thread");
    learner.misses(2);
    learner.full.store(false, Ordering::Release);
    learner.peers.tell(Command::Resume);
    for zxid in 1..=40 {
        assert_eq!(learner.hear_leader(to_leader), proposal(zxid, 500_000));
        assert_eq!(learner.hear_leader(to_leader), ToLearner::Commit(Zxid(zxid)));
    }
    learner.is_closed(to_leader);
    stops.join().expect("it stops");
    learner.stop();
}

#[test]
fn who_neither_reads_nor_parts_does_not_keep_a_server_from_its_end() {
    let (leader, _, learners) = two_learners();
    for (_, link) in &learners {
        (1..=40).for_each(|zxid| leader.tell_learner(*link, proposal(zxid, 500_000)));
    }
    leader.stop();
}
