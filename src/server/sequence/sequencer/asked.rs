//! What learners have handed on and waits to be judged: each of them has the same share of what is in work, and all that waits
//! is bounded.
//!
//! Invariants: what came over one link is judged in its order; a learner that asks for much keeps no other one waiting. A learner
//! bounds what its clients have in work itself, so whoever is sent away for it is none, or broken.
//!
//! At an observer master the same stands before the link to the leader: what observers ask is in work until the leader proposes it, or
//! answers the sync. It takes what comes over one link in order, so an answer is one to all that was handed on before, too. What it
//! never answers (an official leader passes over requests of types that it does not know) is given up after a while.

use super::Sequencer;
use crate::{
    node::{Event, MemberEvent},
    zab::Link,
};
use oxkeeper_codec::{OpCode, SessionId, Zxid, learner::ForwardedRequest};
use std::{
    collections::{BTreeMap, VecDeque},
    ops::Bound,
};

/// So many of their requests are in work at one time, beside what this server's own clients ask.
const IN_WORK_MAX: usize = 4096;
/// And of so many bytes, or one.
const IN_WORK_MAX_BYTES: usize = 8 << 20;
/// Beyond that, so many bytes wait of all members,
const WAITING_MAX_BYTES: usize = 64 << 20;
/// and so many of all that are none.
const GUESTS_WAITING_MAX_BYTES: usize = 8 << 20;
/// So long a leader may leave a request that was handed on unanswered before it counts as one that never will be, in ms.
const UNANSWERED_MAX_MS: i64 = 5000;
/// What a request takes besides its own bytes.
const REQUEST_BYTES: usize = 256;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Asked {
    waiting: BTreeMap<Link, Waiting>,
    /// None is judged any more.
    closed: bool,
    /// Of all members, in bytes.
    waiting_bytes: usize,
    /// Of all that are none, in bytes.
    guests_waiting_bytes: usize,
    /// Whose request was judged last.
    last: Option<Link>,
    /// What was judged or handed on, the oldest first, and its bytes.
    in_work: VecDeque<(Until, usize)>,
    in_work_bytes: usize,
}

/// How long a request is in work.
#[derive(Debug, Clone, Copy)]
enum Until {
    /// At the leader: until this is applied.
    Applied(Zxid),
    /// At an observer master: until the leader answers it. Handed on at this time, in ms of the elapsed clock.
    Answered(Answer, i64),
}

/// What a leader says to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    /// A transaction of this session, for its request of this number.
    Txn(SessionId, i32),
    Sync,
}

#[derive(Debug, Default)]
struct Waiting {
    requests: VecDeque<ForwardedRequest>,
    bytes: usize,
    /// It is of a server that is no member.
    guest: bool,
}

/// What a request takes while it waits, in bytes.
fn weight(request: &ForwardedRequest) -> usize {
    let identities = request.identities.iter().flatten().map(|id| id.scheme.len() + id.id.len());
    REQUEST_BYTES + request.body.len() + identities.sum::<usize>()
}

impl Asked {
    /// Takes in a request. `guest`: of a server that is no member.
    ///
    /// # Errors
    /// Too much waits: most of it is of this learner.
    pub(super) fn push(&mut self, link: Link, guest: bool, request: ForwardedRequest) -> Result<(), Link> {
        let (bytes, waiting) = (weight(&request), self.waiting.entry(link).or_default());
        waiting.guest = guest;
        waiting.requests.push_back(request);
        waiting.bytes += bytes;
        *self.waits(guest) += bytes;
        let max_bytes = if guest { GUESTS_WAITING_MAX_BYTES } else { WAITING_MAX_BYTES };
        if *self.waits(guest) <= max_bytes {
            return Ok(());
        }
        let alike = self.waiting.iter().filter(|(_, waiting)| waiting.guest == guest);
        let most = alike.max_by_key(|(_, waiting)| waiting.bytes).map(|(&link, _)| link);
        most.map_or(Ok(()), Err)
    }

    const fn waits(&mut self, guest: bool) -> &mut usize {
        if guest { &mut self.guests_waiting_bytes } else { &mut self.waiting_bytes }
    }

