//! Those who are too many, ask too much, or say too much.

use super::{
    electing::{framed, hello, read_vote},
    linking::connect_when_listening,
    *,
};
use crate::server::clock;
use oxkeeper_codec::SessionId;

/// Longer than something that was sent is on its way.
const ON_ITS_WAY: Duration = Duration::from_millis(300);

fn hears_nothing(member: &Member) {
    let heard = member.heard.recv_timeout(ON_ITS_WAY);
    assert!(heard.is_err(), "{heard:?}");
}

fn ack(zxid: i64) -> Vec<u8> {
    encoded(|out| ToLeader::Ack(Zxid(zxid)).encode(out))
}

/// A leader, and a learner that is played by the test.
fn leader_and_played() -> (Member, Link, TcpStream) {
    let members = members(2);
    let leader = Member::start(1, &members);
    leader.misses(2);
    leader.peers.tell(Command::Listen);
    let mut learner = connect_when_listening(&members[&ServerId(1)].quorum);
    learner.write_all(&encoded(|out| info(2).encode(out))).expect("it listens");
    let link = leader.link();
    assert_eq!(leader.hear_learner(link), info(2));
    (leader, link, learner)
}

#[test]
fn a_crowd_of_learners_makes_room_for_a_member() {
    let members = members(2);
    let leader = Member::start(1, &members);
    let port = &members[&ServerId(1)].quorum;
    leader.peers.tell(Command::Listen);
    drop(connect_when_listening(port));
    let join = |sid| {
        let mut learner = connect(port);
        learner.write_all(&encoded(|out| info(sid).encode(out))).expect("it listens");
        learner
    };
    let mut crowd: Vec<_> = (0..1000).map(|n| (join(1000 + n), leader.link())).collect();
    assert!(is_ended(&mut join(3000)), "there are too many of those");
    let _member = join(2);
    let (oldest, oldest_link) = &mut crowd[0];
    assert!(is_ended(oldest));
    leader.is_closed(*oldest_link);
    let link = leader.link();
    assert_eq!(leader.hear_learner(link), info(2));
    // Nor are there many of one id.
    let mut same: Vec<_> = (0..16).map(|_| join(2)).collect();
    assert!(is_ended(&mut same[15]));
    leader.stop();
}

#[test]
fn a_crowd_of_guests_makes_room_for_one_more() {
    let members = members(1);
    let member = Member::start(1, &members);
    let port = &members[&ServerId(1)].election;
    let come = |sid| {
        let mut guest = connect(port);
        guest.write_all(&hello(sid, &["127.0.0.1:1"])).expect("it listens");
        member.reaches(sid);
        guest
    };
    let mut crowd: Vec<_> = (0..64).map(|n| come(100 + n)).collect();
    let mut last = come(99);
    assert!(is_ended(&mut crowd[0]));
    member.votes(&[99, 101], 5);
    for guest in [&mut last, &mut crowd[1]] {
        assert_eq!(read_vote(guest), 5);
    }
    member.stop();
}

#[test]
fn who_votes_too_much_is_not_listened_to_for_a_while() {
    let members = members(1);
    let member = Member::start(1, &members);
    let mut guest = connect(&members[&ServerId(1)].election);
    guest.write_all(&hello(9, &["127.0.0.1:1"])).expect("it listens");
    member.reaches(9);
    guest.write_all(&(0..2000).flat_map(framed).collect::<Vec<_>>()).expect("it listens");
    let began = clock::now();
    assert!((0..2000).all(|zxid| member.vote_of(9) == zxid));
    assert!(began.elapsed() > Duration::from_secs(3), "some hundreds a second");
    member.stop();
}

#[test]
fn nothing_is_read_while_the_listener_is_behind() {
    let (leader, link, mut learner) = leader_and_played();
    leader.behind.store(true, Ordering::Release);
    learner.write_all(&ack(1)).expect("it listens");
    let listener = &leader.heard;
    let heard = |wait| std::iter::from_fn(move || listener.recv_timeout(wait).ok()).count();
    // Where a read was under way, it comes to its end.
    let first = heard(ON_ITS_WAY);
    learner.write_all(&ack(2)).expect("it listens");
    let behind = first + heard(ON_ITS_WAY);
    assert!(behind <= 1, "{behind} packets while the listener is behind");
    leader.behind.store(false, Ordering::Release);
    leader.peers.tell(Command::Resume);
    for zxid in 1 + i64::from(behind == 1)..=2 {
        assert_eq!(leader.hear_learner(link), ToLeader::Ack(Zxid(zxid)));
    }
    leader.stop();
}

#[test]
fn who_asks_and_takes_no_answers_is_not_listened_to() {
    let (leader, link, mut learner) = leader_and_played();
    let answer = ToLearner::Proposal(Zxid(7), Bytes::from(vec![0; 100_000]));
    (0..300).for_each(|_| leader.tell_learner(link, answer.clone()));
    let question = ToLeader::Revalidate { session: SessionId(5), timeout_ms: 1000 };
    let questions = encoded(|out| (0..1000).for_each(|_| question.encode(out)));
    learner.write_all(&questions).expect("it listens");
    assert!((0..1000).all(|_| leader.hear_learner(link) == question));
    learner.write_all(&ack(1)).expect("it listens");
    hears_nothing(&leader);
    let mut answers = vec![0; 300 * encoded(|out| answer.encode(out)).len()];
    learner.read_exact(&mut answers).expect("all of them");
    assert_eq!(leader.hear_learner(link), ToLeader::Ack(Zxid(1)));
    leader.stop();
}

#[test]
fn guests_that_take_nothing_make_room_for_one_that_does() {
    let members = members(2);
    let leader = Member::start(1, &members);
    leader.peers.tell(Command::Listen);
    let port = &members[&ServerId(1)].quorum;
    drop(connect_when_listening(port));
    let mut join = |sid| {
        let mut learner = connect(port);
        learner.write_all(&encoded(|out| info(sid).encode(out))).expect("it listens");
        let link = leader.link();
        assert_eq!(leader.hear_learner(link), info(sid));
        (link, learner)
    };
    let mut guests: Vec<_> = (1000..1003).map(&mut join).collect();
    let (member, _takes_nothing_either) = join(2);
    let packet = ToLearner::Proposal(Zxid(7), Bytes::from(vec![0; 1 << 20]));
    let tell = |link| leader.tell_learner(link, packet.clone());
    (0..30).for_each(|_| tell(guests[0].0));
    (0..100).for_each(|_| tell(member));
    // What it is sent, it takes: more is sent than all may leave waiting.
    for _ in 0..100 {
        tell(guests[1].0);
        let mut taken = vec![0; encoded(|out| packet.encode(out)).len()];
        guests[1].1.read_exact(&mut taken).expect("it goes on");
    }
    (0..60).for_each(|_| tell(guests[2].0));
    leader.is_closed(guests[0].0);
    tell(guests[1].0);
    let mut taken = vec![0; encoded(|out| packet.encode(out)).len()];
    guests[1].1.read_exact(&mut taken).expect("still there");
    leader.stop();
}
