//! oxkeeper.

pub mod storage;
