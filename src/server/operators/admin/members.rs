//! What commands tell of the ensemble.

use super::{AdminDesk, Asked, body::Body};
use crate::{
    config::Ensemble,
    membership::{Addresses, HostPort, Member, Membership, Role as Part},
    server::{
        operators::{
            ask::{Ask, NoAnswer},
            connections::Peer,
        },
        sequence::{Hub, Standing},
    },
    zab::Role,
};
use oxkeeper_codec::ServerId;
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// A member that has a leader, or is it.
struct Standpoint<'h> {
    hub: &'h Hub,
    ensemble: &'h Ensemble,
    membership: Membership,
    standing: Standing,
}

impl<'h> Standpoint<'h> {
    /// `None`: it is alone, or nobody leads.
    fn of(ask: Option<&Ask<'h>>) -> Option<Self> {
        let hub = &*ask?.front().hub;
        let standing = (*hub.standing.lock())?;
        let has_leader = matches!(standing.role, Role::Leading(true) | Role::Learning(_, true));
        let membership = hub.membership.lock().clone();
        has_leader.then_some(Self {
            hub,
            ensemble: hub.config.ensemble.as_ref()?,
            membership: membership?,
            standing,
        })
    }

    fn me(&self) -> Option<&Member> {
        self.membership.member(self.ensemble.my_id)
    }

    const fn leads(&self) -> bool {
        matches!(self.standing.role, Role::Leading(_))
    }
}

pub(super) fn leader(_: &AdminDesk, ask: Option<&Ask<'_>>, _: &Asked) -> Result<Body, NoAnswer> {
    let Some(standpoint) = Standpoint::of(ask) else { return Ok(Body::error("server is not initialized")) };
    #[derive(Serialize)]
    struct Leader {
        is_leader: bool,
        leader_id: i64,
        leader_ip: String,
    }
    let leader_id = match standpoint.standing.role {
        Role::Learning(leader, _) => leader,
        Role::Leading(_) | Role::Looking | Role::ReadOnly => standpoint.ensemble.my_id,
    };
    let hosts = standpoint
        .membership
        .member(leader_id)
        .map(|leader| leader.addresses.iter().map(|at| at.host.as_str()).collect::<Vec<_>>().join("|"));
    let is_leader = standpoint.leads();
    Ok(Body::of(&Leader { is_leader, leader_id: leader_id.0, leader_ip: hosts.unwrap_or_default() }))
}

#[derive(Serialize)]
struct Voter {
    server_addresses: Vec<String>,
    election_addresses: Vec<String>,
    client_address: String,
    learner_type: &'static str,
}

fn sockets(member: &Member, place: fn(&Addresses) -> HostPort) -> Vec<String> {
    member.addresses.iter().map(|at| place(at).to_string()).collect()
}

fn client(at: Option<&HostPort>) -> String {
    at.map(HostPort::to_string).unwrap_or_default()
}

pub(super) fn voting_view(_: &AdminDesk, ask: Option<&Ask<'_>>, _: &Asked) -> Result<Body, NoAnswer> {
    let mut voters: BTreeMap<i64, Voter> = BTreeMap::new();
    if let Some(standpoint) = Standpoint::of(ask) {
        let voting = standpoint.membership.members().filter(|(_, member)| member.role == Part::Participant);
        voters.extend(voting.map(|(ServerId(id), member)| {
            let voter = Voter {
                server_addresses: sockets(member, Addresses::quorum),
                election_addresses: sockets(member, Addresses::election),
                client_address: client(member.client.as_ref()),
                learner_type: "participant",
            };
            (id, voter)
        }));
    }
    Ok(Body::one("current_config", serde_json::to_value(voters).unwrap_or_default()))
}

/// The addresses of one kind of port (`MultipleAddresses`). Which of them answers is not looked at here: it is the first.
#[derive(Serialize)]
struct Places {
    empty: bool,
    all_addresses: Vec<String>,
    wildcard_addresses: Vec<String>,
    all_ports: Vec<u16>,
    all_host_strings: Vec<String>,
    reachable_address: Option<String>,
    all_reachable_addresses: Vec<String>,
    all_reachable_addresses_or_all: Vec<String>,
    reachable_or_one: Option<String>,
    one: Option<String>,
}

