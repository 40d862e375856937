//! From a seed to a sequence of steps.
//!
//! What is left out, because the official server's answer is a race there:
//! - in a burst, whatever it does not answer in order (`operations::in_order`);
//! - in a burst, writes where quotas are enforced: it judges them by what happens to be applied;
//! - behind a closeSession or broken bytes, anything on the same connection.
//!
//! And because oxkeeper differs on purpose: a wrong password while the owner is connected (behaviours 11, 12).

use super::operations::{self, Taste};
use super::plan::{Act, Come, Request, Step};
use super::pool::Dice;
use crate::client::OPEN;
use crate::requests::create_body;

/// How many clients take turns.
pub const CLIENTS: usize = 3;

/// The steps of a seed.
#[must_use]
pub fn sequence(seed: u64, length: usize, taste: &Taste) -> Vec<Step> {
    let mut maker = Maker { random: Dice::new(seed, taste.narrow), taste, xid: 0 };
    let mut steps = maker.ground();
    steps.extend((0..length).map(|_| maker.step()));
    steps
}

struct Maker<'a> {
    random: Dice,
    taste: &'a Taste,
    xid: i32,
}

const TIMEOUTS: &[i32] = &[30_000, 30_000, 100_000, 0, -1, i32::MAX, i32::MIN];

/// What most sequences begin with, so that requests find something.
const GROUND: &[&str] = &["/a", "/b", "/q", "/a/b", "/t", "/zookeeper/quota/q", "/q/x"];

impl Maker<'_> {
    fn ground(&mut self) -> Vec<Step> {
        let mut steps = Vec::new();
        for path in GROUND {
            if self.random.percent(80) {
                let body = create_body(path, Some(b"ground"), Some(OPEN), 0);
                let request =
                    Request { what: format!("create {path}"), xid: self.number(), op: 1, since: None, body };
                steps.push(Step { who: self.random.index(CLIENTS), act: Act::Ask(request) });
            }
        }
        steps
    }

    fn step(&mut self) -> Step {
        let who = self.random.index(CLIENTS);
        let act = match self.random.below(200) {
            0..=1 => self.hello(Come::New),
            2..=4 => self.hello(Come::Renew),
            5..=7 => self.hello(Come::Return),
            8 => self.hello(Come::WrongPassword),
            9 => self.hello(Come::FromTheFuture),
            10 => self.hello(Come::Stranger),
            11..=12 => Act::Cut,
            13 => Act::Raw(self.random.pick(RAW).to_vec()),
            14..=16 => Act::Ask(self.close()),
            17..=24 => self.burst(),
            25..=39 => {
                let odd = self.odd();
                Act::Ask(odd)
            }
            _ => Act::Ask(self.request()),
        };
        Step { who, act }
    }

    fn hello(&mut self, come: Come) -> Act {
        let byte = self.random.pick(&[Some(0), Some(0), Some(0), None, Some(1)]);
        Act::Hello(come, self.random.pick(TIMEOUTS), byte)
    }

    fn number(&mut self) -> i32 {
        self.xid += 1;
        match self.random.below(40) {
            0 => self.random.pick(&[0, -3, -5, i32::MIN, i32::MAX]),
            _ => self.xid,
        }
    }

    fn request(&mut self) -> Request {
        let xid = self.number();
        operations::any(&mut self.random, self.taste).numbered(xid)
    }

    fn close(&mut self) -> Request {
        Request {
            what: "closeSession".to_owned(),
            xid: self.number(),
            op: -11,
            since: None,
            body: Vec::new(),
        }
    }

    fn burst(&mut self) -> Act {
        let mut requests = Vec::new();
        for _ in 0..2 + self.random.index(8) {
            let xid = self.number();
            let next = operations::in_order(&mut self.random, self.taste).numbered(xid);
            let writes = matches!(next.op, 1 | 2 | 5 | 7 | 14 | 15 | 19 | 21);
            if !(writes && self.taste.quotas > 0) {
                requests.push(next);
            }
        }
        if self.random.percent(10) {
            requests.push(self.close());
        }
        Act::Burst(requests)
    }

    /// A request with something wrong in its bytes.
    fn odd(&mut self) -> Request {
        let mut request = self.request();
        let body = &mut request.body;
        let how = match self.random.below(10) {
            0..=3 if !body.is_empty() => {
                let keep = self.random.index(body.len());
                body.truncate(keep);
                format!("cut to {keep}")
            }
            0..=5 => {
                let extra = self.random.pick(&[&b"\0"[..], b"\xff\xff\xff\xff", b"/a and more"]);
                body.extend_from_slice(extra);
                format!("with {} more", extra.len())
            }
            // Null figures end the official server.
            6..=7 if !is_about_quotas(body) && nullable(body).next().is_some() => {
                let places: Vec<usize> = nullable(body).collect();
                let at = self.random.pick(&places);
                let len = usize::try_from(int_at(body, at)).unwrap_or_default();
                body.splice(at..at + 4 + len, [255; 4]);
                format!("with null at {at}")
            }
            // Neither flags of op code 21 (behaviour 67) nor figures of quotas may come about by chance.
            _ if body.len() >= 4 && request.op != 21 && !is_about_quotas(body) => {
                let value = self.random.pick(&[-1, -1, -1, -2, i32::MIN, i32::MAX, 0, 1, 0x0100_0000]);
                let at = if self.random.percent(50) { 0 } else { self.random.index(body.len() - 3) };
                body[at..at + 4].copy_from_slice(&value.to_be_bytes());
                format!("with {value} at {at}")
            }
            _ => {
                let path = self.random.path();
                body.clone_from(&path);
                "of another form".to_owned()
            }
        };
        request.what = format!("{} {how}", request.what);
        request
    }
}

fn int_at(body: &[u8], at: usize) -> i32 {
    body[at..].first_chunk().map_or(0, |bytes| i32::from_be_bytes(*bytes))
}

/// Where text seems to stand that could be null.
fn nullable(body: &[u8]) -> impl Iterator<Item = usize> + '_ {
    let is_text = |at: &usize| {
        let len = usize::try_from(int_at(body, *at)).unwrap_or(usize::MAX);
        let text = body[*at + 4..].get(..len);
        (1..60).contains(&len) && text.is_some_and(|text| text.iter().all(u8::is_ascii_graphic))
    };
    (0..body.len().saturating_sub(4)).filter(is_text)
}

fn is_about_quotas(body: &[u8]) -> bool {
    body.windows(10).any(|part| part == b"zookeeper_")
}

/// Bytes in place of a packet: bad lengths, and packets too short for a header.
const RAW: &[&[u8]] = &[
    b"\xff\xff\xff\xff",
    b"\x80\0\0\0",
    b"\x7f\xff\xff\xff",
    b"\0\0\0\0",
    b"\0\0\0\x01\0",
    b"\0\0\0\x07\0\0\0\x01\0\0\0",
    b"ruok",
];
