//! What goes wrong, and how it becomes well again.

use super::{Due, World, figures::Figure};
use crate::{disk::Write, network::Message, properties::Fact};
use oxkeeper::{
    node,
    zab::{Event, Link},
};
use oxkeeper_codec::ServerId;

/// So long it takes until a member knows whom it can reach, in ms: always the same, so that the last word is the last.
const REACHABILITY_AFTER_MS: i64 = 3;
/// A process stands still for up to so long, in ms.
const JUMP_MS: i64 = 1500;
/// A member begins a snapshot, or ends one, once within so long, in ms.
const SNAPSHOT_EVERY_MS: i64 = 3000;
/// Nothing stays broken for longer, in ms.
const BROKEN_MS: i64 = 4000;

impl World {
    /// Something ends, begins or becomes well as it was planned.
    pub(super) fn go_wrong(&mut self, due: Due) {
        match due {
            Due::Starts(id) => {
                if !self.outside.contains(&id) {
                    self.start(id);
                }
            }
            Due::Restarts(id) => self.restart(id),
            Due::Breaks(link) => {
                if self.network.links.contains_key(&link) {
                    self.break_link(link);
                }
            }
            Due::Reconnects => self.tell_reachability(),
            Due::DiskRecovers(id, start) => {
                if self.is(id, start) {
                    self.members.get_mut(&id).unwrap().disk_failed = false;
                    self.schedule_sync(id);
                    self.step(id, Event::DiskRecovered);
                    self.node(id, node::Event::LogRecovered);
                }
            }
            Due::Heals => {
                if self.faults {
                    self.heal();
                }
            }
            Due::Stale(id, start, entries) => {
                if self.is(id, start) {
                    entries.into_iter().for_each(|entry| self.write_to_disk(id, Write::Append(entry)));
                }
            }
            Due::Fault => {
                if self.faults {
                    self.fault();
                    let pause_ms = 1 + self.rng.below(3000);
                    self.after(pause_ms, Due::Fault);
                }
            }
            due => unreachable!("nothing is wrong with {due:?}"),
        }
    }

    /// Everything comes through again.
    pub(super) fn heal(&mut self) {
        self.network.heal();
        self.release();
        self.tell_reachability();
    }

    /// What waited on its way arrives, but not before what was sent earlier.
    pub(super) fn release(&mut self) {
        for (at_ms, due) in std::mem::take(&mut self.held) {
            self.at(at_ms.max(self.now_ms + 1), due);
        }
    }

    /// Everybody hears whom it can reach, a moment later.
    pub(super) fn tell_reachability(&mut self) {
        for a in self.ids() {
            for b in self.ids().into_iter().filter(|&b| b != a) {
                let up = self.members[&b].lives() && self.network.connects(a, b);
                let event = if up { Event::Reachable(b) } else { Event::Unreachable(b) };
                let start = self.members[&a].start;
                self.after(REACHABILITY_AFTER_MS, Due::Event(a, start, event));
            }
        }
        // Connections across a cut are found to be broken sooner or later.
        let broken: Vec<(Link, ServerId, ServerId)> = self
            .network
            .links
            .iter()
            .filter(|(_, ends)| !self.network.connects(ends.learner, ends.leader))
            .map(|(&link, ends)| (link, ends.learner, ends.leader))
            .collect();
        for (link, learner, leader) in broken {
            self.network.links.remove(&link);
            for id in [learner, leader] {
                let (start, delay_ms) = (self.members[&id].start, 1 + self.rng.below(1500));
                self.after(delay_ms, Due::Arrives(id, start, Message::Closed(link)));
            }
        }
    }

    /// A member stops, and starts again some time.
    pub(super) fn crash(&mut self, id: ServerId) {
        if self.members[&id].lives() {
            self.stop(id);
            let pause_ms = self.rng.below(2500);
            self.after(pause_ms, Due::Starts(id));
        }
    }

    /// What has been written since the last starts is read, too.
    pub(super) fn read_back(&mut self) {
        let lives = |id: &ServerId| self.members[id].lives() && self.with.files();
        let ids: Vec<_> = self.ids().into_iter().filter(lives).collect();
        ids.into_iter().for_each(|id| self.stop(id));
    }

    /// A member's process ends.
    pub(super) fn stop(&mut self, id: ServerId) {
        let member = self.members.get_mut(&id).unwrap();
        member.running = None;
        self.figures.count(Figure::Crashes, 1);
        let most = if self.keeps_unsynced { member.disk.unsynced() } else { 0 };
        let survives = usize::try_from(self.rng.below(i64::try_from(most).unwrap() + 1)).unwrap();
        let survives = match &mut member.files {
            None => survives,
            Some(files) => {
                let found = files.crash(member.disk.waiting());
                member.disk.survivors(&found, files)
            }
        };
        member.disk.crash(survives);
        self.properties.see(Fact::Crashes { member: id });
        self.loses(id);
        let links: Vec<Link> = self.links_of(id);
        links.into_iter().for_each(|link| self.hang_up(id, link));
        self.tell_reachability();
    }

