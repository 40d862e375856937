//! Every byte that crosses a ZooKeeper wire or lands in a ZooKeeper file, and nothing else.
//!
//! Records are declared once, in [`records`], in the order of the protocol's own definition; one macro yields
//! the struct, its encoder, its decoder and its length. Decoding borrows from the input, never panics, never
//! allocates more than the input could justify, and fails with the offset and the field.
//!
//! Invariants: no I/O, no clock, no policy. A value that decodes encodes to the same bytes (text that is not
//! UTF-8 excepted: it is replaced as the official server does). Unknown numbers survive as numbers.

pub mod codes;
pub mod election;
pub mod file;
pub mod frame;
pub mod ids;
pub mod learner;
mod macros;
pub mod packet;
pub mod records;
pub mod request;
mod text;
pub mod txn;
pub mod wire;

pub use codes::{Code, EventType, OpCode, PacketType, Perms};
pub use ids::{ServerId, SessionId, Zxid};
pub use text::{ByteStr, decode_lossy, is_null};
pub use wire::{Decode, DecodeError, Encode, ErrorKind, Reader};
