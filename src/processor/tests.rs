//! Random pipelines of requests: what is prepared while other changes are pending must be what a plain sequential
//! model says, must apply without an error, and must leave the tree that was foreseen.

mod model;
mod odd;
mod random;
mod world;
