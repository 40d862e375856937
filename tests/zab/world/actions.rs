//! What members want done, and what becomes of it.

use super::{Due, World, figures::Figure};
use crate::{
    disk::{Write, as_sent, entry_at},
    member::Member,
    network::{Down, Message},
    properties::Fact,
    variant::Variant,
};
use oxkeeper::{
    node::{self, MemberEvent},
    zab::{Action, Event, Install, Link, Role},
};
use oxkeeper_codec::{
    ServerId, Zxid,
    learner::{ToLeader, ToLearner},
};

impl World {
    pub(super) fn do_one(&mut self, id: ServerId, action: Action) {
        if self.trace {
            println!("{} server {id} -> {action:?}", self.now_ms);
        }
        self.properties.see(Fact::IsTold { member: id, action: &action });
        match action {
            Action::Notify(..)
            | Action::Dial(_)
            | Action::DialMaster(_)
            | Action::Listen
            | Action::ListenForObservers
            | Action::HangUp(_)
            | Action::HangUpAll
            | Action::ToLeader(..)
            | Action::ToLearners(..) => self.speak(id, action),
            Action::SearchLog(..) | Action::SendLog { .. } | Action::SendSnapshot(..) => {
                self.bring_up(id, action)
            }
            Action::StoreAcceptedEpoch(_)
            | Action::StoreCurrentEpoch(_)
            | Action::StoreNext(_)
            | Action::Activate(_)
            | Action::Append(..)
            | Action::Truncate(_)
            | Action::Install(..)
            | Action::KeepNothing
            | Action::GoBack => self.store(id, action),
            Action::Commit(_)
            | Action::Lead(_)
            | Action::Serve
            | Action::Resign(_)
            | Action::ServeReadOnly
            | Action::EndReadOnly
            | Action::Refused(..)
            | Action::Pinged(..) => self.turn(id, action),
            Action::Touched(..)
            | Action::Revalidate { .. }
            | Action::Revalidated(..)
            | Action::Forwarded(..)
            | Action::SyncedWithLeader => self.of_clients(id, action),
            Action::Look | Action::Chosen { .. } | Action::SameId(..) => {}
        }
    }

    /// What goes over the network.
    fn speak(&mut self, id: ServerId, action: Action) {
        let member = self.members.get_mut(&id).unwrap();
        let Some(running) = &mut member.running else { return };
        match action {
            Action::Notify(to, said) => {
                self.properties.see(Fact::Notifies { member: id, said: &said, disk: &member.disk });
                for to in to {
                    if self.members.contains_key(&to) && self.network.connects(id, to) {
                        let at_ms = self.now_ms + self.network.delay_ms(&mut self.rng);
                        self.transmit(
                            id,
                            to,
                            at_ms,
                            Message::Notification(id, said.clone(), self.network.connection(id, to)),
                        );
                    }
                }
            }
            Action::Dial(leader) | Action::DialMaster(leader) => {
                running.dials_master = matches!(action, Action::DialMaster(_));
                running.dials += 1;
                let dial = running.dials;
                running.dial = Some((dial, leader));
                self.after(1, Due::Dials(id, dial));
            }
            Action::Listen => running.listens = true,
            Action::ListenForObservers => running.serves_observers = true,
            Action::HangUp(link) => self.hang_up(id, link),
            Action::HangUpAll => {
                (running.listens, running.serves_observers, running.dial) = (false, false, None);
                running.received = None;
                if running.wanted.take().is_some() {
                    member.disk.write(Write::GiveUp);
                    self.schedule_sync(id);
                }
                let links = self.links_of(id);
                links.into_iter().for_each(|link| self.hang_up(id, link));
            }
            Action::ToLeader(link, packet) => {
                let disk = &member.disk;
                self.properties.see(Fact::TellsLeader { member: id, link, packet: &packet, disk });
                if let (ToLeader::Info(_), Some(twin)) = (&packet, self.network.twin(link)) {
                    self.send_up(twin, packet.clone());
                }
                self.send_up(link, packet);
            }
            Action::ToLearners(links, packet) => {
                self.properties.see(Fact::TellsLearners { member: id, packet: &packet, disk: &member.disk });
                match packet {
                    ToLearner::Diff(_) => self.figures.count(Figure::Diffs, 1),
                    ToLearner::Trunc(_) => self.figures.count(Figure::Truncs, 1),
                    ToLearner::CommitAndActivate(_, leader) => {
                        self.figures.count(Figure::Changes, 1);
                        self.figures.count(Figure::HandOvers, usize::from(leader != id));
                    }
                    _ => {}
                }
                links.into_iter().for_each(|link| self.send_down(link, Down::Packet(packet.clone())));
            }
            _ => unreachable!("not of this kind"),
        }
    }

