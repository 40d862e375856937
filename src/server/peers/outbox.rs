//! What is to be sent over one link, in order: packets, whole, and streams.

use super::pieces::PieceReader;
use crate::server::figures::LearnerFigures;
use bytes::{Buf, Bytes, BytesMut};
use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    future::poll_fn,
    io::{self, IoSlice},
    pin::Pin,
    rc::Rc,
};
use tokio::{
    io::{AsyncWrite, AsyncWriteExt},
    sync::Notify,
};

/// What may wait, in bytes.
const WAITING_MAX_BYTES: usize = 256 << 20;
/// So many pieces go into one system call.
const PIECES_AT_ONCE: usize = 64;
/// A piece up to this length is copied to those before it, in bytes: what waits needs no more memory than is counted, however
/// small the packets are, and goes in fewer pieces.
const COPIED_MAX_BYTES: usize = 1024;
/// What is copied together, at most, in bytes.
const TOGETHER_MAX_BYTES: usize = 16 << 10;

/// Several outboxes, which have a bound together.
#[derive(Debug, Default)]
pub(super) struct Crowd {
    /// What waits in all of them, in bytes.
    waiting: Cell<usize>,
    /// Counts what is written, so that it has an order.
    writes: Cell<u64>,
}

impl Crowd {
    /// What waits in all of them, in bytes.
    pub(super) const fn waiting(&self) -> usize {
        self.waiting.get()
    }
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    queue: RefCell<VecDeque<Item>>,
    /// What waits, in bytes, without what streams will bring.
    waiting: Cell<usize>,
    /// Bytes of packets that were ever sent.
    sent: Cell<usize>,
    /// Nothing more will be added.
    finished: Cell<bool>,
    more: Notify,
    less: Notify,
    crowd: Option<Rc<Crowd>>,
    /// How many writes the crowd had seen when this one took something last, or had nothing left to take.
    last_taken: Cell<u64>,
}

#[derive(Debug)]
enum Item {
    /// Pieces that were copied together.
    Small(BytesMut),
    Bytes(Bytes),
    Stream(PieceReader),
}

/// What is to be sent next.
pub(super) enum Next {
    /// At least one piece of packets.
    Bytes,
    /// All of a stream.
    Stream(PieceReader),
}

impl Outbox {
    /// One of a crowd.
    pub(super) fn among(crowd: Rc<Crowd>) -> Self {
        Self { crowd: Some(crowd), ..Self::default() }
    }

    /// What waits, in bytes.
    pub(super) const fn waiting(&self) -> usize {
        self.waiting.get()
    }

    /// Tells what waits for a learner.
    pub(super) fn count(&self, learner: &LearnerFigures) {
        let whole = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
        learner.queued_bytes.set(whole(self.waiting.get()));
        learner.queued.set(whole(self.queue.borrow().len()));
    }

    /// Of two of a crowd, the lesser has taken nothing for longer.
    pub(super) const fn last_taken(&self) -> u64 {
        self.last_taken.get()
    }

    fn takes(&self) {
        if let Some(crowd) = &self.crowd {
            self.last_taken.set(crowd.writes.get());
        }
    }

    fn waits(&self, waiting: usize) {
        if let Some(crowd) = &self.crowd {
            crowd.waiting.set(crowd.waiting.get() - self.waiting.get() + waiting);
        }
        self.waiting.set(waiting);
    }

    /// Adds pieces of a packet. False: too much waits.
    pub(super) fn push<const N: usize>(&self, pieces: [Bytes; N]) -> bool {
        if self.waiting.get() == 0 {
            self.takes();
        }
        let mut queue = self.queue.borrow_mut();
        for piece in pieces.into_iter().filter(|piece| !piece.is_empty()) {
            self.waits(self.waiting.get() + piece.len());
            match queue.back_mut() {
                _ if piece.len() > COPIED_MAX_BYTES => queue.push_back(Item::Bytes(piece)),
                Some(Item::Small(together)) if together.len() + piece.len() <= TOGETHER_MAX_BYTES => {
                    together.extend_from_slice(&piece)
                }
                _ => queue.push_back(Item::Small(BytesMut::from(&*piece))),
            }
        }
        self.more.notify_one();
        self.waiting.get() <= WAITING_MAX_BYTES
    }

    /// Nothing of it will be sent: whoever has it from others does this before it goes.
    pub(super) fn clear(&self) {
        self.queue.borrow_mut().clear();
        self.waits(0);
    }

