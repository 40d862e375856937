//! What a worker answers by itself: authentication, and the watches of its connections
//! (`FinalRequestProcessor`, `ZooKeeperServer.processPacket`).

use super::{
    conn::{Conn, Phase},
    drain,
    kerberos::Stepped,
    login::{self, LoginError},
    wakeup::Wakeup,
};
use crate::{
    auth,
    processor::{
        read,
        watch_requests::{add_watch, check_or_remove},
    },
    server::figures::{Closing, Replied},
    session::ConnId,
    topics,
};
use oxkeeper_codec::{
    ByteStr, Code, Decode, Encode, EventType, OpCode, Reader, Zxid,
    records::{AuthPacket, ErrorResponse, GetSaslRequest, ReplyHeader, RequestHeader},
};

/// An answer: its zxid and body, or an error; and whether the connection is closed after it.
pub(super) struct Answer {
    zxid: Zxid,
    code: Code,
    body: Vec<u8>,
    closes: bool,
}

impl Answer {
    pub(super) fn new(zxid: Zxid, result: Result<Vec<u8>, Code>) -> Self {
        let (code, body) = match result {
            Ok(body) => (Code::OK, body),
            Err(code) => (code, Vec::new()),
        };
        Self { zxid, code, body, closes: false }
    }

    /// After which the connection is closed.
    pub(super) const fn last(code: Code, body: Vec<u8>) -> Self {
        Self { zxid: Zxid::ZERO, code, body, closes: true }
    }
}

