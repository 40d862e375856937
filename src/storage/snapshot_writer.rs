//! Writes a snapshot beside the traffic; the layout is drawn in [`super::read_snapshot`].
//!
//! Sessions, ACLs and nodes come as pieces of bytes from whoever holds the tree; header, checksums, packing and
//! the parts behind the nodes are added here.
//!
//! Invariant: a file has the name of a snapshot only when it is whole and durable: until then its name means
//! nothing to us nor to the official server, and what a crash leaves of it is removed at the next start.

use super::{
    disk::{Disk, StreamFile},
    error::StoreError,
    names::{Compression, SnapshotName, temporary_name},
    snappy::Packer,
};
use flate2::write::GzEncoder;
use oxkeeper_codec::{
    Encode, Zxid,
    file::{DIGEST_VERSION, FILE_VERSION, SNAPSHOT_DBID, SNAPSHOT_MAGIC},
    records::FileHeader,
};
use simd_adler32::Adler32;
use std::{io, sync::Arc};

/// So much is collected before it goes to the disk.
const FLUSH_LEN: usize = 256 << 10;
/// The path "/" as it is stored: ends the nodes, and each seal.
const END_PATH: [u8; 5] = *b"\0\0\0\x01/";

/// The digest of the tree at some transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ZxidDigest {
    /// The transaction.
    pub zxid: Zxid,
    /// How the digest is computed; now [`DIGEST_VERSION`].
    pub version: i32,
    /// The digest once the transaction was applied.
    pub digest: i64,
}

/// What stands behind the nodes of a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SnapshotTail {
    /// Since 3.6, unless `digest.enabled` is off.
    pub digest: Option<ZxidDigest>,
    /// The last transaction applied when the snapshot ended; since 3.9. Not written without a digest: an official
    /// server that expects one could not read the file.
    pub last_zxid: Option<Zxid>,
}

/// A snapshot that is whole and durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotWritten {
    /// Its file name.
    pub name: String,
    /// Its length before packing, in bytes.
    pub unpacked_len: u64,
}

enum Packing {
    None(Vec<u8>),
    Gzip(GzEncoder<Vec<u8>>),
    Snappy(Box<Packer>),
}

impl Packing {
    fn new(compression: Compression) -> Self {
        match compression {
            Compression::None => Self::None(Vec::new()),
            Compression::Gzip => Self::Gzip(GzEncoder::new(Vec::new(), flate2::Compression::default())),
            Compression::Snappy => Self::Snappy(Box::new(Packer::new())),
        }
    }

    /// Adds bytes; returns what can go to the disk.
    fn write(&mut self, bytes: &[u8]) -> io::Result<&mut Vec<u8>> {
        match self {
            Self::None(out) => {
                out.extend_from_slice(bytes);
                Ok(out)
            }
            Self::Gzip(encoder) => {
                io::Write::write_all(encoder, bytes)?;
                Ok(encoder.get_mut())
            }
            Self::Snappy(packer) => packer.write(bytes),
        }
    }

    fn finish(&mut self) -> io::Result<&mut Vec<u8>> {
        match self {
            Self::None(out) => Ok(out),
            Self::Gzip(encoder) => {
                encoder.try_finish()?;
                Ok(encoder.get_mut())
            }
            Self::Snappy(packer) => packer.finish(),
        }
    }
}

/// A snapshot under way. Dropped before its end, it leaves nothing behind.
pub struct SnapshotWriter {
    disk: Arc<dyn Disk>,
    name: String,
    /// Its name until it is whole.
    temporary: String,
    file: Box<dyn StreamFile>,
    packing: Packing,
    hash: Adler32,
    unpacked_len: u64,
    /// The last bytes of the body.
    ending: [u8; END_PATH.len()],
    done: bool,
}

impl std::fmt::Debug for SnapshotWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SnapshotWriter").field("name", &self.name).field("len", &self.unpacked_len).finish()
    }
}

impl SnapshotWriter {
    /// Begins a snapshot; `zxid` is the last transaction applied now.
    ///
    /// # Errors
    /// The disk fails.
    pub fn create(disk: Arc<dyn Disk>, zxid: Zxid, compression: Compression) -> Result<Self, StoreError> {
        let name = SnapshotName { zxid, compression };
        Self::create_as(disk, name, temporary_name(&name.file_name()))
    }

