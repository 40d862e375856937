//! The handshake: new sessions and renewals (`ZooKeeperServer.processConnectRequest`).

use super::{
    Delivery, Node, Now, Reason, Request,
    queue::{Answer, Renewal},
};
use crate::{
    auth::Identities,
    processor::{Known, Proposal},
    session::{ConnId, password, password_matches},
    tree::Tree,
};
use bytes::Bytes;
use oxkeeper_codec::{
    OpCode, SessionId,
    frame::{begin_frame, end_frame},
    records::ConnectResponse,
    request::{Handshake, PASSWORD_LEN, encode_connect_response},
};

/// The answer to a connect request, as a frame. A time-out of 0 says that there is no such session. `with_read_only`: the client
/// knows the byte that says whether this server is `read_only`.
pub(super) fn connect_frame(
    session: SessionId,
    timeout_ms: i32,
    with_read_only: bool,
    read_only: bool,
) -> Vec<u8> {
    let passwd = if timeout_ms == 0 { [0; PASSWORD_LEN] } else { password(session) };
    let response = ConnectResponse {
        protocol_version: 0,
        time_out: timeout_ms,
        session_id: if timeout_ms == 0 { SessionId(0) } else { session },
        passwd: Some(Bytes::copy_from_slice(&passwd)),
        read_only,
    };
    let mut frame = Vec::with_capacity(64);
    let start = begin_frame(&mut frame);
    encode_connect_response(&response, with_read_only, &mut frame);
    end_frame(&mut frame, start).expect("it has some 40 bytes");
    frame
}

impl Node {
    pub(super) fn connect(&mut self, now: Now, tree: &Tree, conn: ConnId, handshake: Handshake) {
        if self.holds() {
            return self.hold_back(Request::Connect { conn, handshake });
        }
        let request = &handshake.request;
        let takes_clients = self.serves() || self.is_read_only();
        if !takes_clients || self.decides() && !self.options.leader_serves {
            return self.useless(conn, Reason::NoLeader);
        }
        if self.is_read_only() && !request.read_only {
            return self.useless(conn, Reason::ReadOnly);
        }
        if request.last_zxid_seen > tree.last_zxid() {
            let reason = Reason::ZxidAhead { seen: request.last_zxid_seen, last: tree.last_zxid() };
            return self.useless(conn, reason);
        }
        let timeout_ms = self.options.timeouts.negotiate(request.time_out);
        let renewal = Renewal { conn, timeout_ms, with_read_only: handshake.has_read_only };
        if request.session_id == SessionId(0) {
            self.open_session(now, renewal);
        } else {
            self.renew_session(now, &handshake, renewal);
        }
    }

    fn open_session(&mut self, now: Now, renewal: Renewal) {
        let Renewal { conn, timeout_ms, with_read_only } = renewal;
        if self.opens_local() {
            return self.open_local(now, renewal);
        }
        if self.log_failed {
            return self.useless(conn, Reason::LogFailed);
        }
        let session = self.ids.next();
        if self.ask_to_open(renewal, session) {
            return;
        }
        self.sessions.global.track(session, timeout_ms, now.elapsed_ms);
        self.sessions.attach(session, Some(conn));
        let answer = Answer { conn, xid: 0, op: OpCode::CREATE_SESSION, with_read_only };
        self.propose_session(now, session, timeout_ms, Some(answer));
    }

    /// Has all know a session.
    pub(super) fn propose_session(
        &mut self,
        now: Now,
        session: SessionId,
        timeout_ms: i32,
        answer: Option<Answer>,
    ) {
        let identities = Identities::none();
        let proposal = Proposal {
            zxid: self.proposed.next(),
            time_ms: now.wall_ms,
            session,
            xid: 0,
            identities: &identities,
            known: Known::Everywhere,
        };
        let logged = self.processor.create_session(&proposal, timeout_ms);
        self.propose(logged, answer);
    }

    /// The password is looked at first: who does not know it must not disturb the session's owner. (The official
    /// server closes the owner's connection before.)
    fn renew_session(&mut self, now: Now, handshake: &Handshake, renewal: Renewal) {
        let session = handshake.request.session_id;
        let offered = handshake.request.passwd.as_deref().unwrap_or_default();
        let may_be_elsewhere = !self.decides() && !self.is_read_only();
        if self.is_read_only() && self.sessions.global.is_live(session) {
            // Nobody can say whether it is still there.
            self.useless(renewal.conn, Reason::ReadOnly);
        } else if !may_be_elsewhere && !self.sessions.is_live(session) {
            self.refuse(session, renewal, Reason::NoSession(session));
        } else if !password_matches(session, offered) {
            self.refuse(session, renewal, Reason::WrongPassword(session));
        } else if self.sessions.local.is_live(session) || !self.ask_for(session, renewal) {
            let live = self.sessions.is_live(session);
            self.renew(now, session, renewal, live);
        }
    }

    /// Whether a session lives was found out, here or at the leader.
    pub(super) fn renew(&mut self, now: Now, session: SessionId, renewal: Renewal, live: bool) {
        let Renewal { conn, timeout_ms, with_read_only } = renewal;
        if !live {
            return self.refuse(session, renewal, Reason::NoSession(session));
        }
        self.owned_by(session, None);
        self.sessions.of_mut(session).track(session, timeout_ms, now.elapsed_ms);
        if let Some(left) = self.sessions.attach(session, Some(conn)) {
            self.useless(left, Reason::Moved(session));
        }
        let frame = connect_frame(session, timeout_ms, with_read_only, self.is_read_only());
        self.delivering.push(Delivery::Connected { conn, session, timeout_ms, frame });
    }

    fn refuse(&mut self, session: SessionId, renewal: Renewal, reason: Reason) {
        let frame = connect_frame(session, 0, renewal.with_read_only, self.is_read_only());
        self.delivering.push(Delivery::Refuse { conn: renewal.conn, frame, reason });
    }
}
