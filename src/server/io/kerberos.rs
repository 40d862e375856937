//! Logins of clients by Kerberos: one thread that takes their steps, so that no worker waits for a file of keys or for what
//! other logins have been seen.
//!
//! Promise: a step that was asked for is answered to the worker of its connection, which answers nothing else of it
//! meanwhile. Invariant: a connection has one step under way, so that there are never more than connections.

use super::front::{Front, Mail};
use crate::{
    gss::{Context, GssError},
    sasl::{GssapiError, GssapiNext, GssapiServer},
    session::ConnId,
};
use oxkeeper_codec::records::RequestHeader;
use std::{
    fmt,
    sync::{
        Arc,
        mpsc::{Receiver, Sender, channel},
    },
};

/// What the thread is told.
enum Told {
    Step(Box<Asked>),
    Stop,
}

/// A step of a login.
pub(super) struct Asked {
    pub(super) worker: usize,
    pub(super) conn: ConnId,
    /// The request, for the answer to it.
    pub(super) header: RequestHeader,
    pub(super) exchange: GssapiServer<Context>,
    pub(super) token: Vec<u8>,
}

/// What has come of it.
pub(crate) struct Stepped {
    pub(super) conn: ConnId,
    pub(super) header: RequestHeader,
    pub(super) exchange: GssapiServer<Context>,
    pub(super) outcome: Result<GssapiNext, GssapiError<GssError>>,
}

/// Where steps go.
pub(super) struct Steps(Sender<Told>);

/// The thread that takes them.
pub(crate) struct KerberosThread(Receiver<Told>);

impl fmt::Debug for Steps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Steps").finish_non_exhaustive()
    }
}

/// Both ends.
pub(super) fn steps() -> (Steps, KerberosThread) {
    let (sender, receiver) = channel();
    (Steps(sender), KerberosThread(receiver))
}

impl Steps {
    /// Has a step taken. (Without a thread there is no server any more.)
    pub(super) fn ask(&self, asked: Asked) {
        drop(self.0.send(Told::Step(Box::new(asked))));
    }

    /// Ends the thread.
    pub(super) fn end(&self) {
        drop(self.0.send(Told::Stop));
    }
}

impl KerberosThread {
    /// Runs until it is told to stop.
    pub(crate) fn run(self, front: &Arc<Front>) {
        while let Ok(Told::Step(asked)) = self.0.recv() {
            let Asked { worker, conn, header, mut exchange, token } = *asked;
            let outcome = exchange.step(&token);
            front.post(worker, Mail::Stepped(Box::new(Stepped { conn, header, exchange, outcome })));
        }
    }
}