impl Places {
    fn of(member: &Member, place: fn(&Addresses) -> HostPort) -> Self {
        let all = sockets(member, place);
        let first = all.first().cloned();
        let ports: Vec<u16> = member.addresses.iter().map(|at| place(at).port).collect();
        Self {
            empty: all.is_empty(),
            wildcard_addresses: ports.iter().map(|port| format!("0.0.0.0:{port}")).collect(),
            all_ports: ports,
            all_host_strings: member.addresses.iter().map(|at| at.host.clone()).collect(),
            reachable_address: first.clone(),
            all_reachable_addresses: all.clone(),
            all_reachable_addresses_or_all: all.clone(),
            reachable_or_one: first.clone(),
            one: first,
            all_addresses: all,
        }
    }
}

#[derive(Serialize)]
struct ZabState {
    myid: i64,
    is_leader: bool,
    quorum_address: Option<Places>,
    election_address: Option<Places>,
    client_address: Option<String>,
    voting: bool,
    last_zxid: String,
    zab_epoch: i64,
    zab_counter: i64,
    zabstate: &'static str,
}

pub(super) fn zab_state(_: &AdminDesk, ask: Option<&Ask<'_>>, _: &Asked) -> Result<Body, NoAnswer> {
    let (Some(ask), Some(standpoint)) = (ask, Standpoint::of(ask)) else {
        #[derive(Serialize)]
        struct Outside {
            voting: bool,
            zabstate: &'static str,
        }
        return Ok(Body::of(&Outside { voting: false, zabstate: "" }));
    };
    let zxid = ask.sequencer(|_, tree| tree.last_zxid())?;
    let zxid = standpoint.hub.shown_zxid(zxid);
    let me = standpoint.me();
    let places = |place: fn(&Addresses) -> HostPort| me.map(|me| Places::of(me, place));
    Ok(Body::of(&ZabState {
        myid: standpoint.ensemble.my_id.0,
        is_leader: standpoint.leads(),
        quorum_address: places(Addresses::quorum),
        election_address: places(Addresses::election),
        client_address: me.and_then(|me| me.client.as_ref()).map(HostPort::to_string),
        voting: me.is_some_and(|me| me.role == Part::Participant),
        last_zxid: format!("0x{:x}", zxid.0),
        zab_epoch: zxid.epoch(),
        zab_counter: zxid.0 & 0xffff_ffff,
        zabstate: "broadcast",
    }))
}

pub(super) fn observers(_: &AdminDesk, ask: Option<&Ask<'_>>, _: &Asked) -> Result<Body, NoAnswer> {
    let hub = &ask.ok_or(NoAnswer)?.front().hub;
    #[derive(Serialize)]
    struct Observers {
        synced_observers: usize,
        observers: Vec<Value>,
    }
    let tally = hub.standing.lock().and_then(|standing| standing.learners);
    let observers = hub.learners.list().into_iter().filter(|learner| learner.observes);
    #[derive(Serialize)]
    struct Learner {
        remote_socket_address: String,
        sid: i64,
        established: i64,
        queued_packets: u64,
        queued_packets_size: u64,
        packets_received: u64,
        packets_sent: u64,
        requests: u64,
        last_zxid: i64,
    }
    let observers = observers.map(|learner| Learner {
        remote_socket_address: Peer(learner.peer).to_string(),
        sid: learner.sid.0,
        established: learner.since_wall_ms,
        queued_packets: learner.queued.get(),
        queued_packets_size: learner.queued_bytes.get(),
        packets_received: learner.received.get(),
        packets_sent: learner.sent.get(),
        requests: learner.requests.get(),
        last_zxid: learner.last_zxid(),
    });
    Ok(Body::of(&Observers {
        synced_observers: tally.map_or(0, |tally| tally.synced_observers),
        observers: observers.map(|learner| serde_json::to_value(learner).unwrap_or_default()).collect(),
    }))
}

pub(super) fn reset_observers(_: &AdminDesk, ask: Option<&Ask<'_>>, _: &Asked) -> Result<Body, NoAnswer> {
    let hub = &ask.ok_or(NoAnswer)?.front().hub;
    hub.learners.list().iter().filter(|learner| learner.observes).for_each(|learner| learner.reset());
    Ok(Body::done())
}
