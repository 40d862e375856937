//! An I/O worker: one thread with a runtime of its own, and the connections that live and die on it.
//!
//! A wake-up of a connection reads what has arrived, answers every whole frame that it can while it holds the
//! worker's lock, and writes all replies with one system call. Writes, and what stands behind them, are collected
//! and handed to the sequencer once a poll round.
//!
//! Invariants: the inbox is empty before anything is read from the tree, under the same lock; so each output buffer
//! is in zxid order. A connection's requests are answered here only while the sequencer has none of them.

use super::{
    accept::Entrance,
    conn::{Conn, Phase, conn_id},
    drain, flush,
    frames::{self, Pace},
    hub::{Hub, Mail, Shard, TreeReader},
    mailbox::Message,
    metrics::Count,
    sequencer::Sequencing,
};
use crate::{node::Request, session::ConnId, watch::ConnKey};
use std::{
    cell::RefCell,
    future::poll_fn,
    io,
    net::SocketAddr,
    rc::Rc,
    sync::{Arc, atomic::Ordering},
    task::{Context, Poll},
    time::Duration,
};
use tokio::{
    io::Interest,
    net::TcpStream,
    runtime::Runtime,
    sync::Notify,
    task::{LocalSet, spawn_local},
};

/// Bytes read from a socket at once.
const READ_BUFFER_BYTES: usize = 64 * 1024;

/// Watches that a connection which has ended gives up at once.
const WATCHES_A_STEP: usize = 1024;
/// Reads after which a connection that ends counts as empty.
const READS_TO_EMPTY: usize = 4;
/// Four-letter words that one worker has answered at the same time.
const WORD_THREADS: usize = 4;

/// What the tasks of a worker share.
pub(super) struct Worker {
    pub(super) index: usize,
    pub(super) hub: Arc<Hub>,
    sequencing: Sequencing,
    pub(super) reader: TreeReader,
    pub(super) state: RefCell<State>,
    /// Wakes the task that hands over; it runs once every task that is ready now has run.
    handover: Notify,
    stopped: Notify,
}

/// The connections of a worker.
pub(super) struct State {
    slots: Vec<Slot>,
    free: Vec<ConnKey>,
    read_buffer: Vec<u8>,
    /// Requests of this poll round.
    pub(super) requests: Vec<Request>,
    /// Connections with something to send.
    pub(super) dirty: Vec<ConnKey>,
    /// Output buffers that are empty.
    pub(super) buffers: Vec<Vec<u8>>,
    /// Encoded lists of children.
    pub(super) lists: super::lists::ListCache,
    /// Bytes read by namespace.
    pub(super) reads: super::metrics::Namespaces,
    /// Requests over a quota by namespace, each as 1.
    pub(super) over_quota: super::metrics::Namespaces,
    /// Connections that the request throttle holds back.
    pub(super) held: Vec<ConnKey>,
    /// When this wake-up began, in ms of the elapsed clock.
    pub(super) now_ms: i64,
}

/// A connection that is being answered, and what a read needs besides.
pub(super) struct Reading<'a> {
    /// The connection; it has an output buffer, and is going to be flushed.
    pub(super) conn: &'a mut Conn,
    /// Encoded lists of children.
    pub(super) lists: &'a mut super::lists::ListCache,
    /// Bytes read by namespace.
    pub(super) reads: &'a mut super::metrics::Namespaces,
    /// When this wake-up began, in ms of the elapsed clock.
    pub(super) now_ms: i64,
}

struct Slot {
    generation: u32,
    conn: Option<Box<Conn>>,
}

impl State {
    fn new(lists: super::lists::ListCache) -> Self {
        Self {
            slots: Vec::new(),
            free: Vec::new(),
            read_buffer: vec![0; READ_BUFFER_BYTES],
            requests: Vec::new(),
            dirty: Vec::new(),
            buffers: Vec::new(),
            lists,
            reads: super::metrics::Namespaces::default(),
            over_quota: super::metrics::Namespaces::default(),
            held: Vec::new(),
            now_ms: 0,
        }
    }

    /// The connection in a slot.
    pub(super) fn conn(&mut self, slot: ConnKey) -> Option<&mut Conn> {
        self.slots.get_mut(slot.0 as usize)?.conn.as_deref_mut()
    }

    /// The connection with this id, unless it is gone (its slot may have another by now).
    pub(super) fn conn_by_id(&mut self, id: ConnId) -> Option<&mut Conn> {
        self.conn(super::conn::slot_of(id)).filter(|conn| conn.id == id)
    }

