//! oxkeeper: a ZooKeeper server that replaces Apache ZooKeeper in place.

pub mod cli;
pub mod config;
pub mod server;
