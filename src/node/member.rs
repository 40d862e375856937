//! A member of an ensemble: who decides about transactions, and how what clients ask on a learner goes to the leader and
//! comes back with the commit.
//!
//! A learner hands writes and syncs on, and remembers for each session what waits in which order: a write for its
//! transaction, which has the session's id and the request's number; a sync for the leader's word; a read for what is
//! before it. Nobody waits for what others have asked.
//!
//! Invariants: a request is answered only after everything that the same session has asked before; a session that a
//! transaction has not opened yet is none; when there is no leader, what was handed on is not answered by anybody.

use super::{
    Action, Delivery, Node, Now, Reason,
    authority::{Asker, Authority, Forwarding, Holding, Owners, Waiting},
    queue::{Answer, Queued, Renewal},
    requests::Asked,
    snapshots::Snapshots,
};
use crate::{
    auth::Identities,
    processor::{Known, KnownEnsemble, Processor, Proposal, Refusal},
    session::{ConnId, SessionTracker},
    tree::{Foreseen, Tree},
    zab::Link,
};
use bytes::Bytes;
use oxkeeper_codec::{
    Code, Decode, Encode, OpCode, Reader, SessionId, Zxid,
    learner::ForwardedRequest,
    txn::{LoggedTxn, Txn},
};

/// What happens to a member of an ensemble, beside what happens to every server.
#[derive(Debug)]
pub enum MemberEvent {
    /// This member leads: the first zxid of its epoch is the one behind this. All that its log holds is applied.
    Lead(Zxid),
    /// It follows or observes, and serves.
    Follow,
    /// This member is about to lead, and a quorum has all that its log holds: it may be applied, also where clients are held.
    Settled,
    /// Something has to be applied, or the tree replaced, before there is a leader: clients are held no longer.
    LetGo,
    /// There is no leader, or no more. The log was given all up to this zxid: what this member has proposed beyond that is
    /// known to nobody.
    Resign(Zxid),
    /// There is no leader, and has not been for a while: those who only read are served.
    ReadOnly,
    /// They are served no more.
    ReadOnlyEnds,
    /// The leader proposes this; it is on its way into the log.
    Proposal(LoggedTxn),
    /// The log was cut, or a snapshot put in its place. The tree is the one that the files have now, and these are the sessions.
    Replaced(Vec<(SessionId, i32)>),
    /// A learner hands on what a client of its own asks.
    Forwarded(Link, ForwardedRequest),
    /// A learner asks for a session that a client of its own wants to go on with.
    Revalidate {
        /// The learner.
        link: Link,
        /// The session.
        session: SessionId,
        /// Its time-out, in ms.
        timeout_ms: i32,
    },
    /// The leader's answer to that.
    Revalidated(SessionId, bool),
    /// Sessions that a learner has heard from.
    Touched(Link, Vec<(SessionId, i32)>),
    /// The leader has answered the oldest sync that was handed on.
    Synced,
}

/// What a member wants done, beside what every server wants.
#[derive(Debug, PartialEq, Eq)]
pub enum MemberAction {
    /// Hand this on to the leader.
    Forward(ForwardedRequest),
    /// Ask the leader whether this session lives.
    AskFor {
        /// The session.
        session: SessionId,
        /// Its time-out, in ms.
        timeout_ms: i32,
    },
    /// Answer a learner whether this session lives.
    Answer {
        /// The learner.
        link: Link,
        /// The session.
        session: SessionId,
        /// Whether it lives.
        valid: bool,
    },
    /// A learner wants to know when all that is proposed now is committed.
    Sync(Link),
    /// The leader has answered the sync of an observer.
    AnswerSync(Link),
}

