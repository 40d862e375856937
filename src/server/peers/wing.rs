//! What all tasks of the wing share.

use super::{
    Heard, Listener, PeerOptions,
    options::{Ports, ports_of},
};
use crate::{
    membership::Membership,
    server::{clock::Clock, figures::PeerWarnings},
    zab::Event,
};
use oxkeeper_codec::ServerId;
use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    convert::Infallible,
    rc::Rc,
    sync::Arc,
};
use tokio::sync::{Mutex, Notify};

/// See the module.
pub(super) struct Wing {
    pub(super) options: PeerOptions,
    pub(super) clock: Clock,
    pub(super) warnings: PeerWarnings,
    /// All members, this one too.
    pub(super) members: RefCell<BTreeMap<ServerId, Ports>>,
    /// Where this one was when it was last a member: one that is none any more goes on without a vote.
    own: RefCell<Ports>,
    /// Members whose election port is known to be out of reach.
    pub(super) unreachable: RefCell<BTreeSet<ServerId>>,
    /// Whoever writes a snapshot to the disk: there is one at a time.
    pub(super) receiving: Arc<Mutex<()>>,
    /// The listener may have become less full.
    pub(super) resumed: Notify,
    listener: Arc<dyn Listener>,
    /// Something was heard since the last turn.
    heard: Notify,
}

impl Wing {
    pub(super) fn new(options: PeerOptions, listener: Arc<dyn Listener>) -> Self {
        Self {
            members: RefCell::new(options.members.clone()),
            own: RefCell::new(options.members.get(&options.me).cloned().unwrap_or_default()),
            options,
            clock: Clock::start(),
            warnings: PeerWarnings::default(),
            unreachable: RefCell::default(),
            receiving: Arc::default(),
            resumed: Notify::new(),
            listener,
            heard: Notify::new(),
        }
    }

    /// Where members are, as the configuration calls it.
    pub(super) fn hosts(&self) -> BTreeSet<String> {
        let of = |ports: &Ports| ports.election.iter().map(|at| at.host.clone()).collect::<Vec<_>>();
        self.members.borrow().values().flat_map(of).collect()
    }

    /// Tells something.
    pub(super) fn tell(&self, heard: Heard) {
        self.listener.heard(heard);
        self.heard.notify_one();
    }

    /// Tells what the protocol is about.
    pub(super) fn tell_event(&self, event: Event) {
        self.tell(Heard::Zab(event));
    }

    /// Waits while the listener is behind.
    pub(super) async fn keeps_up(&self) {
        while self.listener.is_behind() {
            self.resumed.notified().await;
        }
    }

    /// Waits while the listener takes nothing from a leader.
    pub(super) async fn has_room(&self) {
        while self.listener.is_full() {
            self.resumed.notified().await;
        }
    }

    /// Has turns taken, each once all tasks that were ready have told what they have.
    pub(super) async fn take_turns(self: Rc<Self>) -> Infallible {
        loop {
            self.heard.notified().await;
            self.listener.turn();
        }
    }

    /// Where a member is reached.
    pub(super) fn ports_of(&self, id: ServerId) -> Option<Ports> {
        self.members.borrow().get(&id).cloned()
    }

    /// Where this member is reached itself.
    pub(super) fn own_ports(&self) -> Ports {
        self.own.borrow().clone()
    }

    /// The members are those of these from now on.
    pub(super) fn know(&self, known: &[Membership]) {
        let members = ports_of(known);
        if let Some(own) = members.get(&self.options.me) {
            self.own.replace(own.clone());
        }
        self.members.replace(members);
    }

    pub(super) fn now_ms(&self) -> i64 {
        self.clock.elapsed_ms()
    }
}
