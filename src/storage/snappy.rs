//! The framing of `SnappyOutputStream` (xerial): blocks of raw snappy.
//!
//! ```text
//! 0   0x82 'SNAPPY' 0     8   int  version 1     12  int  oldest version that can read it 1
//! 16  blocks, each:  int length, raw snappy of at most 32 KiB
//! ```
//!
//! A header may occur again between blocks, where two streams were joined.
//!
//! Invariant: a block is never unpacked to more than [`BLOCK_MAX`], so that damage cannot ask for all memory.

use snap::raw::{Decoder, Encoder};
use std::io::{self, Read};

const HEADER: [u8; 16] = *b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01";
/// The official writer packs so much at once.
const BLOCK_LEN: usize = 32 << 10;
/// The official writer can be told to pack up to this.
const BLOCK_MAX: usize = 512 << 20;

/// Packs a stream.
pub(super) struct Packer {
    encoder: Encoder,
    block: Vec<u8>,
    packed: Vec<u8>,
}

impl Packer {
    pub(super) fn new() -> Self {
        let block = Vec::with_capacity(BLOCK_LEN);
        Self { encoder: Encoder::new(), block, packed: HEADER.to_vec() }
    }

    /// Adds bytes; returns what is packed so far and not taken yet.
    pub(super) fn write(&mut self, mut bytes: &[u8]) -> io::Result<&mut Vec<u8>> {
        while !bytes.is_empty() {
            let (now, later) = bytes.split_at(bytes.len().min(BLOCK_LEN - self.block.len()));
            self.block.extend_from_slice(now);
            bytes = later;
            if self.block.len() == BLOCK_LEN {
                self.pack()?;
            }
        }
        Ok(&mut self.packed)
    }

    /// Packs the last block.
    pub(super) fn finish(&mut self) -> io::Result<&mut Vec<u8>> {
        if !self.block.is_empty() {
            self.pack()?;
        }
        Ok(&mut self.packed)
    }

    fn pack(&mut self) -> io::Result<()> {
        let block = self.encoder.compress_vec(&self.block).map_err(io::Error::other)?;
        let len = u32::try_from(block.len()).map_err(io::Error::other)?;
        self.packed.extend_from_slice(&len.to_be_bytes());
        self.packed.extend_from_slice(&block);
        self.block.clear();
        Ok(())
    }
}

/// Unpacks a stream.
pub(super) struct Unpacker<R> {
    input: R,
    decoder: Decoder,
    block: Vec<u8>,
    pos: usize,
}

impl<R: Read> Unpacker<R> {
    /// Reads the stream's header.
    pub(super) fn new(mut input: R) -> io::Result<Self> {
        let mut header = [0; HEADER.len()];
        input.read_exact(&mut header)?;
        if header[..8] != HEADER[..8] {
            return Err(bad("the header is not that of a snappy stream"));
        }
        Ok(Self { input, decoder: Decoder::new(), block: Vec::new(), pos: 0 })
    }

    /// Unpacks the next block; false at the end.
    fn next_block(&mut self) -> io::Result<bool> {
        let Some(len) = self.next_len()? else { return Ok(false) };
        let mut packed = Vec::new();
        let got = (&mut self.input).take(u64::try_from(len).unwrap_or(0)).read_to_end(&mut packed)?;
        if got < len || snap::raw::decompress_len(&packed).map_err(io::Error::other)? > BLOCK_MAX {
            return Err(bad("a block is cut off or too large"));
        }
        self.block = self.decoder.decompress_vec(&packed).map_err(io::Error::other)?;
        self.pos = 0;
        Ok(true)
    }

    /// Length of the next block, behind any headers; `None` at the end.
    fn next_len(&mut self) -> io::Result<Option<usize>> {
        loop {
            let mut word = [0; 4];
            if self.input.read(&mut word[..1])? == 0 {
                return Ok(None);
            }
            self.input.read_exact(&mut word[1..])?;
            if word != HEADER[..4] {
                let len = usize::try_from(u32::from_be_bytes(word)).ok().filter(|&len| len <= BLOCK_MAX);
                return len.map(Some).ok_or_else(|| bad("a block's length is out of range"));
            }
            let mut rest = [0; HEADER.len() - 4];
            self.input.read_exact(&mut rest)?;
            if rest[..4] != HEADER[4..8] {
                return Err(bad("a broken header between blocks"));
            }
        }
    }
}

impl<R: Read> Read for Unpacker<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.pos == self.block.len() {
            if !self.next_block()? {
                return Ok(0);
            }
        }
        let len = out.len().min(self.block.len() - self.pos);
        out[..len].copy_from_slice(&self.block[self.pos..self.pos + len]);
        self.pos += len;
        Ok(len)
    }
}

fn bad(reason: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packed(content: &[u8]) -> Vec<u8> {
        let mut packer = Packer::new();
        packer.write(content).unwrap();
        packer.finish().unwrap().clone()
    }

    #[test]
    fn streams_round_trip_and_join() {
        let content: Vec<u8> = (0..100_000u32).flat_map(u32::to_le_bytes).collect();
        let twice = [packed(&content), packed(&content)].concat();
        let mut unpacked = Vec::new();
        Unpacker::new(&twice[..]).unwrap().read_to_end(&mut unpacked).unwrap();
        assert_eq!(unpacked, content.repeat(2));
    }

    #[test]
    fn every_cut_is_an_error_or_shorter() {
        let whole = packed(&[7; 70_000]);
        for len in 0..whole.len() {
            let mut out = Vec::new();
            let result = Unpacker::new(&whole[..len]).and_then(|mut unpacker| unpacker.read_to_end(&mut out));
            assert!(result.is_err() || out.len() < 70_000, "cut at {len}");
        }
    }
}
