//! The client port: its connections and the workers that drive them.
//!
//! Promise: a connection lives and dies on one worker; its requests are answered in their order; one that misbehaves
//! costs nobody else anything. The files here know each other: a wake-up (`wakeup`) goes through all of them.
//! Invariant: this wing knows the sequencer only by its mailbox, its turn and what it leaves in the inbox, and
//! four-letter words only by [`Words`].

mod accept;
mod audit;
mod conn;
mod conns;
mod drain;
mod frames;
mod front;
mod handshakes;
mod kerberos;
mod limits;
mod listen;
mod lists;
mod local;
mod login;
mod long;
mod outbox;
mod packets;
mod sealed;
#[cfg(test)]
mod sealed_tests;
mod serve;
mod state;
mod throttle;
mod waiting_room;
mod wakeup;
mod words;
mod worker;

pub(crate) use accept::Entrance;
pub(crate) use conn::{Conn, ConnStats, Phase};
pub(crate) use front::{Front, Mail};
pub(crate) use handshakes::{HandshakeThread, Handshakes};
pub(crate) use kerberos::KerberosThread;
pub(crate) use limits::Limits;
pub(crate) use listen::{listen, listen_on, listen_secure};
pub(crate) use login::Logins;
pub(crate) use state::State;
pub(crate) use waiting_room::{Door, House, WaitingRoom};
pub(crate) use words::{Spoken, Words};
pub(crate) use worker::Worker;
