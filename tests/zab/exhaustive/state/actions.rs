//! What members want done in the small ensemble, what becomes of it, and what must hold.

use super::{Packet, Peer, Running, Soon, State, Vote};
use crate::{
    disk::{Entry, Write, as_sent, entry_at, up_to},
    properties::is_illegal,
};
use oxkeeper::zab::{Action, Event, Link, Role};
use oxkeeper_codec::{ServerId, Zxid, learner::ToLearner};

impl State {
    pub(super) fn step(&mut self, id: ServerId, event: Event) {
        let now_ms = self.now_ms;
        let peer = self.peer(id);
        let Some(running) = &mut peer.running else { return };
        if let Event::HistoryReplaced(last) = event {
            running.history = peer.disk.log().to_vec();
            let installed = std::mem::take(&mut running.installing);
            running.committed = if installed { last } else { running.committed.min(last) };
        }
        let actions = running.zab.step(now_ms, event);
        self.act(id, actions);
    }

    pub(super) fn act(&mut self, id: ServerId, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Notify(to, said) => {
                    for to in to {
                        if !self.lives(to) {
                            continue;
                        }
                        self.votes.entry((id, to)).or_default().push_back(Vote::Says(said.clone()));
                    }
                }
                Action::HangUp(link) => self.hang_up(id, link),
                Action::HangUpAll => {
                    self.gives_up(id, None);
                    if let Some(running) = &mut self.peer(id).running {
                        (running.listens, running.dials, running.received) = (false, None, None);
                    }
                    self.links_of(id).into_iter().for_each(|link| self.hang_up(id, link));
                }
                Action::ToLeader(link, packet) => {
                    if let Some(ends) = self.links.get_mut(&link).filter(|ends| ends.leader_open) {
                        ends.up.push_back(Packet::Up(packet));
                    }
                }
                Action::ToLearners(links, packet) => {
                    links.into_iter().for_each(|link| self.send_down(link, Packet::Down(packet.clone())));
                }
                action => self.act_alone(id, action),
            }
        }
    }

    fn send_down(&mut self, link: Link, packet: Packet) {
        if let Some(ends) = self.links.get_mut(&link).filter(|ends| ends.learner_open) {
            ends.down.push_back(packet);
        }
    }

    /// What concerns nobody else at once.
    fn act_alone(&mut self, id: ServerId, action: Action) {
        let peer = self.peers.get_mut(&id).unwrap();
        let Some(running) = &mut peer.running else { return };
        match action {
            Action::Dial(leader) | Action::DialMaster(leader) => running.dials = Some(leader),
            Action::Listen | Action::ListenForObservers => running.listens = true,
            Action::StoreAcceptedEpoch(epoch) => peer.disk.write(Write::AcceptedEpoch(epoch)),
            Action::StoreCurrentEpoch(epoch) => {
                peer.disk.write(Write::CurrentEpoch(epoch));
                if matches!(running.zab.role(), Role::Leading(_)) {
                    let other = *self.leaders.entry(epoch).or_insert(id);
                    self.require(other == id, || format!("epoch {epoch} has leaders {other} and {id}"));
                }
            }
            Action::Append(zxid, txn) => {
                running.history.push((zxid, txn.clone()));
                peer.disk.write(Write::Append((zxid, txn)));
            }
            Action::Truncate(zxid) => peer.disk.write(Write::Truncate(zxid)),
            Action::Install(install) => {
                running.wanted = Some(install);
                self.install(id);
            }
            Action::SearchLog(link, zxid) => {
                let found = zxid == Zxid::ZERO || entry_at(&running.history, zxid).is_some();
                self.soon.push_back((id, Soon::LogSearched(link, found)));
            }
            Action::SendLog { link, from, until } => {
                let packets = as_sent(&running.history, from, until);
                packets.into_iter().for_each(|packet| self.send_down(link, Packet::Down(packet)));
            }
            Action::SendSnapshot(link, zxid) => {
                let history = delivered(running).to_vec();
                self.send_down(link, Packet::Down(ToLearner::Snap(zxid)));
                self.send_down(link, Packet::Snapshot(history));
            }
            action => self.turn(id, action),
        }
    }

    /// What becomes of the member: what is looked at.
    fn turn(&mut self, id: ServerId, action: Action) {
        let Some(running) = &mut self.peers.get_mut(&id).unwrap().running else { return };
        match action {
            Action::Commit(zxid) => {
                let before = std::mem::replace(&mut running.committed, zxid);
                self.require(zxid >= before, || format!("server {id}: {zxid} is committed behind {before}"));
            }
            Action::Lead(epoch) => {
                running.serves = true;
                let (own, all) = (delivered(running).len(), self.delivered.len());
                self.require(own >= all, || {
                    format!("server {id} leads in epoch {epoch} with {own} of {all}")
                });
            }
            Action::Serve => running.serves = true,
            Action::Resign(failure) => {
                running.serves = false;
                self.require(!is_illegal(&failure), || format!("server {id}: {failure}"));
                return;
            }
            Action::Refused(_, refusal) => return self.require(false, || format!("server {id}: {refusal}")),
            _ => return,
        }
        self.deliver(id);
    }

    /// What is delivered is the same everywhere, and a quorum has it.
    fn deliver(&mut self, id: ServerId) {
        let Some(running) = self.peers[&id].running.as_ref().filter(|running| running.serves) else { return };
        let own = delivered(running);
        let common = own.len().min(self.delivered.len());
        let (same, fresh) = (own[..common] == self.delivered[..common], own[common..].to_vec());
        self.require(same, || format!("server {id} has delivered something else than others"));
        for entry in fresh {
            let holds = |peer: &&Peer| entry_at(peer.disk.log(), entry.0) == Some(&entry);
            let holders = self.peers.values().filter(holds).count();
            self.require(2 * holders > self.peers.len(), || {
                format!("{} is delivered, and {holders} have it", entry.0)
            });
            self.delivered.push(entry);
        }
    }

    fn require(&mut self, holds: bool, problem: impl FnOnce() -> String) {
        if !holds {
            self.wrong.get_or_insert_with(problem);
        }
    }
}

fn delivered(running: &Running) -> &[Entry] {
    up_to(&running.history, running.committed)
}
