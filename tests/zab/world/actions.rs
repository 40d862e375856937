//! What members want done, and what becomes of it.

use super::{Due, World};
use crate::{
    check::{Check, is_change},
    disk::Write,
    network::{Down, Message},
    variant::Variant,
};
use oxkeeper::zab::{Action, Event, Link};
use oxkeeper_codec::{
    ServerId, Zxid,
    learner::{ToLeader, ToLearner},
};

impl World {
    pub(super) fn do_one(&mut self, id: ServerId, action: Action) {
        if self.trace {
            println!("{} server {id} -> {action:?}", self.now_ms);
        }
        if let Some(running) = &self.members[&id].running {
            Check::stays_read_only(id, running, &action);
        }
        match action {
            Action::Notify(..)
            | Action::Dial(_)
            | Action::Listen
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
            | Action::Install(..) => self.store(id, action),
            Action::Commit(_)
            | Action::Lead(_)
            | Action::Serve
            | Action::Resign(_)
            | Action::ServeReadOnly
            | Action::EndReadOnly
            | Action::Refused(..)
            | Action::Pinged(..) => self.turn(id, action),
            Action::Look
            | Action::Chosen { .. }
            | Action::SameId(..)
            | Action::Touched(_)
            | Action::Revalidate { .. }
            | Action::Revalidated(..)
            | Action::Forwarded(..)
            | Action::SyncedWithLeader => {}
        }
    }

