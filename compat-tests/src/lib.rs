//! Holds oxkeeper against the official clients, servers and files.
//!
//! [`behaviours`] is the table of behaviours: raw packets go to the official server and to oxkeeper, and the answers
//! are compared byte for byte ([`transcript`]) with each other and with the checked-in files in `golden/`.

pub mod behaviours;
pub mod client;
pub mod golden;
pub mod requests;
pub mod runner;
pub mod sut;
pub mod table;
pub mod transcript;
pub mod wire;
