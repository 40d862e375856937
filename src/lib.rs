//! oxkeeper: a ZooKeeper server that replaces Apache ZooKeeper in place.
//!
//! The core (`node` and what it joins: `processor`, `session`, `tree`, `watch`, `auth`) is a library of state
//! machines: events in, actions out. It never reads a clock, opens a file or a socket, spawns, sleeps, or draws a
//! random number that was not handed to it. `server` is the shell around it; `storage` the files below.
//! `ARCHITECTURE.md` is the map.

pub mod auth;
pub mod cli;
pub mod client;
pub mod config;
pub mod gss;
pub mod levels;
mod line_queue;
pub mod membership;
pub mod node;
pub mod processor;
mod properties;
pub mod recovery;
pub mod sasl;
pub mod server;
pub mod session;
pub mod storage;
pub mod testing;
pub mod tls;
pub mod tools;
pub mod topics;
pub mod tree;
pub mod version;
pub mod watch;
pub mod zab;