    /// What goes over the network.
    fn speak(&mut self, id: ServerId, action: Action) {
        let member = self.members.get_mut(&id).unwrap();
        let Some(running) = &mut member.running else { return };
        match action {
            Action::Notify(to, said) => {
                Check::notifies(id, &said, &member.disk);
                for to in to {
                    if self.members.contains_key(&to) && self.network.connects(id, to) {
                        let delay_ms = self.network.delay_ms(&mut self.rng);
                        let start = self.members[&to].start;
                        self.after(
                            delay_ms,
                            Due::Arrives(to, start, Message::Notification(id, said.clone())),
                        );
                    }
                }
            }
            Action::Dial(leader) => {
                running.dials += 1;
                let dial = running.dials;
                running.dial = Some((dial, leader));
                self.after(1, Due::Dials(id, dial));
            }
            Action::Listen => running.listens = true,
            Action::HangUp(link) => self.hang_up(id, link),
            Action::HangUpAll => {
                (running.listens, running.dial) = (false, None);
                if running.receiving.take().is_some() {
                    member.disk.write(Write::GiveUp);
                    self.schedule_sync(id);
                }
                let links = self.links_of(id);
                links.into_iter().for_each(|link| self.hang_up(id, link));
            }
            Action::ToLeader(link, packet) => {
                Check::tells_leader(id, &packet, &member.disk, member.may_change);
                if let ToLeader::Ack(zxid) = packet
                    && member.may_change
                    && member.disk.log().iter().any(|(other, txn)| *other == zxid && is_change(txn))
                {
                    member.acked_change = Some(zxid);
                }
                self.send_up(link, packet);
            }
            Action::ToLearners(links, packet) => {
                Check::tells_learners(id, &packet, &member.disk);
                match packet {
                    ToLearner::Diff(_) => self.figures.diffs += 1,
                    ToLearner::Trunc(_) => self.figures.truncs += 1,
                    ToLearner::CommitAndActivate(_, leader) => {
                        self.figures.changes += 1;
                        self.figures.hand_overs += usize::from(leader != id);
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
                let known = zxid == Zxid::ZERO || running.history.iter().any(|(other, _)| *other == zxid);
                let found = known && !self.rng.one_in(3);
                let (start, delay_ms) = (member.start, 1 + self.rng.below(20));
                self.after(delay_ms, Due::Event(id, start, Event::LogSearched { link, found }));
            }
            Action::SendLog { link, from, until } => {
                self.figures.log_diffs += 1;
                let range = running.history.iter().filter(|(zxid, _)| *zxid > from && *zxid <= until);
                let packets: Vec<Down> = range
                    .flat_map(|(zxid, txn)| {
                        [ToLearner::Proposal(*zxid, txn.clone()), ToLearner::Commit(*zxid)]
                    })
                    .map(Down::Packet)
                    .collect();
                packets.into_iter().for_each(|packet| self.send_down(link, packet));
            }
            Action::SendSnapshot(link, zxid) => {
                self.figures.snaps += 1;
                let history = running.delivered().to_vec();
                self.send_down(link, Down::Packet(ToLearner::Snap(zxid)));
                self.send_down(link, Down::Snapshot(zxid, history));
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
            Action::StoreCurrentEpoch(epoch) => self.write_to_disk(id, Write::CurrentEpoch(epoch)),
            Action::StoreNext(next) => self.write_to_disk(id, Write::Next(next)),
            Action::Activate(config) => {
                self.check.activates(id, &config);
                self.write_to_disk(id, Write::Config(config));
            }
            Action::Append(zxid, txn) => {
                running.history.push((zxid, txn.clone()));
                self.write_to_disk(id, Write::Append((zxid, txn)));
                if self.variant == Variant::AcknowledgedEarly {
                    self.after(0, Due::Event(id, self.members[&id].start, Event::Synced(zxid)));
                }
            }
            Action::Truncate(zxid) => self.write_to_disk(id, Write::Truncate(zxid)),
            Action::Install(link, _) => running.receiving = Some(link),
            _ => unreachable!("not of this kind"),
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
                    let delivered = running.delivered().len();
                    let looked_at = std::mem::replace(&mut running.looked_at, delivered);
                    self.check.delivers(id, running.delivered(), looked_at);
                }
            }
            Action::Lead(epoch) => {
                (running.serves, running.looked_at) = (true, running.delivered().len());
                self.figures.leaders += 1;
                self.check.leads(id, epoch, running.delivered());
            }
            Action::Serve => {
                (running.serves, running.looked_at) = (true, running.delivered().len());
                self.check.delivers(id, running.delivered(), 0);
            }
            Action::Resign(failure) => {
                running.serves = false;
                Check::resigns(id, &failure);
            }
            Action::ServeReadOnly => {
                running.read_only = true;
                self.figures.read_only += 1;
                Check::serves_read_only(id, running, &member.disk);
            }
            Action::EndReadOnly => running.read_only = false,
            Action::Refused(_, refusal) => Check::refuses(id, &refusal),
            Action::Pinged(link, zxid) => self.send_up(link, ToLeader::Ping { zxid, touched: Vec::new() }),
            _ => unreachable!("not of this kind"),
        }
    }

    fn write_to_disk(&mut self, id: ServerId, write: Write) {
        self.members.get_mut(&id).unwrap().disk.write(write);
        self.schedule_sync(id);
    }

    pub(super) fn schedule_sync(&mut self, id: ServerId) {
        let member = self.members.get_mut(&id).unwrap();
        if !member.syncing && !member.disk_failed && !member.disk.is_idle() {
            member.syncing = true;
            let delay_ms = if self.rng.one_in(30) { self.rng.below(300) } else { self.rng.below(8) };
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
        let event = member.disk.sync(self.variant);
        self.schedule_sync(id);
        if let Some(event) = event {
            self.step(id, event);
        }
    }

    fn send_down(&mut self, link: Link, down: Down) {
        let delay_ms = self.network.delay_ms(&mut self.rng);
        let Some(ends) = self.network.links.get_mut(&link) else { return };
        ends.down_ms = ends.down_ms.max(self.now_ms + delay_ms);
        let (at, learner) = (ends.down_ms, ends.learner);
        self.at(at, Due::Arrives(learner, self.members[&learner].start, Message::Down(link, down)));
    }

    fn send_up(&mut self, link: Link, packet: ToLeader) {
        let delay_ms = self.network.delay_ms(&mut self.rng);
        let Some(ends) = self.network.links.get_mut(&link) else { return };
        ends.up_ms = ends.up_ms.max(self.now_ms + delay_ms);
        let (at, leader) = (ends.up_ms, ends.leader);
        self.at(at, Due::Arrives(leader, self.members[&leader].start, Message::Up(link, packet)));
    }

    pub(super) fn arrive(&mut self, id: ServerId, message: Message) {
        match message {
            Message::Notification(from, said) => {
                if self.network.connects(from, id) {
                    self.step(id, Event::Notified(from, said));
                }
            }
            Message::Down(link, down) if self.network.links.contains_key(&link) => match down {
                Down::Packet(packet) => self.step(id, Event::FromLeader(link, packet)),
                Down::Snapshot(zxid, history) => {
                    let member = self.members.get_mut(&id).unwrap();
                    if let Some(running) = &mut member.running
                        && running.receiving == Some(link)
                    {
                        (running.receiving, running.installing) = (None, true);
                        self.write_to_disk(id, Write::Install(zxid, history));
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
        let (start, leader_start) = (self.members[&id].start, target.start);
        if !target.lives() || !self.network.connects(id, leader) {
            self.after(1, Due::Event(id, start, Event::NotDialled(leader)));
        } else if target.running.as_ref().is_some_and(|running| running.listens) {
            let link = self.network.connect(id, leader, self.now_ms + 1);
            self.after(1, Due::Event(leader, leader_start, Event::Arrived(link)));
            self.after(1, Due::Event(id, start, Event::Dialled(link)));
            self.members.get_mut(&id).unwrap().running.as_mut().unwrap().dial = None;
        } else {
            self.after(10, Due::Dials(id, dial));
        }
    }
}
