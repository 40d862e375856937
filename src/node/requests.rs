//! Taking in what clients ask.

use super::{
    Node, Now, Reason,
    queue::{Answer, Queued},
};
use crate::{
    auth::Identities,
    processor::{Known, Proposal, Refusal, read},
    session::{ConnId, Standing},
    tree::Tree,
};
use bytes::Bytes;
use oxkeeper_codec::{Code, OpCode, SessionId, records::RequestHeader, request::Handshake};

/// What a connection hands over.
#[derive(Debug, Clone)]
pub enum Request {
    /// Its first packet: a new session or one to renew.
    Connect {
        /// The connection.
        conn: ConnId,
        /// What it wants.
        handshake: Handshake,
    },
    /// A request of its session that has to wait its turn: a write, or anything behind one.
    Op {
        /// The connection.
        conn: ConnId,
        /// Its session.
        session: SessionId,
        /// Number and op code.
        header: RequestHeader,
        /// What follows its header.
        body: Bytes,
        /// The connection's identities when it asked.
        identities: Identities,
    },
}

impl Request {
    /// How long a multi it is, in bytes; 0: it is none. To judge one takes as long as it has parts.
    pub fn multi_len(&self) -> usize {
        match self {
            Self::Op { header: RequestHeader { op: OpCode::MULTI, .. }, body, .. } => body.len(),
            Self::Op { .. } | Self::Connect { .. } => 0,
        }
    }
}

/// Whether this becomes a transaction.
pub const fn is_write(op: OpCode) -> bool {
    matches!(
        op,
        OpCode::CREATE
            | OpCode::CREATE2
            | OpCode::CREATE_CONTAINER
            | OpCode::CREATE_TTL
            | OpCode::DELETE
            | OpCode::SET_DATA
            | OpCode::SET_ACL
            | OpCode::MULTI
            | OpCode::RECONFIG
            | OpCode::CLOSE_SESSION
    )
}

/// A write, but for what it says.
pub(super) struct Asked<'a> {
    pub(super) conn: ConnId,
    pub(super) session: SessionId,
    /// Whether its session may still ask for anything.
    live: bool,
    pub(super) header: &'a RequestHeader,
    pub(super) identities: &'a Identities,
}

impl Node {
    pub(super) fn request(&mut self, now: Now, tree: &Tree, request: Request) {
        match request {
            Request::Connect { conn, handshake } => self.connect(now, tree, conn, handshake),
            Request::Op { conn, session, header, body, identities } => {
                let live = match self.sessions.standing(session, conn) {
                    Standing::Live => true,
                    Standing::Closing => false,
                    // The client has moved on, or its session has ended: this connection is of no use.
                    Standing::Elsewhere => return self.useless(conn, Reason::Moved(session)),
                    Standing::Nowhere => return self.useless(conn, Reason::NoSession(session)),
                };
                if self.holds() {
                    return self.hold_back(Request::Op { conn, session, header, body, identities });
                }
                let asked = Asked { conn, session, live, header: &header, identities: &identities };
                if header.op == OpCode::CLOSE_SESSION && self.is_only_here(session) {
                    if live {
                        self.close_local(conn, session, header.xid);
                    }
                } else if self.is_read_only() && (is_write(header.op) || header.op == OpCode::SYNC) {
                    let (xid, code) = (header.xid, Code::NOT_READ_ONLY);
                    self.wait_for_session(session, Queued::Error { conn, xid, code });
                } else if is_write(header.op) {
                    self.promote_for(now, &asked, &body);
                    if !self.hand_on(&asked, &body) {
                        self.write(now, tree, &asked, &body);
                    }
                } else if header.op == OpCode::SYNC && self.hand_on(&asked, &body) {
                    // The leader says when.
                } else if read::is_read(header.op) {
                    let read = Queued::Read { conn, session, header, body, identities };
                    self.wait_for_session(session, read);
                } else {
                    // Workers answer the rest, and hand over nothing of the kind.
                    self.useless(conn, Reason::NoRequest);
                }
            }
        }
    }

    /// Queues what uses no zxid behind what its connection has asked before.
    pub(super) fn wait_turn(&mut self, queued: Queued) {
        if self.log_failed {
            self.queue.push_beside(queued);
        } else {
            self.queue.push(queued);
        }
    }

    fn write(&mut self, now: Now, tree: &Tree, asked: &Asked<'_>, body: &Bytes) {
        let &Asked { conn, session, live, header: &RequestHeader { xid, op }, identities } = asked;
        if self.log_failed {
            self.wait_turn(Queued::Error { conn, xid, code: Code::SYSTEM_ERROR });
            return;
        }
        let answer = Answer { conn, xid, op, with_read_only: false };
        if op == OpCode::CLOSE_SESSION {
            if live {
                self.sessions.set_closing(session);
                self.end_session(now, tree, session, Some(answer));
            }
            return;
        }
        let proposal = Proposal {
            zxid: self.proposed.next(),
            time_ms: now.wall_ms,
            session,
            xid,
            identities,
            known: if live { self.known(session) } else { Known::Nowhere },
        };
        match self.processor.prepare(tree, op, body, &proposal) {
            Ok(judged) => self.propose(judged, Some(answer)),
            Err(Refusal::Undecodable) => {
                self.queue.push(Queued::Error { conn, xid, code: Code::MARSHALLING_ERROR });
            }
        }
    }
}