impl Node {
    /// What an ensemble does to this member.
    pub(super) fn member(&mut self, now: Now, tree: &Tree, event: MemberEvent) {
        match event {
            MemberEvent::Lead(zxid) => self.lead(now, tree, zxid),
            MemberEvent::Follow => {
                let forwarding = Forwarding { since: self.proposed, ..Forwarding::default() };
                let before = std::mem::replace(&mut self.authority, Authority::Leader(forwarding));
                self.sessions.local.restart(now.elapsed_ms);
                self.foreseen.told_all(self.proposed);
                self.take_up(now, tree, before.held());
            }
            MemberEvent::Settled => self.settled(),
            MemberEvent::LetGo if self.holds() => self.let_go(),
            MemberEvent::LetGo => {}
            MemberEvent::Resign(logged) => self.resign(now, logged),
            MemberEvent::ReadOnly => self.begin_read_only(now),
            MemberEvent::ReadOnlyEnds => self.end_read_only(),
            MemberEvent::Proposal(logged) => {
                self.proposed = logged.header.zxid;
                self.queue.push(Queued::Txn { logged, set: Default::default(), answer: None });
            }
            MemberEvent::Replaced(sessions) => self.replaced(now, tree, sessions),
            MemberEvent::Forwarded(link, request) if self.decides() => {
                self.forwarded(now, tree, link, &request);
            }
            MemberEvent::Forwarded(link, request) => self.pass_on(link, request),
            MemberEvent::Revalidate { link, session, timeout_ms } => {
                if let Authority::Leader(forwarding) = &mut self.authority {
                    forwarding.revalidating.push_back((session, Some(link)));
                    self.member_actions.push(MemberAction::AskFor { session, timeout_ms });
                    return;
                }
                let valid = self.sessions.global.is_live(session);
                if valid {
                    self.owned_by(session, Some(link));
                    self.sessions.global.track(session, timeout_ms, now.elapsed_ms);
                    if let Some(conn) = self.sessions.attach(session, None) {
                        self.useless(conn, Reason::Moved(session));
                    }
                }
                self.member_actions.push(MemberAction::Answer { link, session, valid });
            }
            MemberEvent::Revalidated(session, valid) => self.revalidated(now, session, valid),
            MemberEvent::Touched(link, sessions) => self.touched(now, link, &sessions),
            MemberEvent::Synced => self.synced_with_leader(),
        }
    }

    /// Whether this server decides about transactions itself.
    pub const fn decides(&self) -> bool {
        matches!(self.authority, Authority::Own(_))
    }

    /// What this leader knows of its ensemble, from now on: for those who want it changed.
    pub fn know_ensemble(&mut self, known: KnownEnsemble) {
        self.processor.know(known);
    }

    /// Whether there is somebody who decides about transactions.
    pub const fn serves(&self) -> bool {
        matches!(self.authority, Authority::Own(_) | Authority::Leader(_))
    }

    /// Each session has its full time-out from now: nobody knows when others have heard of it.
    fn lead(&mut self, now: Now, tree: &Tree, zxid: Zxid) {
        assert!(self.queue.len() == 0, "a leader begins with all that it has applied");
        if !self.options.leader_serves {
            self.let_go();
        }
        let held = std::mem::replace(&mut self.authority, Authority::Own(Owners::new())).held();
        self.proposed = zxid;
        self.foreseen.told_all(tree.last_zxid());
        self.processor = Processor::new(self.options.rules.clone(), tree);
        self.sessions.global.restart(now.elapsed_ms);
        self.sessions.local.restart(now.elapsed_ms);
        self.end_orphans(now, tree);
        self.take_up(now, tree, held);
    }

    /// Ephemerals without a session go: what a snapshot of an official server has left over. There, each server deletes it for itself.
    pub(super) fn end_orphans(&mut self, now: Now, tree: &Tree) {
        let known = self.sessions.global.iter().map(|(session, _)| session).collect();
        for session in tree.orphans(&known) {
            self.end_session(now, tree, session, None);
        }
    }

    fn resign(&mut self, now: Now, logged: Zxid) {
        self.ending.clear();
        self.proposed = logged;
        match std::mem::replace(&mut self.authority, Authority::Nobody) {
            Authority::Leader(forwarding) => self.hold(now, Some(forwarding)),
            Authority::Own(_) => self.hold(now, None),
            // What was to be is not.
            Authority::Holding(holding) => {
                self.authority = Authority::Holding(Holding { is_settled: false, ..holding });
            }
            Authority::Nobody | Authority::ReadOnly => {}
        }
        for session in self.queue.forget_behind(logged) {
            self.sessions.global.remove(session);
        }
    }

    fn replaced(&mut self, now: Now, tree: &Tree, sessions: Vec<(SessionId, i32)>) {
        self.let_go();
        self.queue.clear();
        let last = tree.last_zxid();
        (self.proposed, self.committed, self.applied) = (last, last, last);
        self.snapshots = Snapshots::default();
        self.shared.clear();
        self.foreseen = Foreseen::unsaid();
        self.sessions.global = SessionTracker::new(self.options.tick_ms);
        for (session, timeout_ms) in sessions {
            self.sessions.make_global(session, timeout_ms, now.elapsed_ms);
            self.ids.skip(session);
        }
    }

