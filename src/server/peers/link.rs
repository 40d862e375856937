//! One link: what comes is told, what is to be said is written, until either is not possible any more.

use super::{
    Heard,
    moving::Moving,
    outbox::{Next, Outbox},
    packets::{Packets, READ_BYTES},
    snapshot,
    stream::PeerStream,
    wing::Wing,
};
use crate::{
    server::figures::LearnerFigures,
    zab::{Event, Link},
};
use bytes::Bytes;
use oxkeeper_codec::{
    OpCode,
    learner::{ToLeader, ToLearner},
    packet::PacketError,
};
use std::{io, pin::pin};
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt, split},
    task::yield_now,
};

/// So many questions of a learner may be without an answer that it has taken.
const UNANSWERED_MAX: usize = 1000;

/// Which end of a link this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Leader,
    Learner,
}

/// A link, as its task has it.
pub(super) struct Conversation<'a> {
    pub(super) wing: &'a Wing,
    pub(super) link: Link,
    pub(super) end: End,
    pub(super) outbox: &'a Outbox,
    /// Where it is counted, of a learner.
    pub(super) learner: Option<&'a LearnerFigures>,
}

impl Conversation<'_> {
    /// Goes on until the link ends.
    ///
    /// # Errors
    /// Why it does; `Ok`: the other side has ended it, perhaps since this one had finished.
    pub(super) async fn run(&self, stream: PeerStream, packets: Packets) -> io::Result<()> {
        match stream {
            PeerStream::Plain(mut stream) => {
                let (read, write) = stream.split();
                self.converse(read, write, packets).await
            }
            tls @ PeerStream::Tls(_) => {
                let (read, write) = split(tls);
                self.converse(read, write, packets).await
            }
        }
    }

    async fn converse(
        &self,
        read: impl AsyncRead + Unpin,
        mut write: impl AsyncWrite + Unpin,
        packets: Packets,
    ) -> io::Result<()> {
        let mut hearing = pin!(self.hear(read, packets));
        tokio::select! {
            ended = &mut hearing => return ended,
            said = self.say(&mut write) => said?,
        }
        // Closed with something unread, a connection takes along what the other side has not read either.
        write.shutdown().await?;
        hearing.await
    }

    async fn hear(&self, mut read: impl AsyncRead + Unpin, mut packets: Packets) -> io::Result<()> {
        let mut questions = 0;
        loop {
            while let Some(packet) = packets.next()? {
                let Some(event) = self.decode(&packet)? else { continue };
                questions += usize::from(is_question(&event));
                self.count(&event);
                let snap = match &event {
                    Event::FromLeader(_, ToLearner::Snap(zxid)) => Some(*zxid),
                    _ => None,
                };
                self.wing.tell_event(event);
                if let Some(zxid) = snap {
                    let received =
                        snapshot::receive(self.wing, self.link, zxid, &mut packets, &mut read).await;
                    let refused = |error: io::Error| {
                        io::Error::new(error.kind(), format!("the snapshot from the leader: {error}"))
                    };
                    self.wing.tell(Heard::Snapshot(self.link, received.map_err(refused)?));
                }
            }
            self.wing.keeps_up().await;
            if questions >= UNANSWERED_MAX {
                // Whoever asks and takes no answers is listened to no more.
                self.outbox.catch_up().await;
                questions = 0;
            }
            if self.end == End::Learner {
                self.wing.has_room().await;
            }
            match packets.read(&mut read).await? {
                0 => return Ok(()),
                // There is more: what has come is looked at first.
                READ_BYTES.. => yield_now().await,
                _ => {}
            }
        }
    }

    fn decode(&self, packet: &Bytes) -> io::Result<Option<Event>> {
        let link = self.link;
        let event = match self.end {
            End::Leader => ToLeader::decode(packet).map(|packet| Event::FromLearner(link, packet)),
            End::Learner => ToLearner::decode(packet).map(|packet| Event::FromLeader(link, packet)),
        };
        match event {
            Ok(event) => Ok(Some(event)),
            Err(error @ PacketError::Unexpected(_)) => {
                self.wing.warnings.packet(self.wing.now_ms(), link.0, &error);
                Ok(None)
            }
            Err(error) => Err(io::Error::new(io::ErrorKind::InvalidData, error)),
        }
    }

    /// Something has come from a learner.
    fn count(&self, event: &Event) {
        let Some(learner) = self.learner else { return };
        learner.received.add(1);
        match event {
            Event::FromLearner(_, ToLeader::Request(_)) => learner.requests.add(1),
            Event::FromLearner(_, ToLeader::Ack(zxid)) => learner.acknowledged(*zxid),
            _ => {}
        }
    }

    /// Until there is nothing more to say.
    async fn say(&self, write: &mut (impl AsyncWrite + Unpin)) -> io::Result<()> {
        while let Some(next) = self.outbox.next().await {
            match next {
                Next::Bytes => {
                    self.outbox.write(write).await?;
                    self.learner.iter().for_each(|learner| self.outbox.count(learner));
                }
                Next::Stream(mut stream) => {
                    let mut moving = Moving::new(self.wing, self.link);
                    while let Some((piece, room)) = stream.next().await {
                        if room {
                            self.wing.tell(Heard::Room);
                        }
                        write.write_all(&piece).await?;
                        moving.on();
                    }
                    write.flush().await?;
                }
            }
        }
        Ok(())
    }
}

/// Whether somebody wants an answer that is no transaction.
fn is_question(event: &Event) -> bool {
    match event {
        Event::FromLearner(_, ToLeader::Revalidate { .. }) => true,
        Event::FromLearner(_, ToLeader::Request(request)) => request.op == OpCode::SYNC,
        _ => false,
    }
}
