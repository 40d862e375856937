//! oxkeeper.

pub mod auth;
pub mod tree;
pub mod watch;