    /// The same, under this name until it is whole.
    pub(super) fn create_as(
        disk: Arc<dyn Disk>,
        snapshot: SnapshotName,
        temporary: String,
    ) -> Result<Self, StoreError> {
        let name = snapshot.file_name();
        let file = disk
            .create_stream(&temporary)
            .map_err(|source| StoreError::io("begin the snapshot", disk.path(&name), source))?;
        let mut writer = Self {
            disk,
            name,
            temporary,
            file,
            packing: Packing::new(snapshot.compression),
            hash: Adler32::new(),
            unpacked_len: 0,
            ending: [0; END_PATH.len()],
            done: false,
        };
        let header = FileHeader { magic: SNAPSHOT_MAGIC, version: FILE_VERSION, dbid: SNAPSHOT_DBID };
        writer.write(&header.to_vec())?;
        Ok(writer)
    }

    /// Adds a piece of the body: from the number of sessions to the path "/" that ends the nodes.
    ///
    /// # Errors
    /// The disk fails. There will be no snapshot.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        let result = self.pack(bytes);
        self.explain("write the snapshot", result)
    }

    /// Adds what follows the nodes, makes the snapshot durable and gives it its name.
    ///
    /// # Errors
    /// The disk fails. There is no snapshot, unless one of the last two steps failed, its name or that it stays: then there may be.
    pub fn finish(mut self, tail: &SnapshotTail) -> Result<SnapshotWritten, StoreError> {
        assert!(self.ending == END_PATH, "the body ends with the path /");
        let result = self.write_tail(tail).and_then(|()| self.store()).and_then(|()| self.publish());
        self.explain("finish the snapshot", result)?;
        Ok(SnapshotWritten { name: self.name.clone(), unpacked_len: self.unpacked_len })
    }

    /// Adds what follows the nodes of a snapshot without a digest, and makes it durable under its temporary name, which stays.
    pub(super) fn finish_unnamed(mut self) -> Result<(), StoreError> {
        assert!(self.ending == END_PATH, "the body ends with the path /");
        let result = self.write_tail(&SnapshotTail::default()).and_then(|()| self.store());
        self.explain("finish the snapshot", result)?;
        self.done = true;
        Ok(())
    }

    fn write_tail(&mut self, tail: &SnapshotTail) -> io::Result<()> {
        self.seal()?;
        let Some(digest) = tail.digest else { return Ok(()) };
        assert!(digest.version == DIGEST_VERSION, "older digests are read and never written");
        let mut record = digest.zxid.to_vec();
        digest.version.encode(&mut record);
        digest.digest.encode(&mut record);
        self.pack(&record)?;
        self.seal()?;
        if let Some(last_zxid) = tail.last_zxid {
            self.pack(&last_zxid.to_vec())?;
            self.seal()?;
        }
        Ok(())
    }

    fn seal(&mut self) -> io::Result<()> {
        let mut seal = i64::from(self.hash.finish()).to_vec();
        seal.extend_from_slice(&END_PATH);
        self.pack(&seal)
    }

    fn pack(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.hash.write(bytes);
        self.unpacked_len += u64::try_from(bytes.len()).map_err(io::Error::other)?;
        let keep = bytes.len().min(END_PATH.len());
        self.ending.rotate_left(keep);
        self.ending[END_PATH.len() - keep..].copy_from_slice(&bytes[bytes.len() - keep..]);
        let packed = self.packing.write(bytes)?;
        if packed.len() >= FLUSH_LEN {
            self.file.write(packed)?;
            packed.clear();
        }
        Ok(())
    }

    fn store(&mut self) -> io::Result<()> {
        let packed = self.packing.finish()?;
        self.file.write(packed)?;
        packed.clear();
        self.file.sync()
    }

    fn publish(&mut self) -> io::Result<()> {
        self.disk.rename(&self.temporary, &self.name)?;
        self.done = true;
        self.disk.sync_dir()
    }

    fn explain<T>(&self, action: &'static str, result: io::Result<T>) -> Result<T, StoreError> {
        result.map_err(|source| StoreError::io(action, self.disk.path(&self.name), source))
    }
}

impl Drop for SnapshotWriter {
    fn drop(&mut self) {
        if !self.done {
            // Best effort: what stays is removed at the next start.
            let _ = self.disk.remove(&self.temporary);
        }
    }
}

#[cfg(test)]
mod tests;