    /// Hands a client's write or sync on to the leader. False: this member decides itself.
    pub(super) fn hand_on(&mut self, asked: &Asked<'_>, body: &Bytes) -> bool {
        let &Asked { conn, session, header, identities, .. } = asked;
        match &mut self.authority {
            Authority::Own(_) => return false,
            Authority::Holding(_) | Authority::Nobody | Authority::ReadOnly => {
                self.useless(conn, Reason::NoLeader)
            }
            Authority::Leader(forwarding) => {
                let waiting = if header.op == OpCode::SYNC {
                    forwarding.syncs.push_back(Asker::Session(session));
                    let (header, body, identities) = (header.clone(), body.clone(), identities.clone());
                    Waiting::Sync(Queued::Read { conn, session, header, body, identities }, None)
                } else {
                    Waiting::Write(Answer { conn, xid: header.xid, op: header.op, with_read_only: false })
                };
                forwarding.waiting.entry(session).or_default().push_back(waiting);
                self.member_actions.push(MemberAction::Forward(ForwardedRequest {
                    session,
                    cxid: header.xid,
                    op: header.op,
                    body: body.clone(),
                    identities: Some(identities.as_slice().to_vec()),
                }));
            }
        }
        true
    }

    /// A read waits for what its session has asked before, and for nothing else.
    pub(super) fn wait_for_session(&mut self, session: SessionId, read: Queued) {
        if let Authority::Leader(forwarding) = &mut self.authority
            && let Some(waiting) = forwarding.waiting.get_mut(&session)
        {
            waiting.push_back(Waiting::Read(read));
        } else if self.decides() {
            self.wait_turn(read);
        } else {
            self.queue.push_beside(read);
        }
    }

    /// Has the leader open a session. False: this member decides itself.
    pub(super) fn ask_to_open(&mut self, renewal: Renewal, session: SessionId) -> bool {
        let Renewal { conn, timeout_ms, with_read_only } = renewal;
        match &mut self.authority {
            Authority::Own(_) => return false,
            Authority::Holding(_) | Authority::Nobody | Authority::ReadOnly => {
                self.useless(conn, Reason::NoLeader)
            }
            Authority::Leader(forwarding) => {
                let answer = Answer { conn, xid: 0, op: OpCode::CREATE_SESSION, with_read_only };
                forwarding.waiting.entry(session).or_default().push_back(Waiting::Write(answer));
                self.member_actions.push(MemberAction::Forward(opening(session, timeout_ms)));
            }
        }
        true
    }

    /// Has the leader make a session global that this learner has had for itself.
    pub(super) fn ask_to_promote(&mut self, session: SessionId, timeout_ms: i32) {
        if let Authority::Leader(forwarding) = &mut self.authority {
            forwarding.waiting.entry(session).or_default().push_back(Waiting::Promotion);
            self.member_actions.push(MemberAction::Forward(opening(session, timeout_ms)));
        }
    }

    /// Whether a session is on its way to become global.
    pub(super) fn is_promoted(&self, session: SessionId) -> bool {
        let Authority::Leader(forwarding) = &self.authority else { return false };
        let waiting = forwarding.waiting.get(&session);
        waiting.is_some_and(|waiting| waiting.iter().any(|it| matches!(it, Waiting::Promotion)))
    }

    /// Asks the leader for a session that a client wants to go on with. False: this member decides itself.
    pub(super) fn ask_for(&mut self, session: SessionId, renewal: Renewal) -> bool {
        match &mut self.authority {
            Authority::Own(_) => return false,
            Authority::Holding(_) | Authority::Nobody | Authority::ReadOnly => {
                self.useless(renewal.conn, Reason::NoLeader);
            }
            Authority::Leader(forwarding) => {
                forwarding.revalidating.push_back((session, None));
                if let Some(earlier) = forwarding.renewing.insert(session, renewal) {
                    self.useless(earlier.conn, Reason::Moved(session));
                }
                let timeout_ms = renewal.timeout_ms;
                self.member_actions.push(MemberAction::AskFor { session, timeout_ms });
            }
        }
        true
    }

