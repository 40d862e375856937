//! oxkeeper.
