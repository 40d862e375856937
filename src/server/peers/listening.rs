//! Listening on one of this member's own ports, at the addresses that it has in the configuration.

use super::{sockets::listen, strangers::Strangers};
use crate::{membership::HostPort, topics};
use std::{cell::RefCell, io, rc::Rc, time::Duration};
use tokio::{
    net::{TcpListener, TcpStream},
    task::{JoinHandle, spawn_local},
    time::sleep,
};

/// Between two attempts to bind a port.
pub(super) const BIND_PAUSE: Duration = Duration::from_secs(1);

/// See the module. Connections that were taken in stay when the port moves or closes.
pub(super) struct Listening {
    strangers: Rc<Strangers>,
    /// Where; empty: nowhere.
    at: RefCell<Vec<HostPort>>,
    /// The last task, which may have been ended.
    task: RefCell<Option<JoinHandle<()>>>,
}

impl Listening {
    pub(super) fn new(strangers: Rc<Strangers>) -> Self {
        Self { strangers, at: RefCell::default(), task: RefCell::default() }
    }

    /// Listens at these addresses alone, once they can be had, or with what was `bound` to them already. Each connection
    /// has to pass `greeting`.
    pub(super) fn begin<F: Future<Output = io::Result<()>> + 'static>(
        &self,
        at: Vec<HostPort>,
        bound: Option<Vec<TcpListener>>,
        on_all: bool,
        greeting: impl Fn(TcpStream) -> F + 'static,
    ) {
        self.end();
        let (before, strangers) = (self.task.take(), Rc::clone(&self.strangers));
        self.at.replace(at.clone());
        let listening = async move {
            // Its listeners are closed then: an address may be the same.
            if let Some(before) = before {
                drop(before.await);
            }
            let listeners = match bound {
                Some(listeners) => listeners,
                None => bind(&at, on_all, strangers.port()).await,
            };
            strangers.accept(listeners, greeting).await;
        };
        self.task.replace(Some(spawn_local(listening)));
    }

    /// Whether there are other addresses than these listened at.
    pub(super) fn is_elsewhere_than(&self, addresses: &[HostPort]) -> bool {
        let at = self.at.borrow();
        !at.is_empty() && *at != addresses
    }

    /// Takes in nobody any more, and leaves those who have not said yet who they are.
    pub(super) fn close(&self) {
        self.end();
        self.strangers.end_all();
    }

    /// Takes in nobody any more.
    pub(super) fn end(&self) {
        self.at.take();
        if let Some(task) = &*self.task.borrow() {
            task.abort();
        }
    }
}

/// Tries for as long as it takes.
async fn bind(at: &[HostPort], on_all: bool, port: &str) -> Vec<TcpListener> {
    let mut failed = false;
    loop {
        let error = match listen(at, on_all).await {
            Ok(listeners) => return listeners,
            Err(error) => error,
        };
        if !std::mem::replace(&mut failed, true) {
            tracing::error!(target: topics::PEERS, port, %error, "a port for other members cannot be bound: none of them can come; trying again every second");
        }
        sleep(BIND_PAUSE).await;
    }
}