    /// As [`State::conn_by_id`], with what a read needs besides.
    pub(super) fn reading(&mut self, id: ConnId) -> Option<Reading<'_>> {
        let slot = self.slots.get_mut(super::conn::slot_of(id).0 as usize)?;
        let conn = slot.conn.as_deref_mut().filter(|conn| conn.id == id)?;
        if conn.output.capacity() == 0 {
            conn.output = self.buffers.pop().unwrap_or_default();
        }
        if !conn.dirty {
            conn.dirty = true;
            self.dirty.push(super::conn::slot_of(id));
        }
        Some(Reading { conn, lists: &mut self.lists, reads: &mut self.reads, now_ms: self.now_ms })
    }

    /// Connections that are open.
    pub(super) fn conns(&mut self) -> impl Iterator<Item = &mut Conn> {
        self.slots.iter_mut().filter_map(|slot| slot.conn.as_deref_mut())
    }

    /// Connections that are open, with their slots, from this slot on.
    pub(super) fn conns_from(&self, slot: usize) -> impl Iterator<Item = (usize, &Conn)> {
        let slots = self.slots.iter().enumerate().skip(slot);
        slots.filter_map(|(slot, place)| place.conn.as_deref().map(|conn| (slot, conn)))
    }

    fn insert(&mut self, worker: usize, stream: TcpStream, peer: SocketAddr, now_ms: i64) -> ConnId {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot { generation: 0, conn: None });
            ConnKey(u32::try_from(self.slots.len() - 1).expect("fewer than 2^32 connections"))
        });
        let place = &mut self.slots[slot.0 as usize];
        place.generation = place.generation.wrapping_add(1);
        let id = conn_id(worker, place.generation, slot);
        place.conn = Some(Box::new(Conn::new(id, stream, peer, now_ms)));
        id
    }

    /// Takes a connection out. Its slot stays taken until [`State::release`].
    fn remove(&mut self, slot: ConnKey) -> Option<Box<Conn>> {
        self.slots.get_mut(slot.0 as usize)?.conn.take()
    }

    /// An empty slot may be used again.
    fn release(&mut self, slot: ConnKey) {
        debug_assert!(self.conn(slot).is_none());
        self.free.push(slot);
    }

    /// Has a connection flushed before the wake-up ends.
    pub(super) fn mark_dirty(&mut self, slot: ConnKey) {
        if let Some(conn) = self.conn(slot)
            && !conn.dirty
        {
            conn.dirty = true;
            self.dirty.push(slot);
        }
    }
}

impl Worker {
    /// What a worker runs on. It takes descriptors, which may be too few.
    pub(super) fn runtime() -> io::Result<Runtime> {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        runtime.enable_all().event_interval(512);
        // They answer four-letter words, and live only while there are some.
        runtime.max_blocking_threads(WORD_THREADS).build()
    }

    /// Runs a worker until it is told to stop. `entrance` is for the one that accepts.
    pub(super) fn run(
        index: usize,
        hub: Arc<Hub>,
        sequencing: Sequencing,
        reader: TreeReader,
        runtime: &Runtime,
        entrance: Option<Entrance>,
    ) {
        let lists = super::lists::ListCache::new(hub.config.limits.children_cache_entries);
        let worker = Rc::new(Self {
            index,
            hub,
            sequencing,
            reader,
            state: RefCell::new(State::new(lists)),
            handover: Notify::new(),
            stopped: Notify::new(),
        });
        let local = LocalSet::new();
        local.block_on(runtime, async {
            let inbox = spawn_local(Self::watch_inbox(Rc::clone(&worker)));
            spawn_local(Self::hand_over(Rc::clone(&worker)));
            spawn_local(Self::reap(Rc::clone(&worker)));
            spawn_local(super::throttle::look_again(Rc::clone(&worker)));
            if let Some(entrance) = entrance {
                spawn_local(super::accept::accept(Rc::clone(&worker), entrance));
            }
            worker.stopped.notified().await;
            inbox.abort();
        });
    }