    /// What a learner lacks.
    fn bring_up(&mut self, id: ServerId, action: Action) {
        let member = self.members.get_mut(&id).unwrap();
        let Some(running) = &mut member.running else { return };
        match action {
            Action::SearchLog(link, zxid) => {
                let known = zxid == Zxid::ZERO || entry_at(&running.history, zxid).is_some();
                let found = known && !(self.faults && self.rng.one_in(3));
                let (start, delay_ms) = (member.start, 1 + self.rng.below(20));
                self.after(delay_ms, Due::Event(id, start, Event::LogSearched { link, found }));
            }
            Action::SendLog { link, from, until } => {
                self.figures.count(Figure::LogDiffs, 1);
                let packets = as_sent(&running.history, from, until);
                packets.into_iter().for_each(|packet| self.send_down(link, Down::Packet(packet)));
            }
            Action::SendSnapshot(link, zxid) => {
                self.figures.count(Figure::Snaps, 1);
                let history = running.delivered().to_vec();
                self.send_down(link, Down::Packet(ToLearner::Snap(zxid)));
                self.send_down(link, Down::Snapshot(history));
            }
            _ => unreachable!("not of this kind"),
        }
    }

    /// What goes to the disk.
    fn store(&mut self, id: ServerId, action: Action) {
        let member = self.members.get_mut(&id).unwrap();
        let Some(running) = &mut member.running else { return };
        match action {
            Action::StoreAcceptedEpoch(epoch) => self.write_to_disk(id, Write::AcceptedEpoch(epoch)),
            Action::StoreCurrentEpoch(epoch) => {
                if matches!(running.zab.role(), Role::Leading(_)) {
                    self.properties.see(Fact::Synchronises { leader: id, epoch });
                }
                self.enter(id, epoch);
            }
            Action::StoreNext(next) => self.write_to_disk(id, Write::Next(next)),
            Action::Activate(config) => {
                self.properties.see(Fact::Activates { member: id, config: &config });
                self.write_to_disk(id, Write::Config(config));
            }
            Action::Append(zxid, txn) => {
                running.history.push((zxid, txn.clone()));
                self.learn(id, &txn);
                self.append(id, (zxid, txn));
            }
            Action::Truncate(zxid) => self.write_to_disk(id, Write::Truncate(zxid)),
            Action::KeepNothing => {
                running.keeps = false;
                if let Some(files) = &mut member.files {
                    files.abandon_snapshot();
                }
                self.figures.count(Figure::WithoutDisk, 1);
            }
            Action::GoBack => {
                running.keeps = true;
                self.figures.count(Figure::WentBack, 1);
                match self.variant {
                    Variant::KeepsWhatNobodyKept => self.go_on_from_memory(id),
                    _ => self.write_to_disk(id, Write::GoBack),
                }
            }
            Action::Install(install) => {
                running.wanted = Some(install);
                self.install(id);
            }
            _ => unreachable!("not of this kind"),
        }
    }

    /// Puts the snapshot in place that is to be, once it has come.
    fn install(&mut self, id: ServerId) {
        let Some(running) = &mut self.members.get_mut(&id).unwrap().running else { return };
        if let (Some(Install { link, zxid, told }), Some((over, history))) =
            (&running.wanted, &running.received)
            && link == over
        {
            let write = Write::Install(*zxid, history.clone(), told.clone());
            (running.wanted, running.received, running.installing) = (None, None, true);
            self.write_to_disk(id, write);
            self.spoil_install(id);
        }
    }