    /// The next request that may be judged, now that everything up to `applied` is. `now_ms`: of the elapsed clock.
    pub(super) fn next(&mut self, applied: Zxid, now_ms: i64) -> Option<(Link, ForwardedRequest)> {
        let is_done = |until: Until| match until {
            Until::Applied(zxid) => zxid <= applied,
            Until::Answered(_, since_ms) => now_ms - since_ms >= UNANSWERED_MAX_MS,
        };
        let done = self.in_work.iter().take_while(|(until, _)| is_done(*until)).count();
        self.are_done(done);
        if self.closed || self.in_work.len() >= IN_WORK_MAX || self.in_work_bytes >= IN_WORK_MAX_BYTES {
            return None;
        }
        let link = self.next_link()?;
        self.last = Some(link);
        let waiting = self.waiting.get_mut(&link)?;
        let request = waiting.requests.pop_front()?;
        let bytes = weight(&request);
        waiting.bytes -= bytes;
        let (guest, done) = (waiting.guest, waiting.requests.is_empty());
        *self.waits(guest) -= bytes;
        if done {
            self.waiting.remove(&link);
        }
        Some((link, request))
    }

    /// The one behind the last, or the first.
    fn next_link(&self) -> Option<Link> {
        let behind = self.last.map_or(Bound::Unbounded, Bound::Excluded);
        let next = self.waiting.range((behind, Bound::Unbounded)).next();
        next.or_else(|| self.waiting.first_key_value()).map(|(&link, _)| link)
    }

    /// A request of that weight was judged, or handed on.
    fn is_in_work(&mut self, until: Until, bytes: usize) {
        self.in_work.push_back((until, bytes));
        self.in_work_bytes += bytes;
    }

    /// The leader has said this: to a request of an observer, or to another one.
    pub(super) fn answered(&mut self, answer: Answer) {
        let asked = |(until, _): &(Until, usize)| matches!(until, Until::Answered(it, _) if *it == answer);
        // Bounded by what may be in work.
        if let Some(at) = self.in_work.iter().position(asked) {
            self.are_done(at + 1);
        }
    }

    /// So many of the oldest are in work no more.
    fn are_done(&mut self, count: usize) {
        self.in_work_bytes -= self.in_work.drain(..count).map(|(_, bytes)| bytes).sum::<usize>();
    }

    /// No more is judged.
    pub(super) const fn close(&mut self) {
        self.closed = true;
    }

    /// The link has ended.
    pub(super) fn forget(&mut self, link: Link) {
        if let Some(waiting) = self.waiting.remove(&link) {
            *self.waits(waiting.guest) -= waiting.bytes;
        }
    }
}

impl Sequencer {
    /// A learner hands on what its client asks.
    pub(super) fn forwarded(&mut self, link: Link, request: ForwardedRequest) {
        let Some(member) = &mut self.member else { return };
        let guest = !member.zab.is_of_member(link);
        if let Err(most) = member.asked.push(link, guest, request) {
            self.sent_away(most, &"it asks for more than can be done");
            self.end_link(most);
        }
        self.judge_asked();
    }