    /// Takes in what the sequencer and the other workers leave.
    async fn watch_inbox(worker: Rc<Self>) {
        loop {
            worker.hub.workers[worker.index].notify.notified().await;
            let mail = std::mem::take(&mut *worker.hub.workers[worker.index].mail.lock());
            for mail in mail {
                worker.mail(mail);
            }
            worker.wake_up(|worker, state, _| super::throttle::go_on(worker, state));
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

    fn leave_requests(&self) {
        let requests = std::mem::take(&mut self.state.borrow_mut().requests);
        if !requests.is_empty() {
            self.hub.mailbox.leave(Message::Requests(requests));
        }
    }

    /// Closes connections that never set up a session.
    async fn reap(worker: Rc<Self>) {
        let limit_ms = i64::from(worker.hub.config.client.sessionless_timeout_ms).max(1);
        let mut interval = tokio::time::interval(Duration::from_millis(limit_ms.cast_unsigned().max(10) / 2));
        loop {
            interval.tick().await;
            let now_ms = worker.hub.clock.elapsed_ms();
            for conn in worker.state.borrow_mut().conns() {
                if conn.phase == Phase::Fresh && now_ms - conn.stats.established_ms > limit_ms {
                    conn.phase = Phase::Closing;
                    conn.wake();
                    worker.stats().sheet.count(Count::SessionlessExpired).add(1);
                }
            }
        }
    }

    fn mail(self: &Rc<Self>, mail: Mail) {
        match mail {
            Mail::Accepted(stream, peer) => match TcpStream::from_std(stream) {
                Ok(stream) => self.adopt(stream, peer),
                Err(error) => {
                    tracing::warn!(%peer, %error, "cannot take in the connection");
                    self.hub.limits.close(peer.ip());
                }
            },
            Mail::Query(query) => query(&mut self.state.borrow_mut(), &mut self.reader.lock().shard),
            Mail::Stop => self.stopped.notify_one(),
        }
    }

    /// Takes in a new connection.
    pub(super) fn adopt(self: &Rc<Self>, stream: TcpStream, peer: SocketAddr) {
        let now_ms = self.hub.clock.elapsed_ms();
        let id = self.state.borrow_mut().insert(self.index, stream, peer, now_ms);
        self.stats().connections.add(1);
        spawn_local(Self::serve(Rc::clone(self), id));
    }

    /// The life of a connection.
    async fn serve(worker: Rc<Self>, id: ConnId) {
        poll_fn(|cx| worker.poll_conn(id, cx)).await;
        let slot = super::conn::slot_of(id);
        let Some(conn) = worker.state.borrow_mut().remove(slot) else { return };
        if conn.session.is_none() {
            worker.empty(&conn.stream);
        }
        worker.stats().connections.subtract(1);
        for waiting in conn.waiting.iter() {
            worker.stats().finished(waiting.len, waiting.large);
            worker.stats().sheet.count(Count::StaleReplies).add(1);
        }
        worker.hub.limits.close(conn.peer.ip());
        if let Some(session) = conn.session {
            // What it asked in this poll round comes before its end: a client may close right behind its last write.
            worker.leave_requests();
            worker.hub.mailbox.leave(Message::Disconnected { session, conn: id, heard_ms: conn.heard_ms });
            worker.handover.notify_one();
        }
        // Events that meet its watches until they are gone find an empty slot.
        while !worker.reader.lock().shard.watches.remove_some(slot, WATCHES_A_STEP) {
            tokio::task::yield_now().await;
        }
        worker.state.borrow_mut().release(slot);
    }

    /// Reads what is left of a connection that ends: closing it over unread bytes could cost its peer the answer.
    fn empty(&self, stream: &TcpStream) {
        let mut state = self.state.borrow_mut();
        for _ in 0..READS_TO_EMPTY {
            if !matches!(stream.try_read(&mut state.read_buffer), Ok(1..)) {
                return;
            }
        }
    }

    pub(super) fn stats(&self) -> &super::stats::WorkerStats {
        &self.hub.workers[self.index].stats
    }

    /// One wake-up of a connection: sends what is left, reads what has arrived, answers it.
    fn poll_conn(self: &Rc<Self>, id: ConnId, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let stream = {
                let mut state = self.state.borrow_mut();
                let Some(conn) = state.conn_by_id(id) else { return Poll::Ready(()) };
                if !conn.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
                    conn.waker = Some(cx.waker().clone());
                }
                if conn.unsent() > 0 && !flush::flush(&mut state, id) {
                    return Poll::Ready(());
                }
                let Some(conn) = state.conn_by_id(id) else { return Poll::Ready(()) };
                if conn.phase == Phase::Closing && conn.unsent() == 0 {
                    return Poll::Ready(());
                }
                if conn.phase == Phase::Closing && conn.lingers_too_long(cx) {
                    return Poll::Ready(());
                }
                Rc::clone(&conn.stream)
            };
            let pace = self.go_on(id);
            match pace {
                Pace::Close => return Poll::Ready(()),
                Pace::Wait if self.may_go_on(id) => {
                    // What held it back is sent already. Nothing will wake it for that; the others come first.
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Pace::Wait => {
                    // Something else wakes it; a client that goes away meanwhile is noticed when it is written to.
                    return self.poll_writable(id, &stream, cx);
                }
                // What comes now finds no server any more.
                Pace::Read if self.hub.draining.load(Ordering::Relaxed) => {
                    return self.poll_writable(id, &stream, cx);
                }
                Pace::Read => {}
            }
            match stream.poll_read_ready(cx) {
                Poll::Pending => return self.poll_writable(id, &stream, cx),
                Poll::Ready(Err(_)) => return Poll::Ready(()),
                Poll::Ready(Ok(())) => {
                    if !self.read(id, &stream) {
                        return Poll::Ready(());
                    }
                }
            }
        }
    }

    /// Whether nothing holds the connection back any more.
    fn may_go_on(&self, id: ConnId) -> bool {
        let mut state = self.state.borrow_mut();
        let goes_on = |conn: &mut Conn| !conn.throttled && frames::pace(&self.hub, conn) == Pace::Read;
        state.conn_by_id(id).is_some_and(goes_on)
    }

    /// Waits until there is room to send, if something is to be sent.
    fn poll_writable(&self, id: ConnId, stream: &TcpStream, cx: &mut Context<'_>) -> Poll<()> {
        let unsent = self.state.borrow_mut().conn_by_id(id).map_or(0, |conn| conn.unsent());
        if unsent > 0 && stream.poll_write_ready(cx).is_ready() {
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }

    /// Reads once and answers what is whole. False: the connection ends.
    fn read(self: &Rc<Self>, id: ConnId, stream: &TcpStream) -> bool {
        let mut buffer = std::mem::take(&mut self.state.borrow_mut().read_buffer);
        let mut got = 0;
        let result = stream.try_io(Interest::READABLE, || {
            got = rustix::io::read(stream, &mut buffer[..])?;
            // A read that does not fill the buffer has emptied the socket: the next one would only find that out.
            if got > 0 && got < buffer.len() { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(()) }
        });
        if got == 0 && !matches!(&result, Err(error) if error.kind() == io::ErrorKind::WouldBlock) {
            self.stats().sheet.count(Count::ConnectionsDropped).add(1);
        }
        let alive = match result {
            Ok(()) => got > 0,
            Err(error) => error.kind() == io::ErrorKind::WouldBlock,
        };
        let goes_on = alive && (got == 0 || self.take_in(id, &buffer[..got]) != Pace::Close);
        self.state.borrow_mut().read_buffer = buffer;
        goes_on
    }

    fn take_in(self: &Rc<Self>, id: ConnId, input: &[u8]) -> Pace {
        let mut pace = Pace::Close;
        self.wake_up(|worker, state, guard| pace = frames::take_in(worker, state, guard, id, input));
        pace
    }

    /// Whether a connection may read on; first answers what it has read already, if it was held back.
    fn go_on(self: &Rc<Self>, id: ConnId) -> Pace {
        {
            let mut state = self.state.borrow_mut();
            let Some(conn) = state.conn_by_id(id) else { return Pace::Close };
            let pace = frames::pace(&self.hub, conn);
            conn.held_back = pace == Pace::Wait;
            if pace != Pace::Read || conn.input.is_empty() || !frames::has_frame(&self.hub, conn) {
                return pace;
            }
        }
        self.take_in(id, &[])
    }

    /// Takes the lock, empties the inbox, does `work`, lets go, and sends what there is to send.
    pub(super) fn wake_up(
        self: &Rc<Self>,
        work: impl FnOnce(&Self, &mut State, &mut super::token::ReadGuard<'_, crate::tree::Tree, Shard>),
    ) {
        let mut state = self.state.borrow_mut();
        state.now_ms = self.hub.clock.elapsed_ms();
        {
            let mut guard = self.reader.lock();
            if !guard.shard.inbox.is_empty() {
                let items = std::mem::take(&mut guard.shard.inbox);
                for item in items {
                    drain::item(self, &mut state, &mut guard, item);
                }
            }
            work(self, &mut state, &mut guard);
        }
        if !state.requests.is_empty() {
            self.handover.notify_one();
        }
        flush::flush_dirty(&mut state);
    }
}
