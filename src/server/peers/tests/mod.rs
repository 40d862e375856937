//! The wing over real sockets of the loopback.

mod electing;

use super::{Address, Command, Heard, Listener, PeerOptions, Peers, Ports};
use crate::{
    storage::{Compression, MemoryDisk},
    zab::{Event, Members},
};
use oxkeeper_codec::{
    ServerId, Zxid,
    election::{Notification, PeerState},
};
use std::{
    collections::BTreeMap,
    net::TcpListener,
    sync::{
        Arc,
        mpsc::{Receiver, Sender, channel},
    },
    time::Duration,
};

/// Longer than anything takes here.
const PATIENCE: Duration = Duration::from_secs(20);

/// Hears for a test.
struct Ear {
    heard: Sender<Heard>,
}

impl Listener for Ear {
    fn heard(&self, heard: Heard) {
        drop(self.heard.send(heard));
    }

    fn turn(&self) {}
}

/// A member that does nothing by itself.
struct Member {
    peers: Peers,
    heard: Receiver<Heard>,
}

impl Member {
    fn start(id: i64, members: &BTreeMap<ServerId, Ports>) -> Self {
        Self::with(options(id, members))
    }

    fn with(options: PeerOptions) -> Self {
        let (sender, heard) = channel();
        let peers = Peers::start(options, Arc::new(Ear { heard: sender })).expect("free ports");
        Self { peers, heard }
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

/// Members 1 to `count` on free ports.
fn members(count: i64) -> BTreeMap<ServerId, Ports> {
    let free = || TcpListener::bind("127.0.0.1:0").expect("a free port");
    let taken: Vec<_> = (0..count).map(|_| (free(), free())).collect();
    let at = |listener: &TcpListener| {
        let port = listener.local_addr().expect("its number").port();
        vec![Address { host: "127.0.0.1".to_owned(), port }]
    };
    let ports = taken.iter().map(|(quorum, election)| Ports {
        quorum: at(quorum),
        election: at(election),
        observer: false,
    });
    (1..).map(ServerId).zip(ports).collect()
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
        dial_pause: Duration::from_millis(10),
        register_timeout: Duration::from_secs(5),
        no_delay_to_leader: true,
        no_delay_to_learners: true,
        max_packet_bytes: 0xfffff,
        snap_disk: Arc::new(MemoryDisk::new("/snap")),
        snap_compression: Compression::None,
    }
}
