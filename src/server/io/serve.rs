//! The life of a connection: its task reads what has arrived, has it answered, and sends what is left.

use super::{
    conn::{Conn, Phase},
    frames::{self, Pace},
    sealed::Opened,
    worker::Worker,
};
use crate::{
    server::{
        figures::{Closing, Count},
        sequence::Message,
    },
    session::ConnId,
    topics,
};
use rustix::net::RecvFlags;
use std::{
    future::poll_fn,
    io,
    rc::Rc,
    sync::atomic::Ordering,
    task::{Context, Poll},
};
use tokio::{io::Interest, net::TcpStream};

/// Watches that a connection which has ended gives up at once.
const WATCHES_A_STEP: usize = 1024;
/// After so many reads others come first, also if the socket has more.
const READS_AT_ONCE: usize = 8;
/// Reads after which a connection that ends counts as empty.
const READS_TO_EMPTY: usize = 4;

/// How a connection's task goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Goes {
    /// At once, but all others come first.
    On,
    /// Not any further.
    Ends,
}

impl Worker {
    /// The life of a connection.
    pub(super) async fn serve(worker: Rc<Self>, id: ConnId) {
        worker.take_in_early(id);
        while poll_fn(|cx| worker.poll_conn(id, cx)).await == Goes::On {
            // A task that wakes itself would come again before the runtime has looked at the sockets: with a long request
            // under way 61 times, and all other clients would wait for that.
            tokio::task::yield_now().await;
        }
        let Some(conn) = worker.state.borrow_mut().conns.remove(id) else { return };
        worker.tell_end(&conn);
        if conn.session.is_none() {
            worker.empty(&conn.stream);
        }
        worker.stats().connections.subtract(1);
        for waiting in conn.waiting.iter() {
            worker.stats().finished(waiting.len, waiting.large);
            worker.stats().sheet.count(Count::StaleReplies).add(1);
        }
        worker.front.limits.close(conn.peer.ip());
        if let Some(session) = conn.session {
            // What it asked in this poll round comes before its end: a client may close right behind its last write.
            worker.leave_requests();
            worker.front.hub.mailbox.leave(Message::Disconnected {
                session,
                conn: id,
                heard_ms: conn.heard_ms,
            });
            worker.handover.notify_one();
        }
        // Events that meet its watches until they are gone find an empty place.
        while !worker.reader.lock().shard.watches.remove_some(conn.key, WATCHES_A_STEP) {
            tokio::task::yield_now().await;
        }
        worker.state.borrow_mut().conns.release(id);
    }

    /// Has the log tell that a connection is closed, and whether that was its client's doing.
    fn tell_end(&self, conn: &Conn) {
        let hub = &self.front.hub;
        if conn.is_gone && !hub.stopping.load(Ordering::Relaxed) {
            hub.stats.warnings.closing(hub.clock.elapsed_ms(), conn.client(), &Closing::Gone);
        }
        let session = conn.session.map(tracing::field::display);
        tracing::debug!(target: topics::CLIENTS, peer = %conn.peer, session, "a connection is closed");
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

    /// One wake-up of a connection: sends what is left, reads what has arrived, answers it.
    fn poll_conn(self: &Rc<Self>, id: ConnId, cx: &mut Context<'_>) -> Poll<Goes> {
        for _ in 0..READS_AT_ONCE {
            let (stream, sealed) = {
                let mut state = self.state.borrow_mut();
                let Some(conn) = state.conns.get(id) else { return Poll::Ready(Goes::Ends) };
                if !conn.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
                    conn.waker = Some(cx.waker().clone());
                }
                let unsent = conn.unsent();
                if unsent > 0 && !state.conns.flush(id) {
                    return Poll::Ready(Goes::Ends);
                }
                let Some(conn) = state.conns.get(id) else { return Poll::Ready(Goes::Ends) };
                if conn.unsent() < unsent {
                    // Whoever takes a long reply bit by bit is alive.
                    conn.heard_ms = self.front.hub.clock.elapsed_ms();
                }
                if conn.phase == Phase::Closing && conn.unsent() == 0 {
                    return Poll::Ready(Goes::Ends);
                }
                if conn.phase == Phase::Closing && conn.lingers_too_long(cx) {
                    return Poll::Ready(Goes::Ends);
                }
                (Rc::clone(&conn.stream), conn.is_secure())
            };
            let mut pace = self.go_on(id);
            if pace == Pace::Read {
                // What comes now finds no server any more.
                if self.front.draining.load(Ordering::Relaxed) {
                    return self.poll_writable(id, &stream, cx);
                }
                match stream.poll_read_ready(cx) {
                    Poll::Pending => return self.poll_writable(id, &stream, cx),
                    Poll::Ready(Err(_)) => return Poll::Ready(Goes::Ends),
                    Poll::Ready(Ok(())) => pace = self.read(id, &stream, sealed),
                }
            }
            match pace {
                Pace::Read => {}
                Pace::Close => return Poll::Ready(Goes::Ends),
                // What held it back is sent already, or it was enough for once: nothing else wakes it.
                Pace::Wait if self.may_go_on(id) => return Poll::Ready(Goes::On),
                // Something else wakes it; a client that goes away meanwhile is noticed when it is written to.
                Pace::Wait => return self.poll_writable(id, &stream, cx),
            }
        }
        Poll::Ready(Goes::On)
    }

    /// Whether nothing holds the connection back, but for the others' sake.
    fn may_go_on(&self, id: ConnId) -> bool {
        let mut state = self.state.borrow_mut();
        let goes_on = |conn: &mut Conn| {
            conn.has_step() || !conn.throttled && frames::pace(&self.front.hub, conn) == Pace::Read
        };
        state.conns.get(id).is_some_and(goes_on)
    }