    /// What becomes of the member.
    fn turn(&mut self, id: ServerId, action: Action) {
        let member = self.members.get_mut(&id).unwrap();
        let Some(running) = &mut member.running else { return };
        match action {
            Action::Commit(zxid) => {
                assert!(
                    zxid >= running.committed,
                    "integrity: {zxid} is committed behind {}",
                    running.committed
                );
                running.committed = zxid;
                if running.serves {
                    self.deliver(id);
                    self.commits(id);
                }
                self.node(id, node::Event::Committed(zxid));
            }
            Action::Lead(epoch) => {
                running.serves = true;
                self.figures.count(Figure::Leaders, 1);
                let delivered = running.delivered();
                self.properties.see(Fact::Leads { leader: id, epoch, delivered });
                self.deliver(id);
                self.commits(id);
                self.node(id, node::Event::Member(MemberEvent::Settled));
                self.node(id, node::Event::Member(MemberEvent::Lead(Zxid::begin_of(epoch))));
            }
            Action::Serve => {
                running.serves = true;
                let unlogged = std::mem::take(&mut running.kept.unlogged);
                unlogged.into_iter().for_each(|entry| self.write_to_disk(id, Write::Append(entry)));
                self.deliver(id);
                self.node(id, node::Event::Member(MemberEvent::Follow));
            }
            Action::Resign(failure) => {
                running.serves = false;
                let logged = running.zab.last_logged();
                self.properties.see(Fact::Resigns { member: id, failure: &failure });
                self.node(id, node::Event::Member(MemberEvent::Resign(logged)));
                self.spoil_resignation(id);
            }
            Action::Refused(_, refusal) => {
                self.properties.see(Fact::Refuses { member: id, refusal: &refusal });
            }
            Action::ServeReadOnly => {
                self.figures.count(Figure::ReadOnly, 1);
                self.properties.see(Fact::ServesReadOnly {
                    member: id,
                    has_leader: running.serves,
                    replaces: running.installing || running.wanted.is_some(),
                    shown: &running.history,
                    disk: &member.disk,
                });
                self.node(id, node::Event::Member(MemberEvent::ReadOnly));
            }
            Action::EndReadOnly => self.node(id, node::Event::Member(MemberEvent::ReadOnlyEnds)),
            Action::Pinged(link, zxid) => {
                let touched = self.touched(id);
                self.send_up(link, ToLeader::Ping { zxid, touched });
            }
            _ => unreachable!("not of this kind"),
        }
    }

    /// What is committed is delivered, while the member serves.
    fn deliver(&mut self, id: ServerId) {
        let member = self.members.get_mut(&id).unwrap();
        let Some(running) = &member.running else { return };
        let delivered = running.delivered();
        let from = member.delivered;
        member.delivered = delivered.len().max(from);
        if from < delivered.len() {
            self.committed = self.committed.max(delivered.len());
            self.properties.see(Fact::Delivers { member: id, delivered, from });
        }
    }

    /// A leader that serves counts as committed what a quorum has.
    fn commits(&mut self, id: ServerId) {
        let Some(running) = &self.members[&id].running else { return };
        let (Role::Leading(true), Some(entry)) = (running.zab.role(), running.delivered().last()) else {
            return;
        };
        let quorums = running.zab.ensemble().quorums();
        let disks: Vec<_> = self.members.values().map(|member| (member.id, &member.disk)).collect();
        self.properties.see(Fact::Commits { leader: id, entry, quorums, disks: &disks });
    }

    /// Some of what was durable at a member may be no more.
    pub(super) fn loses(&mut self, id: ServerId) {
        let lost = self.members.get_mut(&id).unwrap().disk.take_lost();
        if !lost.is_empty() {
            let disks: Vec<_> = self.members.values().map(|member| (member.id, &member.disk)).collect();
            self.properties.see(Fact::Loses { member: id, lost: &lost, disks: &disks });
        }
    }

    pub(super) fn write_to_disk(&mut self, id: ServerId, write: Write) {
        self.members.get_mut(&id).unwrap().disk.write(write);
        self.schedule_sync(id);
    }

    pub(super) fn schedule_sync(&mut self, id: ServerId) {
        let member = self.members.get_mut(&id).unwrap();
        if !member.syncing && !member.disk_failed && !member.disk.is_idle() {
            member.syncing = true;
            let is_slow = self.rng.one_in(if member.disk.replaces_next() { 3 } else { 30 });
            let delay_ms = 1 + self.rng.below(if is_slow { 300 } else { 8 });
            let start = member.start;
            self.after(delay_ms, Due::Synced(id, start));
        }
    }

    pub(super) fn synced(&mut self, id: ServerId) {
        let member = self.members.get_mut(&id).unwrap();
        member.syncing = false;
        if member.disk_failed {
            return;
        }
        let event = member.disk.sync(self.variant, member.files.as_mut());
        self.loses(id);
        self.schedule_sync(id);
        let running = self.members.get_mut(&id).unwrap().running.as_mut();
        if let (Some(Event::HistoryReplaced(_)), Some(running)) = (&event, running)
            && std::mem::take(&mut running.restoring)
        {
            self.step(id, Event::Restored);
        }
        if let Some(event) = event {
            self.step(id, event);
        }
        self.rests(id);
    }

    fn rests(&mut self, id: ServerId) {
        let Member { disk, running, .. } = &self.members[&id];
        if let Some(running) = running
            && disk.is_idle()
        {
            let (memory, log) = (&running.history, disk.log());
            // What an observer has that keeps nothing begins with what its disk has.
            let kept = if disk.is_behind() { memory.len().min(log.len()) } else { memory.len() };
            self.properties.see(Fact::Rests { member: id, memory: &memory[..kept], log });
        }
    }

