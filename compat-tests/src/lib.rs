//! Holds oxkeeper against the official clients, servers and files.
//!
//! [`behaviours`] is the table of behaviours: raw packets go to the official server and to oxkeeper, and the answers
//! are compared byte for byte ([`transcript`]) with each other and with the checked-in files in `golden/`.
//!
//! [`diff`] sends both servers the same random requests and compares everything that comes back.
//!
//! [`crash`], [`damage`], [`disk`] and [`hostile`] treat oxkeeper badly: it is killed, its power is cut, its disk fills up, its
//! clients misbehave. They look at promises, not at bytes, so nothing there needs the official server.

pub mod behaviours;
pub mod client;
pub mod crash;
pub mod damage;
pub mod diff;
pub mod disk;
pub mod golden;
pub mod ground;
pub mod harness;
pub mod hostile;
pub mod metrics;
pub mod random;
pub mod requests;
pub mod runner;
pub mod session;
pub mod sut;
pub mod table;
pub mod transcript;
pub mod wire;
