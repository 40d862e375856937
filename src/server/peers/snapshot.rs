//! A snapshot from a leader, as it comes behind SNAP: to the disk, while everything else goes on.

use super::{moving::Moving, packets::Packets, wing::Wing};
use crate::{
    storage::{ReceivedSnapshot, SnapshotReceiver, StoreError},
    zab::Link,
};
use bytes::{Buf, BytesMut};
use oxkeeper_codec::{
    Zxid,
    learner::{SNAPSHOT_END, check_snapshot_end},
};
use std::{io, sync::Arc};
use tokio::{io::AsyncRead, sync::OwnedMutexGuard, task::spawn_blocking};

/// A snapshot under way. It is let go before another one begins: both would need the room.
struct Receiving {
    receiver: SnapshotReceiver,
    turn: OwnedMutexGuard<()>,
}

/// Takes the snapshot and its end; what `packets` has afterwards is a packet again.
///
/// # Errors
/// The connection ends, this is no snapshot, or the disk fails.
pub(super) async fn receive(
    wing: &Wing,
    link: Link,
    zxid: Zxid,
    packets: &mut Packets,
    from: &mut (impl AsyncRead + Unpin),
) -> io::Result<ReceivedSnapshot> {
    let turn = Arc::clone(&wing.receiving).lock_owned().await;
    let (disk, compression) = (Arc::clone(&wing.options.snap_disk), wing.options.snap_compression);
    let create = move || SnapshotReceiver::create(disk, zxid, compression);
    let mut receiving = work(move || create().map(|receiver| Receiving { receiver, turn })).await?;
    let mut moving = Moving::new(wing, link);
    while !receiving.receiver.is_complete() {
        if packets.raw().is_empty() && packets.read(from).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let input = packets.raw().split();
        let (next, rest) = work(move || receiving.write(input)).await?;
        receiving = next;
        packets.give_back(rest);
        moving.on();
    }
    while !check_snapshot_end(packets.raw()).map_err(io::Error::other)? {
        if packets.read(from).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    packets.raw().advance(SNAPSHOT_END.len());
    let (received, turn) = work(move || receiving.finish()).await?;
    drop(turn);
    Ok(received)
}

impl Receiving {
    /// Writes what belongs to it, and returns the rest.
    fn write(mut self, mut input: BytesMut) -> Result<(Self, BytesMut), StoreError> {
        let taken = self.receiver.write(&input)?;
        input.advance(taken);
        Ok((self, input))
    }

    /// Whoever has no use for the result lets go of it before the turn.
    fn finish(self) -> Result<(ReceivedSnapshot, OwnedMutexGuard<()>), StoreError> {
        Ok((self.receiver.finish()?, self.turn))
    }
}

/// Has a thread do what waits for the disk.
async fn work<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> io::Result<T> {
    spawn_blocking(work).await.map_err(io::Error::other)?.map_err(io::Error::other)
}