    fn revalidated(&mut self, now: Now, session: SessionId, valid: bool) {
        let Authority::Leader(forwarding) = &mut self.authority else { return };
        let first = forwarding.revalidating.iter().position(|(asked_for, _)| *asked_for == session);
        let asker =
            first.and_then(|first| forwarding.revalidating.remove(first)).and_then(|(_, asker)| asker);
        if let Some(link) = asker {
            self.member_actions.push(MemberAction::Answer { link, session, valid });
            if valid && let Some(conn) = self.sessions.attach(session, None) {
                self.useless(conn, Reason::Moved(session));
            }
        } else if let Some(renewal) = forwarding.renewing.remove(&session) {
            if valid && !forwarding.waiting.contains_key(&session) {
                forwarding.asked_elsewhere.insert(session, self.proposed);
            }
            self.renew(now, session, renewal, valid);
        }
    }

    fn synced_with_leader(&mut self) {
        let committed = self.committed;
        if let Authority::Leader(forwarding) = &mut self.authority
            && let Some(asker) = forwarding.syncs.pop_front()
        {
            let session = match asker {
                Asker::Session(session) => session,
                Asker::Observer(link) => return self.member_actions.push(MemberAction::AnswerSync(link)),
            };
            let oldest = forwarding.waiting.get_mut(&session).and_then(|waiting| {
                waiting.iter_mut().find_map(|waiting| match waiting {
                    Waiting::Sync(_, after @ None) => Some(after),
                    _ => None,
                })
            });
            if let Some(after) = oldest {
                *after = Some(committed);
            }
            forwarding.answered.push_back((committed, session));
            for read in self.released_syncs() {
                self.queue.push_beside(read);
            }
        }
    }

    /// Who waits at this member for a transaction that has just been applied.
    pub(super) fn waits_for(&mut self, logged: &LoggedTxn) -> Option<Answer> {
        let Authority::Leader(forwarding) = &mut self.authority else { return None };
        let session = logged.header.client_id;
        if logged.header.zxid <= forwarding.since {
            return None;
        }
        if let Some(&last) = forwarding.asked_elsewhere.get(&session) {
            if logged.header.zxid <= last {
                return None;
            }
            forwarding.asked_elsewhere.remove(&session);
        }
        let waiting = forwarding.waiting.get_mut(&session)?;
        if let (Some(Waiting::Promotion), Txn::CreateSession(_)) = (waiting.front(), &logged.txn) {
            waiting.pop_front();
            return None;
        }
        let Some(&Waiting::Write(answer)) = waiting.front() else { return None };
        if answer.xid != logged.header.cxid {
            return None;
        }
        waiting.pop_front();
        if answer.op == OpCode::CREATE_SESSION {
            self.sessions.attach(session, Some(answer.conn));
        }
        Some(answer)
    }

    /// What a session has asked and waits for nothing any more, from the front.
    pub(super) fn released(&mut self, session: SessionId) -> Vec<Queued> {
        let Authority::Leader(forwarding) = &mut self.authority else { return Vec::new() };
        let Some(waiting) = forwarding.waiting.get_mut(&session) else { return Vec::new() };
        let mut released = Vec::new();
        loop {
            match waiting.front() {
                Some(Waiting::Sync(_, Some(after))) if *after <= self.applied => {}
                Some(Waiting::Read(_)) => {}
                _ => break,
            }
            match waiting.pop_front() {
                Some(Waiting::Sync(read, _) | Waiting::Read(read)) => released.push(read),
                Some(Waiting::Write(_) | Waiting::Promotion) | None => break,
            }
        }
        if waiting.is_empty() {
            forwarding.waiting.remove(&session);
        }
        released
    }

    /// What sessions have asked that waits for nothing any more, now that more is applied.
    pub(super) fn released_syncs(&mut self) -> Vec<Queued> {
        let mut released = Vec::new();
        while let Authority::Leader(forwarding) = &mut self.authority
            && let Some(&(after, session)) = forwarding.answered.front()
            && after <= self.applied
        {
            forwarding.answered.pop_front();
            released.extend(self.released(session));
        }
        released
    }

