//! Whether the body of a reply is what its request must get: exact length, value, path, children, and
//! versions that never go back on a session.
//!
//! It reads bytes and counts violations, and nothing else. Headers were checked by `session`.

use crate::generator::Workload;
use crate::names;
use crate::options::Options;
use crate::session::{Kind, Pending};
use crate::violations::{Class, Violations};
use std::sync::Arc;
use zkload::wire::{CHECK, MULTI_HEADER_LEN, SET, STAT_LEN, StatView, get_i32, value};

/// The most versions, sessions times znodes, that are remembered per thread; of a larger run none are.
const MAX_TRACKED: usize = 20_000_000;

/// What the replies to the sessions of one thread must hold.
pub(crate) struct Checker {
    root: String,
    paths: Arc<Vec<Vec<u8>>>,
    /// One value: all share what follows the digits.
    value: Vec<u8>,
    /// session * znodes + znode -> last version seen + 1; empty when versions are not tracked.
    versions: Vec<i32>,
    first_session: usize,
    parents: usize,
    expect_children: i64,
    /// How many sets were acknowledged.
    pub(crate) acked_sets: u64,
}

impl Checker {
    /// For the `sessions` sessions of a thread, the first of which is `first_session`.
    pub(crate) fn new(
        options: &Options,
        workload: Workload,
        paths: Arc<Vec<Vec<u8>>>,
        (first_session, sessions): (usize, usize),
    ) -> Self {
        let tracked = sessions * paths.len();
        let track = workload == Workload::Mix && tracked <= MAX_TRACKED;
        Self {
            root: options.root.clone(),
            paths,
            value: value(0, options.value_size),
            versions: vec![0; if track { tracked } else { 0 }],
            first_session,
            parents: options.parents,
            expect_children: options.expect_children,
            acked_sets: 0,
        }
    }

    /// Checks the reply to `request` of session `i`.
    #[inline]
    pub(crate) fn check(&mut self, v: &mut Violations, i: usize, request: Pending, err: i32, body: &[u8]) {
        let Pending { kind, idx, .. } = request;
        if err != 0 {
            v.add(Class::Err, || format!("{} {idx}: err {err}", kind.name()));
            return;
        }
        match kind {
            Kind::Get => self.get(v, i, idx, body),
            Kind::Set | Kind::Exists => self.stat(v, i, request, body),
            Kind::Multi => self.multi(v, i, idx, body),
            Kind::Children => self.children(v, body),
            Kind::Bulk => created(v, &names::bulk(&self.root, self.parents, u64::from(idx)), body),
            Kind::Create => created(v, &names::own(&self.root, self.first_session + i, idx), body),
            Kind::Sync => {
                if body.len() < 4 || &body[4..] != self.root.as_bytes() {
                    v.add(Class::Content, || "sync: wrong path in reply".into());
                }
            }
            Kind::Delete | Kind::Close => {
                if !body.is_empty() {
                    v.add(Class::Length, || format!("{}: body of {} bytes", kind.name(), body.len()));
                }
            }
        }
    }

    fn get(&mut self, v: &mut Violations, i: usize, idx: u32, body: &[u8]) {
        let size = self.value.len();
        if body.len() != 4 + size + STAT_LEN || get_i32(body, 0) as usize != size {
            let (n, data) = (body.len(), if body.len() >= 4 { get_i32(body, 0) } else { -9 });
            v.add(Class::Length, || format!("get {idx}: body of {n} bytes, data {data}"));
            return;
        }
        let (data, stat) = (&body[4..4 + size], StatView(&body[4 + size..]));
        if stat.data_len() as usize != size {
            v.add(Class::Length, || format!("get {idx}: stat.dataLength {}", stat.data_len()));
        }
        let path = &self.paths[idx as usize];
        if size >= 8 && (data[..8] != path[path.len() - 8..] || data[8..] != self.value[8..]) {
            v.add(Class::Content, || format!("get {idx}: wrong data"));
        }
        self.seen(v, i, idx, stat.version(), false);
    }

    /// The reply to a set or an exists is a stat.
    fn stat(&mut self, v: &mut Violations, i: usize, request: Pending, body: &[u8]) {
        let Pending { kind, idx, .. } = request;
        if body.len() != STAT_LEN || StatView(body).data_len() as usize != self.value.len() {
            v.add(Class::Length, || format!("{} {idx}: body of {} bytes", kind.name(), body.len()));
            return;
        }
        let wrote = kind == Kind::Set;
        self.acked_sets += u64::from(wrote);
        self.seen(v, i, idx, StatView(body).version(), wrote);
    }

    /// The result of a check, the result of a set with its stat, the end.
    fn multi(&mut self, v: &mut Violations, i: usize, idx: u32, body: &[u8]) {
        const SET_AT: usize = MULTI_HEADER_LEN;
        const STAT_AT: usize = SET_AT + MULTI_HEADER_LEN;
        if body.len() != STAT_AT + STAT_LEN + MULTI_HEADER_LEN
            || get_i32(body, 0) != CHECK
            || get_i32(body, SET_AT) != SET
            || get_i32(body, 5) != 0
            || get_i32(body, SET_AT + 5) != 0
        {
            v.add(Class::Length, || format!("multi {idx}: malformed result of {} bytes", body.len()));
            return;
        }
        self.acked_sets += 1;
        self.seen(v, i, idx, StatView(&body[STAT_AT..]).version(), true);
    }

    fn children(&self, v: &mut Violations, body: &[u8]) {
        let listed = if body.len() >= 4 { get_i32(body, 0) } else { -1 };
        let mut at = 4;
        for _ in 0..listed.max(0) {
            if at + 4 > body.len() {
                break;
            }
            at += 4 + get_i32(body, at).max(0) as usize;
        }
        if at + STAT_LEN != body.len() {
            v.add(Class::Length, || format!("children: body of {} bytes, parsed {at}", body.len()));
            return;
        }
        let expected = self.expect_children;
        let in_stat = StatView(&body[at..]).num_children();
        if expected >= 0 && i64::from(listed) != expected {
            v.add(Class::Content, || format!("children: {listed}, expected {expected}"));
        } else if in_stat != listed {
            v.add(Class::Content, || format!("children: {listed} listed, stat says {in_stat}"));
        }
    }

    /// A znode's version never goes back on a session, and grows with each own set.
    #[inline]
    fn seen(&mut self, v: &mut Violations, i: usize, idx: u32, version: i32, wrote: bool) {
        if self.versions.is_empty() {
            return;
        }
        let slot = &mut self.versions[i * self.paths.len() + idx as usize];
        let least = *slot + i32::from(wrote);
        if version + 1 < least {
            let last = *slot - 1;
            v.add(Class::Version, || format!("znode {idx}: version {version} after {last}"));
        } else {
            *slot = version + 1;
        }
    }
}

/// The reply to a create is the path.
fn created(v: &mut Violations, want: &str, body: &[u8]) {
    if body.len() != 4 + want.len() || &body[4..] != want.as_bytes() {
        v.add(Class::Content, || format!("create {want}: wrong path in reply"));
    }
}
