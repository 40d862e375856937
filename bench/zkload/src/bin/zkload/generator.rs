//! What to ask next: appends one request to a session and notes it there.
//!
//! It draws operations and znodes from a generator of its own, touches no socket and reads no clock. Nothing
//! in here allocates per request except the paths of creates and deletes.

use crate::names;
use crate::options::{Mix, Options};
use crate::session::{Kind, Session};
use crate::shared::Shared;
use std::sync::Arc;
use zkload::wire::{
    CHILDREN2, EXISTS, GET, create, delete, multi_check_set, multi_data_at, path_watch, set, set_data_at,
    sync, value,
};

/// What a run is made of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Workload {
    /// Operations drawn from a mix on znodes that are there.
    Mix,
    /// Each of a number of znodes created once, by whichever session comes next.
    CreateMany,
}

/// xorshift64*: cheap, and good enough to spread load.
struct Random(u64);

impl Random {
    #[inline]
    fn next(&mut self) -> u64 {
        let mut x = self.0;
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        self.0 = x;
        x.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }
}

/// The znodes that a session creates and deletes in turn.
#[derive(Clone, Copy, Default)]
struct Turn {
    created: u32,
    deleted: u32,
}

/// The requests of the sessions of one thread.
pub(crate) struct Generator {
    workload: Workload,
    shared: Arc<Shared>,
    mix: Mix,
    root: String,
    /// The paths of the znodes of the mix.
    paths: Arc<Vec<Vec<u8>>>,
    /// One value; a znode's digits are patched in.
    value: Vec<u8>,
    random: Random,
    turns: Vec<Turn>,
    first_session: usize,
    /// How many operations all threads may issue; 0: any number.
    ops: u64,
    count: u64,
    parents: usize,
}

impl Generator {
    /// Requests for the `sessions` sessions of thread `thread`, the first of which is `first_session`.
    pub(crate) fn new(
        options: &Options,
        workload: Workload,
        shared: Arc<Shared>,
        paths: Arc<Vec<Vec<u8>>>,
        thread: usize,
        (first_session, sessions): (usize, usize),
    ) -> Self {
        let seed = 0x9E37_79B9_7F4A_7C15 ^ ((thread as u64 + 1) << 32) ^ u64::from(std::process::id());
        Self {
            workload,
            shared,
            mix: options.mix.clone(),
            root: options.root.clone(),
            paths,
            value: value(0, options.value_size),
            random: Random(seed),
            turns: vec![Turn::default(); sessions],
            first_session,
            ops: options.ops,
            count: options.count,
            parents: options.parents,
        }
    }

    /// Issues one request on session `i`, due at `t`; false when there is nothing left to issue.
    #[inline]
    pub(crate) fn issue(&mut self, session: &mut Session, i: usize, t: u64) -> bool {
        match self.workload {
            Workload::Mix => self.issue_from_mix(session, i, t),
            Workload::CreateMany => self.issue_bulk(session, t),
        }
    }

    fn issue_bulk(&mut self, session: &mut Session, t: u64) -> bool {
        let idx = self.shared.next_bulk();
        if idx >= self.count {
            return false;
        }
        let xid = session.push(Kind::Bulk, idx as u32, t);
        let path = names::bulk(&self.root, self.parents, idx);
        patch_digits(&mut self.value, path.as_bytes());
        create(&mut session.wbuf, xid, path.as_bytes(), &self.value, 0);
        true
    }

    fn issue_from_mix(&mut self, session: &mut Session, i: usize, t: u64) -> bool {
        if self.ops > 0 && !self.shared.take_op(self.ops) {
            return false;
        }
        let random = self.random.next();
        let kind = self.mix.draw((random >> 40) as u32);
        let idx = (random & 0xff_ffff) as usize % self.paths.len().max(1);
        match kind {
            Kind::Get | Kind::Exists => {
                let xid = session.push(kind, idx as u32, t);
                let op = if kind == Kind::Get { GET } else { EXISTS };
                path_watch(&mut session.wbuf, xid, op, &self.paths[idx], false);
            }
            Kind::Set | Kind::Multi => self.set(session, kind, idx, t),
            Kind::Children => {
                let xid = session.push(kind, 0, t);
                path_watch(&mut session.wbuf, xid, CHILDREN2, self.root.as_bytes(), false);
            }
            Kind::Sync => {
                let xid = session.push(kind, 0, t);
                sync(&mut session.wbuf, xid, self.root.as_bytes());
            }
            _ => self.create_or_delete(session, i, t),
        }
        true
    }

