//! Whoever has connected and has not said who it is.
//!
//! Invariant: a stranger has a deadline, and there is a bounded number of them. The oldest makes room: members speak at
//! once, so no crowd keeps them out.

use super::wing::Wing;
use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    future::poll_fn,
    io,
    net::SocketAddr,
    rc::Rc,
    task::Poll,
    time::Duration,
};
use tokio::{
    net::{TcpListener, TcpStream},
    task::{AbortHandle, spawn_local},
    time::{sleep, timeout},
};

/// So many are heard out at one time.
const STRANGERS_MAX: usize = 256;
/// After an accept that has failed.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Those of one port.
pub(super) struct Strangers {
    wing: Rc<Wing>,
    /// For log lines.
    port: &'static str,
    /// They say who they are within this.
    within: Duration,
    next: Cell<u64>,
    /// In the order in which they came.
    here: RefCell<BTreeMap<u64, AbortHandle>>,
}

impl Strangers {
    pub(super) fn new(wing: Rc<Wing>, port: &'static str, within: Duration) -> Rc<Self> {
        Rc::new(Self { wing, port, within, next: Cell::default(), here: RefCell::default() })
    }

    /// The name of the port.
    pub(super) fn port(&self) -> &'static str {
        self.port
    }

    /// Accepts connections, each of which has to pass `greeting`.
    pub(super) async fn accept<F: Future<Output = io::Result<()>> + 'static>(
        self: Rc<Self>,
        mut listeners: Vec<TcpListener>,
        greeting: impl Fn(TcpStream) -> F,
    ) {
        loop {
            // Each listener has its turn.
            listeners.rotate_left(1);
            let next = poll_fn(|cx| {
                let came = |listener: &TcpListener| match listener.poll_accept(cx) {
                    Poll::Ready(came) => Some(came),
                    Poll::Pending => None,
                };
                listeners.iter().find_map(came).map_or(Poll::Pending, Poll::Ready)
            });
            match next.await {
                Ok((stream, from)) => self.take_in(from, greeting(stream)),
                Err(error) => {
                    self.wing.warnings.not_taken(self.wing.now_ms(), self.port, &error);
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    fn take_in(self: &Rc<Self>, from: SocketAddr, greeting: impl Future<Output = io::Result<()>> + 'static) {
        let number = self.next.get();
        self.next.set(number + 1);
        let strangers = Rc::clone(self);
        let task = spawn_local(async move {
            let greeted = timeout(strangers.within, greeting).await;
            strangers.here.borrow_mut().remove(&number);
            let late = || Err(io::Error::new(io::ErrorKind::TimedOut, "it has not said who it is in time"));
            if let Err(error) = greeted.unwrap_or_else(|_| late()) {
                strangers.refuse(from, &error);
            }
        });
        let mut here = self.here.borrow_mut();
        here.insert(number, task.abort_handle());
        if here.len() > STRANGERS_MAX
            && let Some((_, oldest)) = here.pop_first()
        {
            oldest.abort();
            let crowd =
                io::Error::other("too many connections that do not say who they are: the oldest is ended");
            self.refuse(from, &crowd);
        }
    }

    /// Ends them all.
    pub(super) fn end_all(&self) {
        std::mem::take(&mut *self.here.borrow_mut()).into_values().for_each(|stranger| stranger.abort());
    }

    fn refuse(&self, from: SocketAddr, error: &io::Error) {
        self.wing.warnings.stranger(self.wing.now_ms(), self.port, from, error);
    }
}
