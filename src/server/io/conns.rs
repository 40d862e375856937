//! The connections of one worker, each in a place of its own.
//!
//! Invariants: a place has another generation for each connection that it holds, and a connection is found by its
//! whole [`ConnId`] alone: whoever names one that is gone finds nobody, also when its place is taken again. What it
//! watches goes by [`ConnKey`], which only a connection that was found can give; a place is used again only when
//! nothing is watched under its key.

use super::conn::{Conn, Phase};
use crate::{
    server::sequence::{conn_id, place_of},
    session::ConnId,
    watch::ConnKey,
};
use std::{collections::VecDeque, net::SocketAddr, rc::Rc};
use tokio::net::TcpStream;

/// A buffer that grew beyond this is given back to the allocator once it is empty.
const KEPT_BUFFER_BYTES: usize = 64 * 1024;
/// Buffers that wait to be used again.
const KEPT_BUFFERS: usize = 64;
/// Connections that one wake-up sends for, some 2 ms: an event may be for all there are.
const FLUSHED_AT_ONCE: usize = 256;

/// Connections, and who of them has something to send.
#[derive(Debug, Default)]
pub(crate) struct Conns {
    places: Vec<Place>,
    free: Vec<u32>,
    /// Connections with something to send.
    dirty: Vec<ConnId>,
    /// Those that one wake-up had too many of, in the order in which it met them.
    later: VecDeque<ConnId>,
    /// Connections that the request throttle holds back.
    pub(super) held: Vec<ConnId>,
    /// Output buffers that are empty.
    buffers: Vec<Vec<u8>>,
}

#[derive(Debug)]
struct Place {
    generation: u32,
    conn: Option<Box<Conn>>,
}

/// What a connection is watched for under.
const fn key_of(place: u32) -> ConnKey {
    ConnKey(place)
}

impl Conns {
    /// The connection, unless it is gone.
    pub(crate) fn get(&mut self, id: ConnId) -> Option<&mut Conn> {
        self.places.get_mut(place_of(id))?.conn.as_deref_mut().filter(|conn| conn.id == id)
    }

    /// The connection whose watches have this key. (It may be gone, while its watches are not.)
    pub(crate) fn watcher(&mut self, key: ConnKey) -> Option<&mut Conn> {
        self.places.get_mut(key.0 as usize)?.conn.as_deref_mut()
    }

    /// All that are open.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Conn> {
        self.places.iter_mut().filter_map(|place| place.conn.as_deref_mut())
    }

    /// Those that are open, with their places, from this place on.
    pub(crate) fn starting_at(&self, place: usize) -> impl Iterator<Item = (usize, &Conn)> {
        let places = self.places.iter().enumerate().skip(place);
        places.filter_map(|(place, held)| held.conn.as_deref().map(|conn| (place, conn)))
    }

    /// Takes in a connection of `worker`.
    pub(super) fn insert(
        &mut self,
        worker: usize,
        stream: TcpStream,
        peer: SocketAddr,
        now_ms: i64,
    ) -> ConnId {
        let place = self.free.pop().unwrap_or_else(|| {
            self.places.push(Place { generation: 0, conn: None });
            u32::try_from(self.places.len() - 1).expect("fewer than 2^32 connections")
        });
        let held = &mut self.places[place as usize];
        held.generation = held.generation.wrapping_add(1);
        let id = conn_id(worker, held.generation, place);
        held.conn = Some(Box::new(Conn::new(id, key_of(place), Rc::new(stream), peer, now_ms)));
        id
    }

    /// Takes a connection out. Its place stays taken until [`Conns::release`].
    pub(super) fn remove(&mut self, id: ConnId) -> Option<Box<Conn>> {
        self.get(id)?;
        self.places[place_of(id)].conn.take()
    }

    /// Nothing is watched any more by the connection that was in this place: it may be used again.
    pub(super) fn release(&mut self, gone: ConnId) {
        let place = place_of(gone);
        assert!(self.places[place].conn.is_none(), "a place is released once, behind its connection");
        self.free.push(u32::try_from(place).expect("places have 32 bits"));
    }

    /// The connection with an output buffer; it is flushed before the wake-up ends.
    pub(super) fn outgoing(&mut self, id: ConnId) -> Option<&mut Conn> {
        let conn = self.places.get_mut(place_of(id))?.conn.as_deref_mut().filter(|conn| conn.id == id)?;
        if conn.output.has_no_buffer() {
            conn.output.lend(self.buffers.pop().unwrap_or_default());
        }
        if !std::mem::replace(&mut conn.dirty, true) {
            self.dirty.push(id);
        }
        Some(conn)
    }

    /// Has a connection send what it has to say.
    pub(super) fn send(&mut self, id: ConnId, frame: &[u8]) {
        if let Some(conn) = self.outgoing(id) {
            conn.output.tail().extend_from_slice(frame);
        }
    }

    /// The connection ends once everything is sent.
    pub(crate) fn close(&mut self, id: ConnId) {
        if let Some(conn) = self.outgoing(id) {
            conn.phase = Phase::Closing;
        }
    }

    /// Sends as much as the socket takes. False: the connection is broken.
    pub(super) fn flush(&mut self, id: ConnId) -> bool {
        let Some(conn) = self.get(id) else { return false };
        if !conn.flush() {
            conn.note_gone();
            return false;
        }
        if let Some(buffer) = conn.output.give_back()
            && (1..=KEPT_BUFFER_BYTES).contains(&buffer.capacity())
            && self.buffers.len() < KEPT_BUFFERS
        {
            self.buffers.push(buffer);
        }
        true
    }

    /// Sends for the connections that have something to say; if they are very many, for some. Whether others are left for
    /// [`Conns::flush_later`].
    pub(super) fn flush_dirty(&mut self) -> bool {
        let mut dirty = std::mem::take(&mut self.dirty);
        for (count, &id) in dirty.iter().enumerate() {
            let Some(conn) = self.get(id) else { continue };
            conn.dirty = false;
            if count < FLUSHED_AT_ONCE {
                self.flush_one(id);
            } else {
                self.later.push_back(id);
            }
        }
        dirty.clear();
        self.dirty = dirty;
        !self.later.is_empty()
    }

    /// Sends for some of those that were left. Whether there are more.
    pub(super) fn flush_later(&mut self) -> bool {
        for _ in 0..FLUSHED_AT_ONCE {
            let Some(id) = self.later.pop_front() else { return false };
            self.flush_one(id);
        }
        !self.later.is_empty()
    }

    /// Sends for one connection. If it cannot send all, or is to be closed, it is left to its own task.
    fn flush_one(&mut self, id: ConnId) {
        let alive = self.flush(id);
        let Some(conn) = self.get(id) else { return };
        if !alive {
            conn.output.clear();
            conn.phase = Phase::Closing;
        }
        if !alive || conn.unsent() > 0 || conn.phase == Phase::Closing {
            conn.wake();
        }
    }
}
