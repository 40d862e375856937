//! An I/O worker: one thread with a runtime of its own, and the connections that live and die on it.
//!
//! A wake-up of a connection reads what has arrived, answers every whole frame that it can while it holds the
//! worker's lock, and writes all replies with one system call. Writes, and what stands behind them, are collected
//! and handed to the sequencer once a poll round.
//!
//! Invariants: the inbox is empty before anything is read from the tree, under the same lock; so each output buffer
//! is in zxid order. A connection's requests are answered here only while the sequencer has none of them.

use super::{
    accept::{self, Entrance},
    conn::Phase,
    front::{Front, Mail, Newcomer, Secured},
    lists::ListCache,
    state::State,
    throttle,
    wakeup::Wakeup,
};
use crate::{
    node::Request,
    server::{
        clock,
        figures::{Closing, Count, WorkerStats},
        sequence::{Message, Sequencing, TreeReader},
    },
};
use std::{cell::RefCell, io, net::SocketAddr, rc::Rc, sync::Arc, time::Duration};
use tokio::{
    net::TcpStream,
    runtime::Runtime,
    sync::Notify,
    task::{LocalSet, spawn_local},
};

/// Four-letter words that one worker has answered at the same time.
const WORD_THREADS: usize = 4;
/// Multis of a poll round that are longer than this, in bytes, are judged by the sequencer's own thread: 1 ms or more.
const LONG_MULTI_BYTES: usize = 64 << 10;
/// How often somebody looks whether lines of the log were left out.
const TELL_EVERY: Duration = Duration::from_secs(2);

/// What the tasks of a worker share.
pub(crate) struct Worker {
    pub(crate) index: usize,
    pub(crate) front: Arc<Front>,
    sequencing: Sequencing,
    pub(crate) reader: TreeReader,
    pub(crate) state: RefCell<State>,
    /// Wakes the task that hands over; it runs once every task that is ready now has run.
    pub(super) handover: Notify,
    /// Wakes the task that sends what a wake-up had too much of.
    flush: Notify,
    stopped: Notify,
}

impl Worker {
    /// What a worker runs on. It takes descriptors, which may be too few.
    pub(crate) fn runtime() -> io::Result<Runtime> {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        runtime.enable_all().event_interval(512);
        // They answer four-letter words, and live only while there are some.
        runtime.max_blocking_threads(WORD_THREADS).build()
    }

    /// Runs a worker until it is told to stop. `entrance` is for the one that accepts.
    pub(crate) fn run(
        index: usize,
        front: Arc<Front>,
        sequencing: Sequencing,
        reader: TreeReader,
        runtime: &Runtime,
        entrance: Option<Entrance>,
    ) {
        let lists = ListCache::new(front.hub.config.limits.children_cache_entries);
        let worker = Rc::new(Self {
            index,
            front,
            sequencing,
            reader,
            state: RefCell::new(State::new(lists)),
            handover: Notify::new(),
            flush: Notify::new(),
            stopped: Notify::new(),
        });
        let local = LocalSet::new();
        local.block_on(runtime, async {
            let inbox = spawn_local(Self::watch_inbox(Rc::clone(&worker)));
            spawn_local(Self::hand_over(Rc::clone(&worker)));
            spawn_local(Self::flush_later(Rc::clone(&worker)));
            spawn_local(Self::reap(Rc::clone(&worker)));
            spawn_local(throttle::look_again(Rc::clone(&worker)));
            if let Some(entrance) = entrance {
                spawn_local(Self::tell_left_out(Rc::clone(&worker)));
                spawn_local(accept::accept(Rc::clone(&worker), entrance));
            }
            worker.stopped.notified().await;
            inbox.abort();
            while worker.state.borrow_mut().conns.flush_later() {}
        });
    }

    /// Takes in what the sequencer and the other workers leave.
    async fn watch_inbox(worker: Rc<Self>) {
        loop {
            worker.front.hub.workers[worker.index].notify.notified().await;
            for mail in worker.front.mail_of(worker.index) {
                worker.mail(mail);
            }
            worker.wake_up(|wakeup| wakeup.let_held_go_on());
        }
    }

    /// Hands over the requests of a poll round, and takes the sequencer's turn for them.
    async fn hand_over(worker: Rc<Self>) {
        loop {
            worker.handover.notified().await;
            worker.leave_requests();
            worker.sequencing.take_turn();
        }
    }

    /// Sends for the connections that a wake-up had too many of, with others in between.
    async fn flush_later(worker: Rc<Self>) {
        loop {
            worker.flush.notified().await;
            while worker.state.borrow_mut().conns.flush_later() {
                tokio::task::yield_now().await;
            }
        }
    }

