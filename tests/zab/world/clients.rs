//! What clients want: writes, reads, other members.

use super::{Due, World, figures::Figure};
use crate::{
    disk::{Entry, Write},
    properties::Fact,
};
use bytes::Bytes;
use oxkeeper::{
    membership::Membership,
    zab::{Event, Quorum},
};
use oxkeeper_codec::{
    OpCode, ServerId, SessionId, Zxid,
    records::{CreateSessionTxn, SetDataTxn, TxnHeader},
    txn::{LoggedTxn, Txn},
};

/// So many clients read.
const CLIENTS: i64 = 3;

impl World {
    /// Somebody asks each leader for a write.
    pub(super) fn write(&mut self) {
        for id in self.ids() {
            let now_ms = self.members[&id].clock.shows(self.now_ms);
            let Some(running) = &mut self.members.get_mut(&id).unwrap().running else { continue };
            let Some(zxid) = running.zab.next_zxid() else { continue };
            self.writes += 1;
            let txn = if self.with.files() {
                opening(zxid, SessionId(self.writes.into()))
            } else {
                Bytes::from(format!("{} by {id}", self.writes))
            };
            let actions = running.zab.propose(now_ms, txn.clone());
            self.proposes(id, (zxid, txn));
            self.act(id, actions);
        }
    }

    /// An operator has the history of each leader replaced, if it may be. What the model keeps of it goes on: nobody takes back what is
    /// committed.
    pub(super) fn restore(&mut self) {
        let Some(mut operator) = self.operator.take() else { return };
        for id in self.ids() {
            let Some(running) = &mut self.members.get_mut(&id).unwrap().running else { continue };
            let Some(zxid) = running.zab.restores_at() else { continue };
            self.writes += 1;
            let entry = (zxid, opening(zxid, SessionId(self.writes.into())));
            let history = running.history.iter().cloned().chain([entry.clone()]).collect();
            running.restoring = true;
            self.figures.count(Figure::Restores, 1);
            self.proposes(id, entry);
            // As if it came from another ensemble, once in a while.
            let ahead = if operator.one_in(3) { operator.below(3) } else { 0 };
            self.step(id, Event::Restoring(zxid.epoch() + ahead));
            // It may have crashed in that.
            if self.members[&id].running.as_ref().is_some_and(|running| running.restoring) {
                self.write_to_disk(id, Write::Install(zxid, history, None));
            }
        }
        let pause_ms = 1 + operator.below(4000);
        self.operator = Some(operator);
        self.after(pause_ms, Due::Restore);
    }

    /// A client reads at some member. As officially, one that has less than the client has seen is not asked.
    pub(super) fn read(&mut self) {
        let client = usize::try_from(self.rng.below(CLIENTS)).unwrap();
        let member = self.rng.pick(&self.ids());
        let seen = self.seen.entry(client).or_insert(Zxid::ZERO);
        let Some(running) = &self.members[&member].running else { return };
        let delivered = running.delivered();
        if let Some((last, _)) = delivered.last().filter(|(last, _)| running.serves && last >= seen) {
            *seen = *last;
            self.figures.count(Figure::Reads, 1);
            self.properties.see(Fact::Reads { client, delivered });
        }
    }

    /// Somebody asks each leader for some of the members, in some roles. As officially, the leader must have a quorum of them.
    pub(super) fn change(&mut self) {
        let (mut voters, mut observers) = (Vec::new(), Vec::new());
        for id in self.ids() {
            match self.rng.below(6) {
                0..=3 => voters.push(id),
                4 => observers.push(id),
                _ => {}
            }
        }
        if voters.is_empty() {
            return;
        }
        for id in self.ids() {
            let now_ms = self.members[&id].clock.shows(self.now_ms);
            let Some(running) = &mut self.members.get_mut(&id).unwrap().running else { continue };
            let Some(zxid) = running.zab.next_zxid() else { continue };
            let config = configuration(zxid.0, voters.clone(), observers.clone());
            let quorum = Quorum::from(&config);
            if running.zab.ensemble().next().is_some() || !quorum.is_met_by(&running.zab.synced_followers()) {
                continue;
            }
            let txn = change_to(zxid, &config);
            let actions = running.zab.propose(now_ms, txn.clone());
            self.proposes(id, (zxid, txn));
            self.act(id, actions);
        }
    }

    pub(super) fn proposes(&mut self, primary: ServerId, entry: Entry) {
        self.properties.see(Fact::Proposes { primary, epoch: entry.0.epoch(), entry: &entry });
    }
}

/// A configuration of these members.
pub(super) fn configuration(version: i64, voters: Vec<ServerId>, observers: Vec<ServerId>) -> Membership {
    let line = |id: ServerId, role: &str| format!("server.{id}=h{id}:1:2:{role}\n");
    let voting = voters.into_iter().map(|id| line(id, "participant"));
    let observing = observers.into_iter().map(|id| line(id, "observer"));
    let lines: String = voting.chain(observing).collect();
    Membership::parse(&format!("{lines}version={version:x}")).unwrap()
}

/// The transaction that makes this configuration.
fn change_to(zxid: Zxid, config: &Membership) -> Bytes {
    let header = TxnHeader { client_id: SessionId(1), cxid: 1, zxid, time: 0, op: OpCode::RECONFIG };
    let data = Some(Bytes::from(config.to_string()));
    logged(header, Txn::Reconfig(SetDataTxn { path: "/zookeeper/config".into(), data, version: -1 }))
}

/// The transaction that opens this session.
fn opening(zxid: Zxid, session: SessionId) -> Bytes {
    let header = TxnHeader { client_id: session, cxid: 0, zxid, time: 0, op: OpCode::CREATE_SESSION };
    logged(header, Txn::CreateSession(CreateSessionTxn { time_out: 1000 }))
}

fn logged(header: TxnHeader, txn: Txn) -> Bytes {
    let mut bytes = Vec::new();
    LoggedTxn { header, txn, digest: None }.encode(&mut bytes);
    bytes.into()
}
