//! oxkeeper.

pub mod tree;