impl Wakeup<'_> {
    /// Answers a request that is neither a write nor a read of the tree.
    pub(super) fn answer(&mut self, id: ConnId, header: &RequestHeader, body: &[u8]) {
        // Nobody watches anything for one that is gone: its place may have another connection by now.
        let Some(key) = self.conn(id).map(|conn| conn.key) else { return };
        let zxid = self.guard.tree().last_zxid();
        let answer = match header.op {
            OpCode::AUTH => match self.authenticate(id, body) {
                Some(answer) => answer,
                None => return self.state.conns.close(id),
            },
            OpCode::SASL => match GetSaslRequest::from_slice(body) {
                Ok(GetSaslRequest { token: Some(token) }) => match self.log_in(id, header, &token) {
                    Some(answer) => answer,
                    None => return,
                },
                Ok(GetSaslRequest { token: None }) | Err(_) => {
                    self.tell_why(id, &Closing::NoRequest);
                    return self.state.conns.close(id);
                }
            },
            OpCode::ADD_WATCH => {
                let added = add_watch(&mut self.guard.shard.watches, key, body);
                Answer::new(zxid, added.map(|()| ErrorResponse { err: Code::OK }.to_vec()))
            }
            OpCode::CHECK_WATCHES | OpCode::REMOVE_WATCHES => {
                let found = check_or_remove(&mut self.guard.shard.watches, key, header.op, body);
                Answer::new(zxid, found.map(|()| Vec::new()))
            }
            OpCode(op) => {
                self.tell_why(id, &Closing::UnknownOp(op));
                Answer { zxid: Zxid(-1), ..Answer::last(Code::UNIMPLEMENTED, Vec::new()) }
            }
        };
        self.reply_to(id, header, answer);
    }

    /// Answers with an error, then closes the connection.
    pub(super) fn refuse(&mut self, id: ConnId, header: &RequestHeader, code: Code) {
        self.reply_to(id, header, Answer::last(code, Vec::new()));
    }

    /// Answers that the request has waited too long to be executed.
    pub(super) fn throttled(&mut self, id: ConnId, header: &RequestHeader) {
        let zxid = self.guard.tree().last_zxid();
        // It has no name in the statistics, as in the official server.
        let header = RequestHeader { op: OpCode::ERROR, ..*header };
        self.reply_to(id, &header, Answer::new(zxid, Err(Code::THROTTLED_OP)));
    }

    pub(super) fn reply_to(&mut self, id: ConnId, header: &RequestHeader, answer: Answer) {
        let Self { worker, now_ms, .. } = *self;
        let Some(conn) = self.state.conns.outgoing(id) else { return };
        let output = conn.output.tail();
        let start = output.len();
        // With an error there may be a body, too.
        let Answer { zxid, code: err, body, closes } = answer;
        read::reply_head(output, ReplyHeader { xid: header.xid, zxid, err }, body.len());
        output.extend_from_slice(&body);
        let frame_len = output.len() - start;
        conn.stats.sent += 1;
        conn.stats.replied(header.op, header.xid, zxid, now_ms, 0);
        if closes {
            conn.phase = Phase::Closing;
        }
        if matches!(header.op, OpCode::AUTH | OpCode::SASL) {
            worker.stats().sent.add(1);
            worker.stats().response(frame_len, now_ms);
        } else {
            worker.stats().replied(Replied { write: false, latency_ms: 0, frame_len, now_ms });
        }
    }

    /// A step of a login by SASL. Where nobody can log in, the client is told so by a null token. `None`: the answer
    /// comes as mail.
    fn log_in(&mut self, id: ConnId, header: &RequestHeader, token: &[u8]) -> Option<Answer> {
        let Self { worker, state, .. } = self;
        let (Some(logins), Some(conn)) = (&worker.front.logins, state.conns.get(id)) else {
            return Some(login::told(None));
        };
        let Conn { login, identities, .. } = conn;
        let (answer, failed) = logins.step((worker.index, id), login, identities, header, token)?;
        self.tell_step(id, &answer, failed);
        Some(answer)
    }

    /// A step of a login has been taken elsewhere. What the connection has sent behind it comes next.
    pub(super) fn logged_in(&mut self, stepped: Stepped) {
        let Self { worker, state, .. } = self;
        let (id, header) = (stepped.conn, stepped.header.clone());
        let (Some(logins), Some(conn)) = (&worker.front.logins, state.conns.get(id)) else { return };
        let (answer, failed) = logins.stepped(&mut conn.login, &mut conn.identities, stepped);
        self.tell_step(id, &answer, failed);
        self.reply_to(id, &header, answer);
        if let Some(conn) = self.conn(id) {
            conn.wake();
        }
    }

    fn tell_step(&mut self, id: ConnId, answer: &Answer, failed: Option<LoginError>) {
        match (failed, self.conn(id)) {
            (Some(error), _) => {
                let why = Closing::LoginFailed { error: &error.to_string(), stays: !answer.closes };
                self.tell_why(id, &why);
            }
            (None, Some(conn)) => {
                tracing::debug!(target: topics::AUTH, peer = %conn.peer, "a step of a login by SASL");
            }
            (None, None) => {}
        }
    }

    /// `None`: the connection is closed without an answer, as for what does not decode.
    fn authenticate(&mut self, id: ConnId, body: &[u8]) -> Option<Answer> {
        let refused = |code| Some(Answer::last(code, Vec::new()));
        let Ok(packet) = AuthPacket::decode(&mut Reader::new(body).taking_nulls()) else {
            self.tell_why(id, &Closing::NoRequest);
            return None;
        };
        let Self { worker, state, guard, .. } = self;
        let Conn { identities, peer, .. } = state.conns.get(id)?;
        let key = guard.tree().get("/key").map(|node| node.data().unwrap_or_default());
        let offer =
            auth::Offer { scheme: &packet.scheme, data: packet.auth.as_deref(), remote: peer.ip(), key };
        match auth::authenticate(&worker.front.auth, offer, identities) {
            Ok(()) => {
                let scheme = &*packet.scheme;
                tracing::debug!(target: topics::AUTH, %peer, scheme, "a client has authenticated");
                Some(Answer::new(Zxid::ZERO, Ok(Vec::new())))
            }
            Err(error) => {
                worker.stats().auth_failed.add(1);
                self.tell_why(id, &Closing::AuthFailed { scheme: &packet.scheme, error });
                if error == auth::AuthError::WrongEnsemble { None } else { refused(Code::AUTH_FAILED) }
            }
        }
    }

    pub(super) fn tell(&mut self, id: ConnId, event: EventType, path: &ByteStr) {
        let mut frame = Vec::new();
        drain::encode_event(event, Zxid(-1), path, &mut frame);
        self.state.conns.tell(self.worker, id, &frame);
    }
}