    pub(super) fn leave_requests(&self) {
        let requests = {
            let left = &mut self.state.borrow_mut().requests;
            // The next round will have as many.
            let next = Vec::with_capacity(left.len());
            std::mem::replace(left, next)
        };
        if requests.is_empty() {
            return;
        }
        let long = requests.iter().map(Request::multi_len).sum::<usize>() > LONG_MULTI_BYTES;
        let (mailbox, message) = (&self.front.hub.mailbox, Message::Requests(requests, clock::now()));
        if long {
            mailbox.send_long(message);
        } else {
            mailbox.leave(message);
        }
    }

    /// Closes connections that never set up a session.
    async fn reap(worker: Rc<Self>) {
        let limit_ms = i64::from(worker.front.hub.config.client.sessionless_timeout_ms).max(1);
        let mut interval = tokio::time::interval(Duration::from_millis(limit_ms.cast_unsigned().max(10) / 2));
        loop {
            interval.tick().await;
            let now_ms = worker.front.hub.clock.elapsed_ms();
            for conn in worker.state.borrow_mut().conns.iter_mut() {
                if conn.phase == Phase::Fresh && now_ms - conn.stats.established_ms > limit_ms {
                    conn.phase = Phase::Closing;
                    conn.wake();
                    let why = Closing::Sessionless { limit_ms };
                    worker.front.hub.stats.warnings.closing(now_ms, conn.client(), &why);
                    worker.stats().sheet.count(Count::SessionlessExpired).add(1);
                }
            }
        }
    }

    /// Tells, now and then, how many lines of the log were left out.
    async fn tell_left_out(worker: Rc<Self>) {
        let mut interval = tokio::time::interval(TELL_EVERY);
        loop {
            interval.tick().await;
            let hub = &worker.front.hub;
            hub.stats.warnings.tell_left_out(hub.clock.elapsed_ms(), false);
        }
    }

    fn mail(self: &Rc<Self>, mail: Mail) {
        match mail {
            Mail::Accepted(Newcomer { stream, peer, secured }) => match TcpStream::from_std(stream) {
                Ok(stream) => self.adopt(stream, peer, secured),
                Err(error) => {
                    self.not_taken(Some(peer), &error);
                    self.front.limits.close(peer.ip());
                }
            },
            Mail::Query(query) => query(&mut self.state.borrow_mut(), &mut self.reader.lock().shard),
            Mail::Answered(id, text) => self.wake_up(|wakeup| wakeup.finish_word(id, text)),
            Mail::Stepped(stepped) => self.wake_up(|wakeup| wakeup.logged_in(*stepped)),
            Mail::Stop => self.stopped.notify_one(),
        }
    }

    /// Has the log tell of a connection that could not be taken in; `peer`: whose, if it is known.
    pub(super) fn not_taken(&self, peer: Option<SocketAddr>, error: &io::Error) {
        let hub = &self.front.hub;
        hub.stats.warnings.not_taken(hub.clock.elapsed_ms(), peer, error);
    }

    /// Takes in a new connection.
    pub(super) fn adopt(self: &Rc<Self>, stream: TcpStream, peer: SocketAddr, secured: Option<Secured>) {
        let now_ms = self.front.hub.clock.elapsed_ms();
        let id = self.state.borrow_mut().conns.insert(self.index, stream, peer, now_ms);
        if let Some(secured) = secured
            && let Some(conn) = self.state.borrow_mut().conns.get(id)
        {
            conn.secure(secured);
        }
        self.stats().connections.add(1);
        spawn_local(Self::serve(Rc::clone(self), id));
    }

    pub(crate) fn stats(&self) -> &WorkerStats {
        &self.front.hub.workers[self.index].stats
    }

    /// Takes the lock, empties the inbox, does `work`, lets go, and sends what there is to send.
    pub(super) fn wake_up(&self, work: impl FnOnce(&mut Wakeup<'_>)) {
        let mut state = self.state.borrow_mut();
        let now_ms = self.front.hub.clock.elapsed_ms();
        let mut wakeup =
            Wakeup { worker: self, state: &mut state, guard: self.reader.lock(), now_ms, looked_at: 0 };
        wakeup.empty_inbox();
        work(&mut wakeup);
        drop(wakeup);
        if !state.requests.is_empty() {
            self.handover.notify_one();
        }
        if state.conns.flush_dirty() {
            self.flush.notify_one();
        }
    }
}