    pub(super) fn links_of(&self, id: ServerId) -> Vec<Link> {
        let of = self.network.links.iter().filter(|(_, ends)| ends.learner == id || ends.leader == id);
        of.map(|(&link, _)| link).collect()
    }

    /// Both ends hear of it.
    pub(super) fn break_link(&mut self, link: Link) {
        let learner = self.network.links[&link].learner;
        let start = self.members[&learner].start;
        self.after(1, Due::Arrives(learner, start, Message::Closed(link)));
        self.hang_up(learner, link);
    }

    /// The other end hears of it.
    pub(super) fn hang_up(&mut self, id: ServerId, link: Link) {
        let Some(ends) = self.network.links.remove(&link) else { return };
        let other = if ends.learner == id { ends.leader } else { ends.learner };
        let delay_ms = self.network.delay_ms(&mut self.rng);
        self.transmit(id, other, self.now_ms + delay_ms, Message::Closed(link));
    }

    /// One more thing goes wrong.
    pub(super) fn fault(&mut self) {
        let ids = self.ids();
        let (a, b) = (self.rng.pick(&ids), self.rng.pick(&ids));
        match self.rng.below(12) {
            0..=2 => self.crash(a),
            3 => {
                self.network.cut(a, b);
                self.cut_for_a_while();
            }
            4 => {
                self.isolate(a);
                self.cut_for_a_while();
            }
            5 => {
                let links: Vec<Link> = self.network.links.keys().copied().collect();
                if !links.is_empty() {
                    let link = self.rng.pick(&links);
                    self.break_link(link);
                }
            }
            6 => self.disk_fails(a),
            7 => self.stall(&[(a, b)]),
            8 => self.stall(&ids.iter().map(|&other| (a, other)).collect::<Vec<_>>()),
            9 => self.lose_votes(a, b),
            _ => self.clock_goes_wrong(a),
        }
    }

    /// Nothing gets through between this member and others.
    pub(super) fn isolate(&mut self, id: ServerId) {
        for other in self.ids().into_iter().filter(|&other| other != id) {
            self.network.cut(id, other);
            self.network.cut(other, id);
        }
    }

    fn cut_for_a_while(&mut self) {
        self.tell_reachability();
        let pause_ms = self.rng.below(BROKEN_MS);
        self.after(pause_ms, Due::Heals);
    }

    /// What goes from one to the other waits, and nobody is told.
    fn stall(&mut self, ways: &[(ServerId, ServerId)]) {
        self.figures.count(Figure::Stalls, 1);
        ways.iter().for_each(|&(from, to)| self.network.stall(from, to));
        let pause_ms = self.rng.below(BROKEN_MS);
        self.after(pause_ms, Due::Heals);
    }

    /// The connection over which two members vote ends, with all that is on its way; there is another one soon.
    fn lose_votes(&mut self, a: ServerId, b: ServerId) {
        self.figures.count(Figure::Losses, 1);
        self.network.lose_votes(a, b);
        for (id, other) in [(a, b), (b, a)] {
            let start = self.members[&id].start;
            self.after(REACHABILITY_AFTER_MS, Due::Event(id, start, Event::Unreachable(other)));
        }
        let pause_ms = REACHABILITY_AFTER_MS + self.rng.below(100);
        self.after(pause_ms, Due::Reconnects);
    }

    /// A member begins a snapshot of what is committed, if it may, or ends the one that is under way.
    pub(super) fn snapshot(&mut self, id: ServerId) {
        let member = self.members.get_mut(&id).unwrap();
        if let (Some(files), Some(running)) = (&mut member.files, &member.running) {
            let may_begin = running.serves && running.keeps;
            files.snapshot(if may_begin { running.delivered() } else { &[] });
        }
        self.snapshot_later(id);
    }

    pub(super) fn snapshot_later(&mut self, id: ServerId) {
        if self.with.files() {
            let (start, pause_ms) = (self.members[&id].start, self.rng.below(SNAPSHOT_EVERY_MS));
            self.after(pause_ms, Due::Snapshot(id, start));
        }
    }

    fn disk_fails(&mut self, id: ServerId) {
        let member = self.members.get_mut(&id).unwrap();
        if member.lives() && !member.disk_failed {
            member.disk_failed = true;
            self.figures.count(Figure::DiskFailures, 1);
            let (start, pause_ms) = (member.start, self.rng.below(1000));
            self.after(pause_ms, Due::DiskRecovers(id, start));
            self.step(id, Event::DiskFailed);
            self.node(id, node::Event::LogFailed);
        }
    }

    fn clock_goes_wrong(&mut self, id: ServerId) {
        self.figures.count(Figure::ClockFaults, 1);
        let (jumps, by_ms, per_mille) =
            (self.rng.one_in(2), self.rng.below(JUMP_MS), 800 + self.rng.below(450));
        let clock = &mut self.members.get_mut(&id).unwrap().clock;
        if jumps {
            clock.jump(self.now_ms, by_ms);
        } else {
            clock.drift(self.now_ms, per_mille);
        }
    }
}