    /// Waits until there is room to send, if something is to be sent.
    fn poll_writable(&self, id: ConnId, stream: &TcpStream, cx: &mut Context<'_>) -> Poll<Goes> {
        let unsent = self.state.borrow_mut().conns.get(id).map_or(0, |conn| conn.unsent());
        if unsent > 0 { stream.poll_write_ready(cx).map(|_| Goes::On) } else { Poll::Pending }
    }

    /// Reads once and answers what is whole.
    fn read(self: &Rc<Self>, id: ConnId, stream: &TcpStream, sealed: bool) -> Pace {
        let mut buffer = std::mem::take(&mut self.state.borrow_mut().read_buffer);
        let mut got = 0;
        let result = stream.try_io(Interest::READABLE, || {
            // A little cheaper than `read`, which goes the way of files first.
            (_, got) = rustix::net::recv(stream, &mut buffer[..], RecvFlags::empty())?;
            // A read that does not fill the buffer has emptied the socket: the next one would only find that out.
            if got > 0 && got < buffer.len() { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(()) }
        });
        if got == 0 && !matches!(&result, Err(error) if error.kind() == io::ErrorKind::WouldBlock) {
            self.stats().sheet.count(Count::ConnectionsDropped).add(1);
            if let Some(conn) = self.state.borrow_mut().conns.get(id) {
                conn.note_gone();
            }
        }
        let alive = match result {
            Ok(()) => got > 0,
            Err(error) => error.kind() == io::ErrorKind::WouldBlock,
        };
        let pace = match (alive, got) {
            (false, _) => Pace::Close,
            (true, 0) => Pace::Read,
            (true, got) if sealed => self.open(id, &mut buffer[..got]),
            (true, got) => self.take_in(id, &buffer[..got]),
        };
        self.state.borrow_mut().read_buffer = buffer;
        pace
    }

    /// Answers what has come behind a TLS handshake.
    fn take_in_early(self: &Rc<Self>, id: ConnId) {
        let mut state = self.state.borrow_mut();
        let early = state.conns.get(id).and_then(|conn| Some(conn.sealed.as_mut()?.take_early()));
        drop(state);
        let pace = match early {
            Some((early, Opened::Ended)) => self.end_of_tls(id, &early),
            Some((early, Opened::More)) if !early.is_empty() => self.take_in(id, &early),
            _ => return,
        };
        if pace == Pace::Close {
            self.state.borrow_mut().conns.close(id);
        }
    }

    /// Opens what was read, and answers what is whole.
    fn open(self: &Rc<Self>, id: ConnId, read: &mut [u8]) -> Pace {
        let (opened, mut plain) = {
            let mut state = self.state.borrow_mut();
            let mut plain = std::mem::take(&mut state.opened);
            let sealed = state.conns.get(id).and_then(|conn| conn.sealed.as_mut());
            (sealed.map(|sealed| sealed.open(read, &mut plain)), plain)
        };
        let pace = match opened {
            Some(Ok(Opened::More)) if plain.is_empty() => Pace::Read,
            Some(Ok(Opened::More)) => self.take_in(id, &plain),
            Some(Ok(Opened::Ended)) => self.end_of_tls(id, &plain),
            Some(Err(error)) => self.not_tls(id, &error),
            None => Pace::Close,
        };
        plain.clear();
        self.state.borrow_mut().opened = plain;
        pace
    }

    /// The client has said that this is all: it goes as one that has closed its connection.
    fn end_of_tls(self: &Rc<Self>, id: ConnId, plain: &[u8]) -> Pace {
        if !plain.is_empty() {
            self.take_in(id, plain);
        }
        // A word is answered before its connection ends; nothing that waits for its answer has to hurry.
        let is_asked = |conn: &mut Conn| conn.phase == Phase::Answering;
        if self.state.borrow_mut().conns.get(id).is_some_and(is_asked) {
            return Pace::Wait;
        }
        self.stats().sheet.count(Count::ConnectionsDropped).add(1);
        let mut state = self.state.borrow_mut();
        if let Some(conn) = state.conns.get(id) {
            conn.note_gone();
        }
        // It is told so in turn, if it still listens.
        state.conns.close(id);
        state.conns.flush(id);
        Pace::Close
    }

    /// What came is not what the client's TLS would send. The alert goes out, and nothing else.
    fn not_tls(&self, id: ConnId, error: &rustls::Error) -> Pace {
        let mut state = self.state.borrow_mut();
        let Some(conn) = state.conns.get(id) else { return Pace::Close };
        let hub = &self.front.hub;
        let why = Closing::Tls { error: &error.to_string() };
        hub.stats.warnings.closing(hub.clock.elapsed_ms(), conn.client(), &why);
        conn.output.clear();
        conn.flush();
        Pace::Close
    }

    fn take_in(self: &Rc<Self>, id: ConnId, input: &[u8]) -> Pace {
        let mut pace = Pace::Close;
        self.wake_up(|wakeup| pace = wakeup.take_in(id, input));
        pace
    }

    /// Whether a connection may read on; first answers what it has read already, if it was held back.
    fn go_on(self: &Rc<Self>, id: ConnId) -> Pace {
        {
            let mut state = self.state.borrow_mut();
            let Some(conn) = state.conns.get(id) else { return Pace::Close };
            let pace = frames::pace(&self.front.hub, conn);
            conn.held_back = pace == Pace::Wait;
            let waits =
                pace != Pace::Read || conn.input.is_empty() || !frames::has_frame(&self.front.hub, conn);
            if waits && !conn.has_step() {
                return pace;
            }
        }
        self.take_in(id, &[])
    }
}