    /// What a learner's client asks, at the leader. Every request becomes a transaction: its learner waits for one.
    fn forwarded(&mut self, now: Now, tree: &Tree, link: Link, request: &ForwardedRequest) {
        let &ForwardedRequest { session, cxid, op, ref body, ref identities } = request;
        let identities = Identities::of(identities.clone().unwrap_or_default());
        let known = self.known(session);
        let proposal = Proposal {
            zxid: self.proposed.next(),
            time_ms: now.wall_ms,
            session,
            xid: cxid,
            identities: &identities,
            known,
        };
        match op {
            OpCode::SYNC => self.member_actions.push(MemberAction::Sync(link)),
            OpCode::CREATE_SESSION => {
                let Ok(timeout_ms) = i32::decode(&mut Reader::new(body)) else { return };
                self.owned_by(session, Some(link));
                self.sessions.global.track(session, timeout_ms, now.elapsed_ms);
                let logged = self.processor.create_session(&proposal, timeout_ms);
                self.propose(logged, None);
            }
            _ if !self.may_ask(session, link) => {
                let logged = self.processor.refuse(&proposal, Code::SESSION_MOVED);
                self.propose(logged, None);
            }
            OpCode::CLOSE_SESSION if known == Known::Everywhere => {
                self.sessions.set_closing(session);
                self.end_session_as(now, tree, session, cxid, None);
            }
            OpCode::CLOSE_SESSION => {
                let logged = self.processor.refuse(&proposal, Code::SESSION_EXPIRED);
                self.propose(logged, None);
            }
            _ => match self.processor.prepare(tree, op, body, &proposal) {
                Ok(judged) => self.propose(judged, None),
                Err(Refusal::Undecodable) => {
                    let logged = self.processor.refuse(&proposal, Code::MARSHALLING_ERROR);
                    self.propose(logged, None);
                }
            },
        }
    }

    /// What an observer's client asks goes on to the leader.
    fn pass_on(&mut self, link: Link, request: ForwardedRequest) {
        let Authority::Leader(forwarding) = &mut self.authority else { return };
        if request.op == OpCode::SYNC {
            forwarding.syncs.push_back(Asker::Observer(link));
        }
        self.member_actions.push(MemberAction::Forward(request));
    }

    /// A client asks through this learner from now on, or here.
    pub(super) fn owned_by(&mut self, session: SessionId, owner: Option<Link>) {
        if let Authority::Own(owners) = &mut self.authority {
            match owner {
                Some(link) => drop(owners.insert(session, link)),
                None => drop(owners.remove(&session)),
            }
        }
    }

    /// A learner has heard from these sessions. Their clients ask there, as far as nothing else is known: after an election it is
    /// not known of those who have kept their connections.
    fn touched(&mut self, now: Now, link: Link, sessions: &[(SessionId, i32)]) {
        for &(session, _) in sessions {
            self.sessions.global.touch(session, now.elapsed_ms);
            if let Authority::Own(owners) = &mut self.authority
                && self.sessions.global.is_live(session)
                && self.sessions.conn(session).is_none()
            {
                owners.entry(session).or_insert(link);
            }
        }
    }

    /// Whether what comes through this learner is for the session: unless its client asks elsewhere by now. After an election
    /// it is where it is heard of first (`SessionTrackerImpl.checkSession`).
    fn may_ask(&mut self, session: SessionId, link: Link) -> bool {
        if self.sessions.conn(session).is_some() {
            return false;
        }
        if !self.sessions.global.knows(session) {
            // A learner's own, or of the past: it is nobody else's.
            return true;
        }
        match &mut self.authority {
            Authority::Own(owners) => *owners.entry(session).or_insert(link) == link,
            Authority::Leader(_) | Authority::Holding(_) | Authority::Nobody | Authority::ReadOnly => false,
        }
    }

    /// Sessions come and go with transactions; at a leader they came with the request.
    pub(super) fn learn_session(&mut self, logged: &LoggedTxn) {
        if let Txn::CreateSession(txn) = &logged.txn
            && !self.decides()
        {
            self.sessions.make_global(logged.header.client_id, txn.time_out, self.ticked_ms);
        }
    }

    /// What a client is told of its transaction. The leader does not know a local session, and says so of its ephemeral; this
    /// member knows better.
    pub(super) fn code_for_client(&self, logged: &LoggedTxn, code: Code) -> Code {
        let is_local = || self.sessions.local.knows(logged.header.client_id);
        if code == Code::SESSION_EXPIRED && is_local() { Code::EPHEMERAL_ON_LOCAL_SESSION } else { code }
    }

    pub(super) fn take_member_actions(&mut self, actions: &mut Vec<Action>) {
        actions.extend(self.member_actions.drain(..).map(Action::Member));
    }

    pub(super) fn useless(&mut self, conn: ConnId, reason: Reason) {
        self.delivering.push(Delivery::Close { conn, reason });
    }
}

/// What a learner asks its leader for a new session.
fn opening(session: SessionId, timeout_ms: i32) -> ForwardedRequest {
    let mut body = Vec::new();
    timeout_ms.encode(&mut body);
    let (op, body) = (OpCode::CREATE_SESSION, body.into());
    ForwardedRequest { session, cxid: 0, op, body, identities: None }
}
