//! oxkeeper. 
fn main() {}