    /// A set, or a multi of a check and a set, of the znode's own value.
    #[inline]
    fn set(&self, session: &mut Session, kind: Kind, idx: usize, t: u64) {
        let xid = session.push(kind, idx as u32, t);
        let path = &self.paths[idx];
        let w = &mut session.wbuf;
        let frame = w.len();
        let data = if kind == Kind::Set {
            set(w, xid, path, &self.value, -1);
            set_data_at(path.len())
        } else {
            multi_check_set(w, xid, path, &self.value);
            multi_data_at(path.len())
        };
        patch_digits(&mut w[frame + data..frame + data + self.value.len()], path);
    }

    /// A create and a delete in turn; a session's requests keep their order.
    fn create_or_delete(&mut self, session: &mut Session, i: usize, t: u64) {
        let turn = &mut self.turns[i];
        if turn.created == turn.deleted {
            turn.created += 1;
            let xid = session.push(Kind::Create, turn.created, t);
            let path = names::own(&self.root, self.first_session + i, turn.created);
            create(&mut session.wbuf, xid, path.as_bytes(), &self.value, 0);
        } else {
            turn.deleted = turn.created;
            let xid = session.push(Kind::Delete, turn.created, t);
            let path = names::own(&self.root, self.first_session + i, turn.created);
            delete(&mut session.wbuf, xid, path.as_bytes());
        }
    }
}

/// Puts the digits at the end of a path at the head of a value; one shorter than that stays as it is.
#[inline]
fn patch_digits(value: &mut [u8], path: &[u8]) {
    if value.len() >= 8 {
        value[..8].copy_from_slice(&path[path.len() - 8..]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use zkload::args::Args;
    use zkload::wire::{CREATE, DELETE, get_i32};

    fn generator(line: &str, workload: Workload) -> Generator {
        let argv: Vec<String> = line.split(' ').map(String::from).collect();
        let options = Options::read(&Args::parse(&argv, crate::options::KEYS, &[]).expect("valid options"));
        let paths = names::znodes("/r", options.znodes).into_iter().map(String::into_bytes).collect();
        Generator::new(&options, workload, Arc::new(Shared::default()), Arc::new(paths), 0, (0, 1))
    }

    #[test]
    fn creates_and_deletes_alternate() {
        let mut generator = generator("--mix create", Workload::Mix);
        let mut session = Session::new();
        let ops: Vec<i32> = (0..4)
            .map(|_| {
                session.wbuf.clear();
                generator.issue(&mut session, 0, 0);
                get_i32(&session.wbuf, 8)
            })
            .collect();
        assert_eq!(ops, [CREATE, DELETE, CREATE, DELETE]);
    }

    #[test]
    fn a_number_of_operations_is_issued_and_no_more() {
        for (line, workload) in [("--ops 3", Workload::Mix), ("--count 3 --parents 2", Workload::CreateMany)]
        {
            let mut generator = generator(line, workload);
            let mut session = Session::new();
            let issued = (0..10).filter(|_| generator.issue(&mut session, 0, 0)).count();
            assert_eq!((issued, session.outstanding()), (3, 3), "{line}");
        }
    }

    #[test]
    fn a_set_carries_the_digits_of_its_znode() {
        for mix in ["--mix set --znodes 50", "--mix multi --znodes 50"] {
            let mut generator = generator(mix, Workload::Mix);
            let mut session = Session::new();
            generator.issue(&mut session, 0, 0);
            let w = &session.wbuf;
            let digits = w.windows(10).position(|x| x == b"/r/n000000").expect("path") + 4;
            let number = &w[digits..digits + 8];
            let written = w.windows(8).filter(|x| x == &number).count();
            assert_eq!(written, if mix.contains("set") { 2 } else { 3 });
        }
    }
}
