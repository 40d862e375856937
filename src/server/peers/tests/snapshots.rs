//! Snapshots from a leader.

use super::*;
use crate::storage::{Disk, LogOptions, TxnLog};
use oxkeeper_codec::{Encode, learner::SNAPSHOT_END};

/// A snapshot without sessions and ACLs: the root, and znodes with so much data.
fn body(data: &[usize]) -> Vec<u8> {
    let mut out = Vec::new();
    0i32.encode(&mut out);
    0i32.encode(&mut out);
    let mut node = |path: &str, data: &[u8]| {
        path.encode(&mut out);
        Some(data).encode(&mut out);
        // The number of its ACL, and its Stat.
        out.extend([0; 8 + 60]);
    };
    node("", b"");
    data.iter().enumerate().for_each(|(number, &len)| node(&format!("/n{number}"), &vec![7; len]));
    "/".encode(&mut out);
    out
}

fn snap(body: &[u8]) -> Vec<u8> {
    let head = encoded(|out| ToLearner::Snap(Zxid(0x77)).encode(out));
    [&head, body, SNAPSHOT_END].concat()
}

/// A learner of a leader that is played by the test.
struct Learner {
    member: Member,
    disk: MemoryDisk,
    port: TcpListener,
    _election: TcpListener,
}

impl Learner {
    fn start() -> Self {
        let members = members(2);
        let disk = MemoryDisk::new("/snap");
        let options = PeerOptions { snap_disk: Arc::new(disk.clone()), ..options(1, &members) };
        // What is reached there dials nobody.
        let election = listen(&members[&ServerId(2)].election);
        let member = Member::with(options);
        Self { member, disk, port: listen(&members[&ServerId(2)].quorum), _election: election }
    }

    fn link(&self) -> (TcpStream, Link) {
        self.member.peers.tell(Command::HangUpAll);
        self.member.peers.tell(Command::Dial(ServerId(2)));
        let stream = patient(self.port.accept().expect("it dials").0);
        stream.set_nodelay(true).expect("it is ours");
        (stream, self.member.link())
    }

    /// Hears SNAP, the snapshot, and what is behind it, in this order; and installs it.
    fn installs(&self, link: Link, body: &[u8]) {
        assert_eq!(self.member.hear_leader(link), ToLearner::Snap(Zxid(0x77)));
        let (from, mut received) = self.member.hear("snapshot", |heard| match heard {
            Heard::Snapshot(from, received) => Some((from, received)),
            Heard::Zab(Event::FromLeader(..)) => panic!("{heard:?} before the snapshot"),
            _ => None,
        });
        assert_eq!((from, received.zxid()), (link, Zxid(0x77)));
        assert_eq!(self.member.hear_leader(link), ToLearner::Ping(Zxid(1)));
        let options = LogOptions { prealloc_bytes: 0, size_limit_bytes: None, force_sync: true };
        let mut log = TxnLog::new(Arc::new(self.disk.clone()), options, Vec::new());
        received.install(&mut log, None).expect("the disk works");
        let file = self.disk.content("snapshot.77").expect("it is installed");
        assert!(file.windows(body.len()).any(|part| part == body));
    }

    fn has_no_trace(&self) {
        // Another thread lets go of it.
        wait_until("empty folder", || self.disk.list().expect("it can be listed").is_empty());
    }
}

#[test]
fn a_snapshot_comes_whole_however_it_is_cut() {
    let learner = Learner::start();
    let ping = encoded(|out| ToLearner::Ping(Zxid(1)).encode(out));
    for (data, piece) in
        [(&[0, 3, 100][..], 1), (&[50; 20], 7), (&[0, 300_000, 9], 1000), (&[1_000_000], 1 << 30)]
    {
        let body = body(data);
        let (mut leader, link) = learner.link();
        let said = [snap(&body), ping.clone()].concat();
        for piece in said.chunks(piece) {
            leader.write_all(piece).expect("it reads");
        }
        learner.installs(link, &body);
    }
    learner.member.stop();
}

#[test]
fn a_snapshot_that_does_not_come_whole_leaves_nothing() {
    let learner = Learner::start();
    let body = body(&[100_000]);
    let whole = snap(&body);
    let mut damaged = whole.clone();
    *damaged.last_mut().expect("it has an end") ^= 1;
    let mut nonsense = whole.clone();
    // The number of sessions.
    nonsense[20..24].fill(0xff);
    for (what, bytes) in [
        ("cut", &whole[..50_000]),
        ("cut in its end", &whole[..whole.len() - 1]),
        ("another end", &damaged),
        ("none", &nonsense),
    ] {
        let (mut leader, link) = learner.link();
        leader.write_all(bytes).expect("it reads");
        leader.shutdown(Shutdown::Write).expect("it is ours");
        learner.member.hear(what, |heard| match heard {
            Heard::Zab(Event::Closed(ended)) => (ended == link).then_some(()),
            Heard::Snapshot(..) => panic!("{what}: {heard:?}"),
            _ => None,
        });
        learner.has_no_trace();
    }
    // Nor one whose link is given up.
    let (mut leader, _) = learner.link();
    leader.write_all(&whole[..50_000]).expect("it reads");
    let (mut leader, link) = learner.link();
    leader
        .write_all(&[whole, encoded(|out| ToLearner::Ping(Zxid(1)).encode(out))].concat())
        .expect("it reads");
    learner.installs(link, &body);
    learner.member.stop();
}

#[test]
fn everything_else_goes_on_while_a_snapshot_comes() {
    let (leader, to_learner, learner, to_leader) = leader_and_learner();
    let (writer, reader) = piece_stream();
    leader.tell_learner(to_learner, ToLearner::Snap(Zxid(0x77)));
    leader.peers.tell(Command::Stream(to_learner, reader));
    leader.tell_learner(to_learner, ToLearner::Ping(Zxid(1)));
    let body = body(&[1_000_000; 20]);
    let stream = [&body, &SNAPSHOT_END[..]].concat();
    let (first, rest) = stream.split_at(stream.len() / 2);
    assert!(writer.blocking_send(Bytes::copy_from_slice(first)));
    assert_eq!(learner.hear_leader(to_leader), ToLearner::Snap(Zxid(0x77)));
    learner.tell_leader(to_leader, ToLeader::Ack(Zxid(9)));
    leader.hear("packet", |heard| {
        matches!(heard, Heard::Zab(Event::FromLearner(_, ToLeader::Ack(Zxid(9))))).then_some(())
    });
    leader.votes(&[1], 5);
    assert_eq!(learner.vote_of(2), 5);
    // Slowly, until both ends have said that something moves.
    let (mut rest, mut moving) = (rest, [false; 2]);
    wait_until("sign of life", || {
        let piece;
        (piece, rest) = rest.split_at(1000);
        assert!(writer.blocking_send(Bytes::copy_from_slice(piece)));
        for (moves, (member, of)) in moving.iter_mut().zip([(&learner, to_leader), (&leader, to_learner)]) {
            let told =
                member.heard.try_iter().any(|heard| matches!(heard, Heard::Moving(link) if link == of));
            *moves = *moves || told;
        }
        moving == [true; 2]
    });
    for piece in rest.chunks(100_000) {
        assert!(writer.blocking_send(Bytes::copy_from_slice(piece)));
    }
    drop(writer);
    let zxid = learner.hear("snapshot", |heard| match heard {
        Heard::Snapshot(_, received) => Some(received.zxid()),
        _ => None,
    });
    assert_eq!(zxid, Zxid(0x77));
    assert_eq!(learner.hear_leader(to_leader), ToLearner::Ping(Zxid(1)));
    learner.stop();
    leader.stop();
}