    /// Judges what learners have handed on, or hands it on, as much of it as may be in work. Whether there was any.
    pub(super) fn judge_asked(&mut self) -> bool {
        let mut judged = false;
        loop {
            let Some(member) = self.member.as_mut().filter(|member| !member.asked.waiting.is_empty()) else {
                return judged;
            };
            let now_ms = self.hub.clock.elapsed_ms();
            let Some((link, request)) = member.asked.next(self.tree.tree().last_zxid(), now_ms) else {
                return judged;
            };
            let weight = weight(&request);
            let answer = match request.op {
                OpCode::SYNC => Answer::Sync,
                _ => Answer::Txn(request.session, request.cxid),
            };
            let decides = self.node.decides();
            self.step_node(Event::Member(MemberEvent::Forwarded(link, request)));
            let until = if decides {
                Until::Applied(self.node.last_proposed())
            } else {
                Until::Answered(answer, now_ms)
            };
            if let Some(member) = &mut self.member {
                member.asked.is_in_work(until, weight);
            }
            judged = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn request(cxid: i32, len: usize) -> ForwardedRequest {
        let body = Bytes::from(vec![0; len]);
        ForwardedRequest { session: SessionId(1), cxid, op: OpCode::SET_DATA, body, identities: None }
    }

    /// Judges all that may be, as transactions from this number on.
    fn judge(asked: &mut Asked, applied: i64, mut zxid: i64) -> Vec<(u64, i32)> {
        let mut judged = Vec::new();
        while let Some((link, request)) = asked.next(Zxid(applied), 0) {
            asked.is_in_work(Until::Applied(Zxid(zxid)), weight(&request));
            judged.push((link.0, request.cxid));
            zxid += 1;
        }
        judged
    }

    #[test]
    fn who_asks_much_keeps_nobody_waiting() {
        let mut asked = Asked::default();
        for cxid in 0..6000 {
            asked.push(Link(1), false, request(cxid, 10)).expect("room");
        }
        for (link, cxid) in [(2, 0), (3, 0), (2, 1)] {
            asked.push(Link(link), false, request(cxid, 10)).expect("room");
        }
        let judged = judge(&mut asked, 0, 1);
        assert_eq!(judged.len(), IN_WORK_MAX);
        assert_eq!(judged[..6], [(1, 0), (2, 0), (3, 0), (1, 1), (2, 1), (1, 2)]);
        assert_eq!(judge(&mut asked, 1, 4097), [(1, 4093)], "one more, once one is applied");
        asked.forget(Link(1));
        assert_eq!(judge(&mut asked, 5000, 5000), []);
        asked.push(Link(2), false, request(7, 10)).expect("room");
        assert_eq!(judge(&mut asked, 5000, 5001), [(2, 7)]);
    }

    #[test]
    fn bytes_are_bounded() {
        let mut asked = Asked::default();
        asked.push(Link(1), false, request(0, 20 << 20)).expect("room");
        asked.push(Link(2), false, request(0, 20 << 20)).expect("room");
        assert_eq!(judge(&mut asked, 0, 1), [(1, 0)], "one is never too large");
        asked.push(Link(1), false, request(1, 30 << 20)).expect("room");
        asked.push(Link(3), false, request(0, 1 << 20)).expect("room");
        assert_eq!(asked.push(Link(3), false, request(1, 20 << 20)), Err(Link(1)));
        asked.forget(Link(1));
        assert_eq!(judge(&mut asked, 1, 2), [(2, 0)]);
        assert_eq!(judge(&mut asked, 2, 3), [(3, 0), (3, 1)]);
    }

    #[test]
    fn what_is_handed_on_is_in_work_until_it_is_answered() {
        let mut asked = Asked::default();
        for cxid in 0..10_000 {
            asked.push(Link(1), false, request(cxid, 10)).expect("room");
        }
        let hand_on = |asked: &mut Asked, now_ms| {
            let mut count = 0;
            while let Some((_, request)) = asked.next(Zxid(1 << 40), now_ms) {
                let answer =
                    if request.cxid == 7 { Answer::Sync } else { Answer::Txn(request.session, request.cxid) };
                asked.is_in_work(Until::Answered(answer, now_ms), weight(&request));
                count += 1;
            }
            count
        };
        assert_eq!(hand_on(&mut asked, 0), IN_WORK_MAX, "whatever is applied");
        asked.answered(Answer::Txn(SessionId(2), 0));
        assert_eq!(hand_on(&mut asked, 1), 0, "another session's");
        asked.answered(Answer::Txn(SessionId(1), 0));
        assert_eq!(hand_on(&mut asked, 1), 1);
        asked.answered(Answer::Sync);
        assert_eq!(hand_on(&mut asked, 2), 7, "what was passed over before is done with it");
        assert_eq!(hand_on(&mut asked, UNANSWERED_MAX_MS - 1), 0);
        assert_eq!(hand_on(&mut asked, UNANSWERED_MAX_MS), IN_WORK_MAX - 8, "no answer comes any more");
    }

    #[test]
    fn guests_have_a_bound_of_their_own() {
        let mut asked = Asked::default();
        asked.push(Link(1), false, request(0, 60 << 20)).expect("room");
        asked.push(Link(2), true, request(0, 5 << 20)).expect("room");
        asked.push(Link(3), true, request(0, 2 << 20)).expect("room");
        assert_eq!(asked.push(Link(3), true, request(1, 2 << 20)), Err(Link(2)));
        asked.forget(Link(2));
        asked.push(Link(3), true, request(2, 3 << 20)).expect("room again");
        assert_eq!(asked.push(Link(4), false, request(0, 5 << 20)), Err(Link(1)));
        assert_eq!(judge(&mut asked, 0, 1), [(1, 0)]);
        assert_eq!(judge(&mut asked, 1, 2), [(3, 0), (4, 0), (3, 1)]);
        asked.forget(Link(3));
        assert_eq!((asked.waiting_bytes, asked.guests_waiting_bytes), (0, 0));
    }
}
