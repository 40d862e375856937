//! HTTP for operators: the admin server's port and the exporter's, on one thread (`JettyAdminServer`, `PrometheusMetricsProvider`).
//!
//! Promise: ports are bound before the data is touched, and answer while it is loaded. No request waits for another one: what
//! blocks is done by a few threads beside.
//! Invariants: [`CONNECTIONS`] a port, and a few pieces of [`PIECE_BYTES`] each; whoever sends no request, or takes no answer, for the
//! idle time-out is let go; a body is taken from those alone who may send one.

mod exporter;
mod page;
mod port;
mod site;
mod stalled;
mod upload;

pub(crate) use exporter::Exporter;
pub(crate) use port::{Http, HttpPort, HttpThread};
pub(crate) use site::Site;

/// Connections of one port at the same time.
const CONNECTIONS: usize = 256;
/// Threads that read files, and wait for answers.
const BLOCKING_THREADS: usize = 8;
/// What is read or written at once, in bytes.
const PIECE_BYTES: usize = 256 << 10;
/// What a request's head may be, in bytes.
const HEAD_BYTES: usize = 64 << 10;
