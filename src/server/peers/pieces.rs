//! A stream of bytes from another thread to a link, bounded.
//!
//! The writer never has to wait: it may ask for room, and is told ([`super::Heard::Room`]) when there is some again.

use bytes::Bytes;
use parking_lot::{Condvar, Mutex};
use std::{
    collections::VecDeque,
    future::poll_fn,
    sync::Arc,
    task::{Poll, Waker},
};

/// With so much under way, in bytes, there is no room.
const FULL_BYTES: usize = 4 << 20;

/// A stream: what is written at one end is read at the other.
pub(crate) fn piece_stream() -> (PieceWriter, PieceReader) {
    let shared = Arc::new(Shared::default());
    (PieceWriter(Arc::clone(&shared)), PieceReader(shared))
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    /// There is room, or nobody reads.
    room: Condvar,
}

#[derive(Debug, Default)]
struct State {
    queue: VecDeque<Bytes>,
    bytes: usize,
    /// Nothing is written any more.
    ended: bool,
    /// Nobody reads any more.
    gone: bool,
    /// The writer was told that there is no room.
    refused: bool,
    reader: Option<Waker>,
}

/// The end that is written to. Dropping it ends the stream.
#[derive(Debug)]
pub(crate) struct PieceWriter(Arc<Shared>);

impl PieceWriter {
    /// Whether another piece may be sent. If not, [`super::Heard::Room`] comes once there is room.
    pub(crate) fn has_room(&self) -> bool {
        let mut state = self.0.state.lock();
        state.refused = !state.has_room();
        !state.refused
    }

    /// Sends a piece, without waiting; one more than there is room for does no harm. False: the link is gone.
    pub(crate) fn send(&self, piece: Bytes) -> bool {
        self.0.state.lock().push(piece)
    }

    /// Sends a piece once there is room for it. False: the link is gone.
    pub(crate) fn blocking_send(&self, piece: Bytes) -> bool {
        let mut state = self.0.state.lock();
        while !state.has_room() {
            self.0.room.wait(&mut state);
        }
        state.push(piece)
    }

    /// Whether the link is gone.
    pub(crate) fn is_closed(&self) -> bool {
        self.0.state.lock().gone
    }
}

impl Drop for PieceWriter {
    fn drop(&mut self) {
        let mut state = self.0.state.lock();
        state.ended = true;
        state.wake_reader();
    }
}

impl State {
    const fn has_room(&self) -> bool {
        self.gone || self.bytes < FULL_BYTES
    }

    fn push(&mut self, piece: Bytes) -> bool {
        if self.gone {
            return false;
        }
        self.bytes += piece.len();
        self.queue.push_back(piece);
        self.wake_reader();
        true
    }

    fn wake_reader(&mut self) {
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }
}

/// The end that goes to a link. Dropping it tells the writer that nobody reads.
#[derive(Debug)]
pub(crate) struct PieceReader(Arc<Shared>);

impl PieceReader {
    /// The next piece, and whether the writer is to be told that there is room again; `None` at the end.
    pub(super) async fn next(&mut self) -> Option<(Bytes, bool)> {
        poll_fn(|context| {
            let mut state = self.0.state.lock();
            if let Some(piece) = state.queue.pop_front() {
                state.bytes -= piece.len();
                // Not for every piece, but while there still is something to write meanwhile.
                let has_room = state.bytes <= FULL_BYTES / 2;
                if has_room {
                    self.0.room.notify_all();
                }
                let tell = has_room && std::mem::take(&mut state.refused);
                return Poll::Ready(Some((piece, tell)));
            }
            if state.ended {
                return Poll::Ready(None);
            }
            state.reader = Some(context.waker().clone());
            Poll::Pending
        })
        .await
    }
}

impl Drop for PieceReader {
    fn drop(&mut self) {
        let mut state = self.0.state.lock();
        state.gone = true;
        state.queue.clear();
        state.bytes = 0;
        self.0.room.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{pin::pin, task::Context};

    fn next(reader: &mut PieceReader) -> Poll<Option<(usize, bool)>> {
        let next = pin!(reader.next()).poll(&mut Context::from_waker(Waker::noop()));
        next.map(|piece| piece.map(|(piece, tell)| (piece.len(), tell)))
    }

    fn piece(len: usize) -> Bytes {
        Bytes::from(vec![7; len])
    }

    #[test]
    fn a_full_stream_says_once_that_it_has_room_again() {
        let (writer, mut reader) = piece_stream();
        assert!(next(&mut reader).is_pending() && writer.has_room());
        for _ in 0..5 {
            assert!(writer.send(piece(FULL_BYTES / 4)), "one more than fits does no harm");
        }
        assert!(!writer.has_room() && !writer.is_closed());
        let told: Vec<_> = (0..5).map(|_| next(&mut reader)).collect();
        let expected = |tell| Poll::Ready(Some((FULL_BYTES / 4, tell)));
        assert_eq!(told, [false, false, true, false, false].map(expected));
        assert!(writer.send(piece(1)));
        drop(writer);
        assert_eq!(next(&mut reader), Poll::Ready(Some((1, false))));
        assert_eq!(next(&mut reader), Poll::Ready(None));
    }

    #[test]
    fn a_writer_that_waits_goes_on_with_room_or_when_nobody_reads() {
        for reads in [true, false] {
            let (writer, mut reader) = piece_stream();
            assert!(writer.send(piece(FULL_BYTES)));
            std::thread::scope(|scope| {
                let waits = scope.spawn(|| (writer.blocking_send(piece(1)), writer.is_closed()));
                if reads {
                    assert_eq!(next(&mut reader), Poll::Ready(Some((FULL_BYTES, false))));
                    assert_eq!(waits.join().expect("no panic"), (true, false));
                } else {
                    drop(reader);
                    assert_eq!(waits.join().expect("no panic"), (false, true));
                }
            });
        }
    }
}
