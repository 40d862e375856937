//! oxkeeper.
fn main() {}
