//! The wing over real sockets of the loopback.

mod crowds;
mod electing;
mod ensemble;
mod linking;
mod snapshots;

use super::{Command, Heard, Listener, PeerOptions, Peers, options::Ports, piece_stream};
use crate::{
    membership::{HostPort, Membership},
    storage::{Compression, MemoryDisk},
    testing::Reserved,
    zab::{Event, Link, Members},
};
use bytes::Bytes;
use oxkeeper_codec::{
    ServerId, Zxid,
    election::{Hello, Notification, PeerState},
    learner::{LearnerInfo, PROTOCOL_VERSION, ToLeader, ToLearner},
};
use std::{
    collections::BTreeMap,
    io::{Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, Sender, channel},
    },
    time::Duration,
};

/// Longer than anything takes here.
const PATIENCE: Duration = Duration::from_secs(20);

/// Hears for a test.
struct Ear {
    heard: Sender<Heard>,
    full: Arc<AtomicBool>,
    behind: Arc<AtomicBool>,
}

impl Listener for Ear {
    fn heard(&self, heard: Heard) {
        drop(self.heard.send(heard));
    }

    fn turn(&self) {}

    fn is_full(&self) -> bool {
        self.full.load(Ordering::Acquire)
    }

    fn is_behind(&self) -> bool {
        self.behind.load(Ordering::Acquire)
    }
}

/// A member that does nothing by itself.
struct Member {
    peers: Peers,
    heard: Receiver<Heard>,
    full: Arc<AtomicBool>,
    behind: Arc<AtomicBool>,
}

impl Member {
    fn start(id: i64, members: &BTreeMap<ServerId, Ports>) -> Self {
        Self::with(options(id, members))
    }

    fn with(options: PeerOptions) -> Self {
        let (sender, heard) = channel();
        let [full, behind] = [(); 2].map(|()| Arc::new(AtomicBool::new(false)));
        let ear = Ear { heard: sender, full: Arc::clone(&full), behind: Arc::clone(&behind) };
        let peers = Peers::start(options, Arc::new(ear)).expect("free ports");
        Self { peers, heard, full, behind }
    }

    /// Waits until something is heard that `pick` takes.
    fn hear<T>(&self, what: &str, mut pick: impl FnMut(Heard) -> Option<T>) -> T {
        let mut others = Vec::new();
        loop {
            let heard = self.heard.recv_timeout(PATIENCE);
            let heard = heard.unwrap_or_else(|_| panic!("no {what}, but {others:?}"));
            others.push(format!("{heard:?}"));
            if let Some(picked) = pick(heard) {
                return picked;
            }
        }
    }

    fn reaches(&self, id: i64) {
        self.hear(&format!("server {id}"), |heard| match heard {
            Heard::Zab(Event::Reachable(peer)) => (peer == ServerId(id)).then_some(()),
            _ => None,
        });
    }

    fn misses(&self, id: i64) {
        self.hear(&format!("end of server {id}"), |heard| match heard {
            Heard::Zab(Event::Unreachable(peer)) => (peer == ServerId(id)).then_some(()),
            _ => None,
        });
    }

    /// The zxid of the next vote.
    fn vote_of(&self, id: i64) -> i64 {
        self.hear(&format!("vote of server {id}"), |heard| match heard {
            Heard::Zab(Event::Notified(peer, said)) => (peer == ServerId(id)).then_some(said.zxid.0),
            _ => None,
        })
    }

    fn votes(&self, to: &[i64], zxid: i64) {
        let to: Members = to.iter().copied().map(ServerId).collect();
        self.peers.tell(Command::Notify(to, vote(zxid)));
    }

    /// The link that comes about next.
    fn link(&self) -> Link {
        self.hear("link", |heard| match heard {
            Heard::Zab(Event::Dialled(link) | Event::Arrived(link)) => Some(link),
            _ => None,
        })
    }

    fn is_closed(&self, link: Link) {
        self.hear("end of the link", |heard| match heard {
            Heard::Zab(Event::Closed(ended)) => (ended == link).then_some(()),
            _ => None,
        });
    }

    /// What a learner says next.
    fn hear_learner(&self, from: Link) -> ToLeader {
        self.hear("packet of a learner", |heard| match heard {
            Heard::Zab(Event::FromLearner(link, packet)) => (link == from).then_some(packet),
            _ => None,
        })
    }

    /// What the leader says next.
    fn hear_leader(&self, from: Link) -> ToLearner {
        self.hear("packet of the leader", |heard| match heard {
            Heard::Zab(Event::FromLeader(link, packet)) => (link == from).then_some(packet),
            _ => None,
        })
    }

    fn tell_leader(&self, link: Link, packet: ToLeader) {
        self.peers.tell(Command::ToLeader(link, packet));
    }

    fn tell_learner(&self, link: Link, packet: ToLearner) {
        self.peers.tell(Command::ToLearners(vec![link], packet));
    }

    fn stop(self) {
        self.peers.stop().expect("no panic");
    }
}

fn vote(zxid: i64) -> Notification {
    Notification {
        state: PeerState::Looking,
        leader: ServerId(1),
        zxid: Zxid(zxid),
        election_epoch: 1,
        peer_epoch: 0,
        config: None,
    }
}

fn info(sid: i64) -> ToLeader {
    ToLeader::Info(LearnerInfo {
        observer: false,
        accepted_epoch: 0,
        sid: ServerId(sid),
        protocol_version: PROTOCOL_VERSION,
        config_version: Some(0),
    })
}

fn encoded(encode: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode(&mut bytes);
    bytes
}