    /// Adds a stream.
    pub(super) fn push_stream(&self, stream: PieceReader) {
        self.queue.borrow_mut().push_back(Item::Stream(stream));
        self.more.notify_one();
    }

    /// What waits is all that is sent.
    pub(super) fn finish(&self) {
        self.finished.set(true);
        self.more.notify_one();
    }

    /// What comes next, once there is something; `None`: nothing more will.
    pub(super) async fn next(&self) -> Option<Next> {
        loop {
            if let Some(next) = self.take_next() {
                return Some(next);
            }
            if self.finished.get() {
                return None;
            }
            self.more.notified().await;
        }
    }

    fn take_next(&self) -> Option<Next> {
        let mut queue = self.queue.borrow_mut();
        match queue.pop_front()? {
            Item::Stream(stream) => Some(Next::Stream(stream)),
            bytes => {
                queue.push_front(bytes);
                Some(Next::Bytes)
            }
        }
    }

    /// Writes pieces of packets from the front, in one system call.
    pub(super) async fn write(&self, to: &mut (impl AsyncWrite + Unpin)) -> io::Result<()> {
        let written = poll_fn(|context| {
            let queue = self.queue.borrow();
            let mut slices = [IoSlice::new(&[]); PIECES_AT_ONCE];
            let mut count = 0;
            for (slice, piece) in slices.iter_mut().zip(queue.iter().map_while(Item::bytes)) {
                *slice = IoSlice::new(piece);
                count += 1;
            }
            Pin::new(&mut *to).poll_write_vectored(context, &slices[..count])
        });
        let written = written.await?;
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        // What TLS has taken is on its way only then.
        to.flush().await?;
        self.written(written);
        Ok(())
    }

    /// Waits until all that waits now is sent.
    pub(super) async fn catch_up(&self) {
        let all = self.sent.get().wrapping_add(self.waiting.get());
        while all.wrapping_sub(self.sent.get()).cast_signed() > 0 {
            self.less.notified().await;
        }
    }

    /// Takes off the front what was written.
    fn written(&self, mut written: usize) {
        self.waits(self.waiting.get() - written);
        if let Some(crowd) = &self.crowd {
            crowd.writes.set(crowd.writes.get() + 1);
        }
        self.takes();
        self.sent.set(self.sent.get().wrapping_add(written));
        self.less.notify_waiters();
        let mut queue = self.queue.borrow_mut();
        while written > 0
            && let Some(first) = queue.front_mut()
        {
            let taken = first.bytes().map_or(0, <[u8]>::len).min(written);
            written -= taken;
            match first {
                Item::Small(together) => together.advance(taken),
                Item::Bytes(piece) => piece.advance(taken),
                Item::Stream(_) => break,
            }
            if first.bytes().is_some_and(<[u8]>::is_empty) {
                queue.pop_front();
            }
        }
    }
}

impl Item {
    fn bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Small(together) => Some(together),
            Self::Bytes(bytes) => Some(bytes),
            Self::Stream(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_is_bounded() {
        let (outbox, piece) = (Outbox::default(), Bytes::from(vec![0; 1 << 20]));
        for _ in 0..256 {
            assert!(outbox.push([piece.clone(), Bytes::new()]));
        }
        outbox.written(3);
        outbox.written(1 << 20);
        assert!(outbox.push([piece]) && !outbox.push([Bytes::from_static(b"more")]));
    }

    #[test]
    fn small_packets_are_copied_together_and_keep_their_order() {
        let outbox = Outbox::default();
        let mut all = Vec::new();
        for n in 0..3_000_u32 {
            let large = Bytes::from(vec![7; if n % 1000 == 999 { COPIED_MAX_BYTES + 1 } else { 0 }]);
            let small = Bytes::copy_from_slice(&n.to_be_bytes());
            all.extend_from_slice(&large);
            all.extend_from_slice(&small);
            assert!(outbox.push([large, small]));
        }
        assert!(outbox.queue.borrow().len() < 10);
        assert_eq!(outbox.waiting(), all.len());
        let (mut sent, mut taken) = (0, 0);
        while sent < all.len() {
            taken += 1;
            let front: Vec<u8> = outbox
                .queue
                .borrow()
                .iter()
                .flat_map(|item| item.bytes().unwrap().to_vec())
                .take(taken)
                .collect();
            assert_eq!(front[..], all[sent..][..front.len()]);
            outbox.written(front.len());
            sent += front.len();
        }
        assert_eq!((outbox.waiting(), outbox.queue.borrow().len()), (0, 0));
    }
}
