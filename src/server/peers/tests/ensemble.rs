//! The wing with the protocol: members with a log in memory, on real sockets.

use super::*;
use crate::{
    membership::Membership,
    server::clock::Clock,
    zab::{Action, Ensemble, Options, RecentBounds, Role, Stored, Zab},
};
use parking_lot::Mutex;
use std::{collections::VecDeque, sync::mpsc::RecvTimeoutError};

/// What outlives a member: its disk.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Disk {
    accepted_epoch: i64,
    current_epoch: i64,
    log: Vec<(Zxid, Bytes)>,
}

/// What others see of a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Shown {
    role: Role,
    committed: Zxid,
}

enum Message {
    Heard(Heard),
    Propose(Bytes),
    Stop,
}

struct Mail(Sender<Message>);

impl Listener for Mail {
    fn heard(&self, heard: Heard) {
        drop(self.0.send(Message::Heard(heard)));
    }

    fn turn(&self) {}
}

/// A member on its thread, which is what the sequencer will be.
struct Runner {
    zab: Zab,
    peers: Peers,
    mail: Receiver<Message>,
    clock: Clock,
    disk: Disk,
    events: VecDeque<Event>,
    shown: Arc<Mutex<Shown>>,
}

impl Runner {
    fn run(mut self) -> Disk {
        self.events.push_back(Event::Wake);
        loop {
            while let Some(event) = self.events.pop_front() {
                let actions = self.zab.step(self.clock.elapsed_ms(), event);
                self.carry_out(actions);
            }
            *self.shown.lock() = Shown { role: self.zab.role(), committed: self.zab.committed() };
            let wait_ms = self.zab.deadline_ms().map_or(1000, |at| at - self.clock.elapsed_ms());
            let wait = Duration::from_millis(u64::try_from(wait_ms).unwrap_or(0));
            match self.mail.recv_timeout(wait) {
                Ok(Message::Heard(Heard::Zab(event))) => self.events.push_back(event),
                Ok(Message::Heard(_)) => {}
                Ok(Message::Propose(txn)) => {
                    let actions = self.zab.propose(self.clock.elapsed_ms(), txn);
                    self.carry_out(actions);
                }
                Err(RecvTimeoutError::Timeout) => self.events.push_back(Event::Wake),
                Ok(Message::Stop) | Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        self.peers.stop().expect("no panic");
        self.disk
    }

    /// All that goes to the disk is durable at once.
    fn carry_out(&mut self, actions: Vec<Action>) {
        for action in actions {
            let command = match action {
                Action::Notify(to, said) => Command::Notify(to, said),
                Action::Dial(leader) => Command::Dial(leader),
                Action::DialMaster(master) => Command::DialMaster(master),
                Action::Listen => Command::Listen,
                Action::ListenForObservers => Command::ListenForObservers,
                Action::HangUp(link) => Command::HangUp(link),
                Action::HangUpAll => Command::HangUpAll,
                Action::ToLeader(link, packet) => Command::ToLeader(link, packet),
                Action::ToLearners(links, packet) => Command::ToLearners(links, packet),
                Action::StoreAcceptedEpoch(epoch) => {
                    self.disk.accepted_epoch = epoch;
                    self.events.push_back(Event::AcceptedEpochStored(epoch));
                    continue;
                }
                Action::StoreCurrentEpoch(epoch) => {
                    self.disk.current_epoch = epoch;
                    self.events.push_back(Event::CurrentEpochStored(epoch));
                    continue;
                }
                Action::Append(zxid, txn) => {
                    self.disk.log.push((zxid, txn));
                    self.events.push_back(Event::Synced(zxid));
                    continue;
                }
                Action::Truncate(zxid) => {
                    self.disk.log.retain(|(at, _)| *at <= zxid);
                    self.events.push_back(Event::HistoryReplaced(zxid));
                    continue;
                }
                Action::SearchLog(link, from) => {
                    let found = from == Zxid::ZERO || self.disk.log.iter().any(|(zxid, _)| *zxid == from);
                    self.events.push_back(Event::LogSearched { link, found });
                    continue;
                }
                Action::SendLog { link, from, until } => self.send_log(link, from, until),
                Action::SendSnapshot(..) | Action::Install(..) => {
                    panic!("nobody needs a snapshot here: {action:?}")
                }
                _ => continue,
            };
            self.peers.tell(command);
        }
    }

    fn send_log(&self, link: Link, from: Zxid, until: Zxid) -> Command {
        let (writer, reader) = piece_stream();
        for (zxid, txn) in self.disk.log.iter().filter(|(zxid, _)| *zxid > from && *zxid <= until) {
            let mut piece = encoded(|out| ToLearner::Proposal(*zxid, txn.clone()).encode(out));
            ToLearner::Commit(*zxid).encode(&mut piece);
            assert!(writer.send(piece.into()));
        }
        Command::Stream(link, reader)
    }
}

/// A member as a test has it.
struct Running {
    mail: Sender<Message>,
    shown: Arc<Mutex<Shown>>,
    thread: std::thread::JoinHandle<Disk>,
}

impl Running {
    fn start(id: i64, members: &BTreeMap<ServerId, Ports>, disk: Disk) -> Self {
        let lines: Vec<String> = members.keys().map(|id| format!("server.{id}=h:1:2")).collect();
        let membership = Membership::parse(&lines.join("\n")).expect("members");
        let ensemble = Ensemble::from(&membership);
        let options = Options {
            init_ms: 10_000,
            sync_ms: 5000,
            connect_ms: 10_000,
            ping_ms: 100,
            epoch_wait_ms: None,
            read_only_after_ms: None,
            force_snapshot: false,
            observer_keeps: true,
            observer_masters: false,
            observer_pauses: crate::zab::ObserverPauses::NONE,
            // Whoever was away for long is sent what the log has.
            recent: RecentBounds { count: 20, bytes: 1 << 20 },
        };
        let stored = Stored {
            accepted_epoch: disk.accepted_epoch,
            current_epoch: disk.current_epoch,
            last_zxid: disk.log.last().map_or(Zxid::ZERO, |(zxid, _)| *zxid),
        };
        let clock = Clock::start();
        let zab = Zab::new(ServerId(id), options, ensemble, stored, clock.elapsed_ms());
        let shown = Arc::new(Mutex::new(Shown { role: zab.role(), committed: zab.committed() }));
        let (sender, mail) = channel();
        let listener = Arc::new(Mail(sender.clone()));
        let peers = Peers::start(super::options(id, members), listener).expect("free ports");
        let runner =
            Runner { zab, peers, mail, clock, disk, events: VecDeque::new(), shown: Arc::clone(&shown) };
        let thread = std::thread::Builder::new().name(format!("member {id}"));
        let thread = thread.spawn(move || runner.run()).expect("a thread");
        Self { mail: sender, shown, thread }
    }

    fn leads(&self) -> bool {
        self.shown.lock().role == Role::Leading(true)
    }

    fn stop(self) -> Disk {
        drop(self.mail.send(Message::Stop));
        self.thread.join().expect("no panic")
    }
}

fn leader(running: &BTreeMap<i64, Running>) -> i64 {
    let mut leader = None;
    wait_until("leader", || {
        leader = running.iter().find(|(_, member)| member.leads()).map(|(&id, _)| id);
        leader.is_some()
    });
    leader.expect("there is one")
}

/// Has so many transactions proposed, and waits until all members know that they are committed.
fn commit(running: &BTreeMap<i64, Running>, count: usize) {
    let leader = &running[&leader(running)];
    for number in 0..count {
        let txn = Bytes::from(format!("txn {number}"));
        leader.mail.send(Message::Propose(txn)).expect("it runs");
    }
    wait_until("commit by all", || {
        let shown: Vec<_> = running.values().map(|member| *member.shown.lock()).collect();
        let last = shown[0].committed;
        let all = shown.iter().all(|shown| shown.committed == last && shown.role != Role::Looking);
        all && last.counter() >= i64::try_from(count).expect("few")
    });
}

#[test]
fn three_members_elect_and_commit_and_go_on_without_their_leader() {
    let members = members(3);
    let start = |id, disk| (id, Running::start(id, &members, disk));
    let mut running: BTreeMap<i64, Running> = (1..=3).map(|id| start(id, Disk::default())).collect();
    commit(&running, 100);
    for round in 0..2 {
        let first = leader(&running);
        let disk = running.remove(&first).expect("it runs").stop();
        commit(&running, 50);
        running.extend([start(first, disk)]);
        wait_until("return of the old one", || {
            matches!(running[&first].shown.lock().role, Role::Learning(_, true))
        });
        commit(&running, 60 + round);
    }
    let disks: Vec<_> = running.into_values().map(|member| member.stop().log).collect();
    assert!(disks.iter().all(|log| *log == disks[0] && log.len() == 100 + 2 * 50 + 60 + 61));
}