/// Bounds all waits.
fn patient(stream: TcpStream) -> TcpStream {
    stream.set_read_timeout(Some(PATIENCE)).expect("a time-out");
    stream.set_write_timeout(Some(PATIENCE)).expect("a time-out");
    stream
}

fn connect(addresses: &[HostPort]) -> TcpStream {
    patient(TcpStream::connect((&*addresses[0].host, addresses[0].port)).expect("somebody listens"))
}

fn listen(addresses: &[HostPort]) -> TcpListener {
    TcpListener::bind((&*addresses[0].host, addresses[0].port)).expect("a free port")
}

fn listens(addresses: &[HostPort]) -> bool {
    TcpStream::connect((&*addresses[0].host, addresses[0].port)).is_ok()
}

#[track_caller]
fn wait_until(what: &str, mut look: impl FnMut() -> bool) {
    for _ in 0..2000 {
        if look() {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("no {what}");
}

/// Whether the other side has ended the connection, without having said any more.
fn is_ended(stream: &mut TcpStream) -> bool {
    match stream.read(&mut [0]) {
        Ok(read) => read == 0,
        Err(error) => error.kind() == std::io::ErrorKind::ConnectionReset,
    }
}

/// Servers 2 and 1, each with its end of a link.
fn leader_and_learner() -> (Member, Link, Member, Link) {
    let members = members(2);
    let [learner, leader] = [1, 2].map(|id| Member::start(id, &members));
    learner.reaches(2);
    // It dials before anybody listens.
    learner.peers.tell(Command::Dial(ServerId(2)));
    leader.peers.tell(Command::Listen);
    let to_leader = learner.link();
    learner.tell_leader(to_leader, info(1));
    let to_learner = leader.link();
    assert_eq!(leader.hear_learner(to_learner), info(1));
    (leader, to_learner, learner, to_leader)
}

/// Where nobody listens, nor will before this process ends, but a test that is told of it.
fn nobody() -> HostPort {
    let reserved = Box::leak(Box::new(Reserved::any().expect("a free port")));
    HostPort { host: "127.0.0.1".to_owned(), port: reserved.port() }
}

/// Members 1 to `count` on free ports.
fn members(count: i64) -> BTreeMap<ServerId, Ports> {
    let ports = |_| Ports { quorum: vec![nobody()], election: vec![nobody()], observer: false };
    (1..).map(ServerId).zip((0..count).map(ports)).collect()
}

/// The same, as a configuration.
fn membership(members: &BTreeMap<ServerId, Ports>) -> Membership {
    let line = |(id, ports): (&ServerId, &Ports)| {
        format!("server.{id}={}:{}\n", ports.quorum[0], ports.election[0].port)
    };
    Membership::parse(&members.iter().map(line).collect::<String>()).expect("members")
}

#[test]
fn options_are_as_configured() {
    let dir = tempfile::tempdir().expect("a folder");
    let text = format!(
        "dataDir={}\ntickTime=1000\ninitLimit=10\nsyncLimit=5\nclientPort=2181\nserver.1=a:1:2\n\
         server.2=[::1]:3:4\nserver.3=c:5:6:observer\nquorumListenOnAllIPs=true\nelectionPortBindRetry=0\n\
         leaderConnectDelayDuringRetryMs=0\nfollower.nodelay=false\n",
        dir.path().display()
    );
    for (name, text) in [("zoo.cfg", &*text), ("myid", "2")] {
        std::fs::write(dir.path().join(name), text).expect("it is ours");
    }
    let config = crate::config::Config::load(&dir.path().join("zoo.cfg"), &[]).expect("good settings");
    let disk = Arc::new(MemoryDisk::new("/snap"));
    let options = PeerOptions::new(&config.ensemble.expect("three servers"), 0xfffff, disk);
    assert_eq!(options.me, ServerId(2));
    let shown = options.members.iter().map(|(id, ports)| {
        let Ports { quorum, election, observer } = ports;
        format!("{id}: {} {} {observer}", quorum[0], election[0])
    });
    let expected =
        ["1: a:1 a:2 false", "2: [0:0:0:0:0:0:0:1]:3 [0:0:0:0:0:0:0:1]:4 false", "3: c:5 c:6 true"];
    assert_eq!(shown.collect::<Vec<_>>(), expected);
    assert!(options.listen_on_all && !options.multi_address && !options.keep_alive);
    assert!(!options.no_delay_to_leader && options.no_delay_to_learners);
    assert_eq!(options.bind_attempts, None);
    let times = [options.connect_timeout, options.silence_timeout, options.dial_timeout, options.dial_pause];
    assert_eq!(times, [5000, 5000, 10_000, 1].map(Duration::from_millis));
    assert_eq!(options.register_timeout, Duration::from_secs(10));
}

fn options(id: i64, members: &BTreeMap<ServerId, Ports>) -> PeerOptions {
    PeerOptions {
        me: ServerId(id),
        members: members.clone(),
        listen_on_all: false,
        bind_attempts: Some(3),
        connect_timeout: Duration::from_secs(5),
        silence_timeout: Duration::from_secs(5),
        keep_alive: false,
        multi_address: false,
        dial_timeout: Duration::from_secs(5),
        observer_master_port: None,
        master_pause: Duration::from_millis(10),
        dial_pause: Duration::from_millis(10),
        register_timeout: Duration::from_secs(5),
        no_delay_to_leader: true,
        no_delay_to_learners: true,
        tls: None,
        login: None,
        max_packet_bytes: 0xfffff,
        snap_disk: Arc::new(MemoryDisk::new("/snap")),
        snap_compression: Compression::None,
        learners: Arc::default(),
    }
}