    pub(super) fn send_down(&mut self, link: Link, down: Down) {
        let delay_ms = self.network.delay_ms(&mut self.rng);
        let Some(ends) = self.network.links.get_mut(&link) else { return };
        ends.down_ms = ends.down_ms.max(self.now_ms + delay_ms);
        let (at, leader, learner) = (ends.down_ms, ends.leader, ends.learner);
        self.transmit(leader, learner, at, Message::Down(link, down));
    }

    pub(super) fn send_up(&mut self, link: Link, packet: ToLeader) {
        let delay_ms = self.network.delay_ms(&mut self.rng);
        let Some(ends) = self.network.links.get_mut(&link) else { return };
        ends.up_ms = ends.up_ms.max(self.now_ms + delay_ms);
        let (at, leader, learner) = (ends.up_ms, ends.leader, ends.learner);
        self.transmit(learner, leader, at, Message::Up(link, packet));
    }

    /// Something arrives then, or when it comes through again.
    pub(super) fn transmit(&mut self, from: ServerId, to: ServerId, at_ms: i64, message: Message) {
        let due = Due::Arrives(to, self.members[&to].start, message);
        if self.network.is_stalled(from, to) {
            self.held.push((at_ms, due));
        } else {
            self.at(at_ms, due);
        }
    }

    pub(super) fn arrive(&mut self, id: ServerId, message: Message) {
        match message {
            Message::Notification(from, said, connection) => {
                if self.network.connects(from, id) && self.network.connection(from, id) == connection {
                    self.step(id, Event::Notified(from, said));
                }
            }
            Message::Down(link, down) if self.network.links.contains_key(&link) => match down {
                Down::Packet(packet) => self.step(id, Event::FromLeader(link, packet)),
                Down::Snapshot(history) => {
                    if let Some(running) = &mut self.members.get_mut(&id).unwrap().running {
                        running.received = Some((link, history));
                        self.install(id);
                    }
                }
            },
            Message::Up(link, packet) if self.network.links.contains_key(&link) => {
                if let (ToLeader::Ack(zxid), Some(ends)) = (&packet, self.network.links.get_mut(&link)) {
                    ends.vouched |= zxid.counter() == 0;
                }
                self.step(id, Event::FromLearner(link, packet));
            }
            Message::Down(..) | Message::Up(..) => {}
            Message::Closed(link) => self.step(id, Event::Closed(link)),
        }
    }

    pub(super) fn dial(&mut self, id: ServerId, dial: u32) {
        let Some(running) = &self.members[&id].running else { return };
        let Some((current, leader)) = running.dial else { return };
        if current != dial {
            return;
        }
        let target = &self.members[&leader];
        let start = self.members[&id].start;
        let (serves_observers, listens) =
            target.running.as_ref().map_or((false, false), |it| (it.serves_observers, it.listens));
        let takes_in = if running.dials_master { serves_observers } else { listens };
        if !target.lives() || !self.network.connects(id, leader) {
            self.after(1, Due::Event(id, start, Event::NotDialled(leader)));
        } else if self.network.is_stalled(id, leader) || self.network.is_stalled(leader, id) {
            self.after(10, Due::Dials(id, dial));
        } else if takes_in {
            self.figures.count(Figure::Mastered, usize::from(running.dials_master));
            self.connect(id, leader);
            self.members.get_mut(&id).unwrap().running.as_mut().unwrap().dial = None;
        } else if running.dials_master {
            self.after(10, Due::Event(id, start, Event::NotDialled(leader)));
        } else {
            self.after(10, Due::Dials(id, dial));
        }
    }

    /// A learner and its leader are connected. Sometimes the leader sees another connection before or after, that the learner has
    /// given up already.
    fn connect(&mut self, learner: ServerId, leader: ServerId) {
        let (at_ms, starts) = (self.now_ms + 1, (self.members[&learner].start, self.members[&leader].start));
        let (twice, first) = (self.faults && self.rng.one_in(10), self.rng.one_in(2));
        let before = (twice && first).then(|| self.network.connect(learner, leader, at_ms));
        let link = self.network.connect(learner, leader, at_ms);
        let after = (twice && !first).then(|| self.network.connect(learner, leader, at_ms));
        for arrived in [before, Some(link), after].into_iter().flatten() {
            self.after(1, Due::Event(leader, starts.1, Event::Arrived(arrived)));
        }
        self.after(1, Due::Event(learner, starts.0, Event::Dialled(link)));
        if let Some(twin) = before.or(after) {
            self.figures.count(Figure::Duplicates, 1);
            self.network.be_twins(link, twin);
            let pause_ms = self.rng.below(2500);
            self.after(pause_ms, Due::Breaks(twin));
        }
    }
}
