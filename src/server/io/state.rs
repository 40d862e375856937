//! What a worker has for itself: its connections, and what serves them all.

use super::{conns::Conns, lists::ListCache, packets::Packets};
use crate::{node::Request, server::figures::Namespaces};

/// Bytes read from a socket at once.
const READ_BUFFER_BYTES: usize = 64 * 1024;

/// One worker's state. Nobody else sees it, but for a question that the worker answers ([`super::Mail::Query`]).
#[derive(Debug)]
pub(crate) struct State {
    /// The connections.
    pub(crate) conns: Conns,
    /// What was read of one connection, while it is looked at.
    pub(super) read_buffer: Vec<u8>,
    /// What was opened of that, if it was sealed.
    pub(super) opened: Vec<u8>,
    /// What the requests in work are kept in.
    pub(super) packets: Packets,
    /// Requests of this poll round.
    pub(super) requests: Vec<Request>,
    /// Encoded lists of children.
    pub(super) lists: ListCache,
    /// Bytes read by namespace.
    pub(crate) reads: Namespaces,
    /// Requests over a quota by namespace, each as 1.
    pub(crate) over_quota: Namespaces,
}

impl State {
    pub(super) fn new(lists: ListCache) -> Self {
        Self {
            conns: Conns::default(),
            read_buffer: vec![0; READ_BUFFER_BYTES],
            opened: Vec::new(),
            packets: Packets::default(),
            requests: Vec::new(),
            lists,
            reads: Namespaces::default(),
            over_quota: Namespaces::default(),
        }
    }
}
