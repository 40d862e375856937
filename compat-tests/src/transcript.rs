//! What a case saw, as text lines that can be compared byte for byte.
//!
//! Bytes are shown field by field: integers as hex digits, buffers as their length and quoted content. Only what may
//! legitimately differ between two runs is replaced by a token: a zxid by its distance from the start of the case
//! (`z+1`), a session id by its order in the case (`s1`), a wall-clock time by `tnow` and its relation to ctime
//! (`t=c`), and lists without an order are sorted. Everything else stays exact, also bytes after a complete record.

use crate::wire::In;
use std::fmt::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};

/// How far clocks may be apart and still count as "now".
const CLOCK_SLACK_MS: i64 = 3000;

/// One part of a reply body.
#[derive(Clone, Copy, Debug)]
pub enum Field {
    /// Four bytes.
    Int,
    /// A length and bytes, also for strings.
    Buf,
    /// The eleven fields of a node.
    Stat,
    /// Strings without an order.
    Names,
    /// Permissions with scheme and id, in order.
    Acls,
    /// The same without an order.
    AclSet,
    /// Scheme and user pairs without an order.
    Users,
    /// Results of a multi up to the terminator.
    Results,
}

/// Not an opcode: shows a getACL reply whose entries have no order.
pub const ACL_SET: i32 = 1006;

/// The parts of a successful reply to an opcode.
#[must_use]
pub fn shape(op: i32) -> &'static [Field] {
    match op {
        1 | 9 | 102 => &[Field::Buf],
        15 | 19 | 21 | 4 | 16 => &[Field::Buf, Field::Stat],
        3 | 5 | 7 => &[Field::Stat],
        6 => &[Field::Acls, Field::Stat],
        ACL_SET => &[Field::AclSet, Field::Stat],
        8 | 103 => &[Field::Names],
        12 => &[Field::Names, Field::Stat],
        14 | 22 => &[Field::Results],
        104 | 106 => &[Field::Int],
        107 => &[Field::Users],
        _ => &[],
    }
}

/// The lines of one case and what they are relative to.
#[derive(Debug)]
pub struct Log {
    base: i64,
    since: i64,
    sessions: Vec<i64>,
    /// Whether replies and events are left out, because their number depends on time.
    pub muted: bool,
    /// The lines so far.
    pub lines: Vec<String>,
}

impl Log {
    /// A log for a case that starts when the server is at this zxid.
    #[must_use]
    pub fn new(base: i64) -> Self {
        Self { base, since: now_ms(), sessions: Vec::new(), muted: false, lines: Vec::new() }
    }

    /// Gives a session its place in the order of this case.
    pub fn learn_session(&mut self, id: i64) {
        if id != 0 && !self.sessions.contains(&id) {
            self.sessions.push(id);
        }
    }

    /// Adds a line, unless muted.
    pub fn add(&mut self, label: &str, seen: &str) {
        if self.muted {
            return;
        }
        self.lines.push(format!("{label} -> {seen}"));
    }

    /// A zxid as a token.
    #[must_use]
    pub fn zxid(&self, zxid: i64) -> String {
        match zxid {
            0 => "z0".to_owned(),
            -1 => "z-1".to_owned(),
            _ if zxid >= self.base => format!("z+{}", zxid - self.base),
            _ => "z-old".to_owned(),
        }
    }

    /// A session id as a token.
    #[must_use]
    pub fn session(&self, id: i64) -> String {
        let place = self.sessions.iter().position(|known| *known == id);
        match (id, place) {
            (0, _) => "s0".to_owned(),
            (_, Some(index)) => format!("s{}", index + 1),
            _ => format!("s?{id:016x}"),
        }
    }

    /// A reply packet to an opcode.
    #[must_use]
    pub fn reply(&self, op: i32, packet: &[u8]) -> String {
        let mut pen = Pen { log: self, rest: In(packet), text: String::new() };
        let code = pen.header();
        if code.is_some() {
            for field in shape(op) {
                if pen.rest.0.is_empty() || pen.field(*field).is_none() {
                    break;
                }
            }
        }
        pen.finish(code.map_or("", error_name))
    }

    /// A watch event packet.
    #[must_use]
    pub fn event(&self, packet: &[u8]) -> String {
        let mut pen = Pen { log: self, rest: In(packet), text: String::new() };
        pen.header();
        let kind = pen.int();
        let _ = pen.int().and_then(|_| pen.buf());
        pen.finish(kind.map_or("", event_name))
    }

    /// The answer to a connect request.
    #[must_use]
    pub fn hello(&self, packet: &[u8]) -> String {
        let mut pen = Pen { log: self, rest: In(packet), text: String::new() };
        let _ = pen.connect_answer();
        pen.finish("")
    }
}

struct Pen<'a> {
    log: &'a Log,
    rest: In<'a>,
    text: String,
}

impl Pen<'_> {
    fn put(&mut self, token: &str) {
        if !self.text.is_empty() {
            self.text.push(' ');
        }
        self.text.push_str(token);
    }

    /// Appends bytes that no field explains and a remark.
    fn finish(mut self, remark: &str) -> String {
        if !self.rest.0.is_empty() {
            let rest = hex(self.rest.0);
            self.put(&format!("rest:{rest}"));
        }
        if !remark.is_empty() {
            self.put(&format!("; {remark}"));
        }
        self.text
    }

    fn int(&mut self) -> Option<i32> {
        let value = self.rest.int()?;
        self.put(&format!("{value:08x}"));
        Some(value)
    }

    fn zxid(&mut self) -> Option<i64> {
        let value = self.rest.long()?;
        let token = self.log.zxid(value);
        self.put(&token);
        Some(value)
    }

    fn buf(&mut self) -> Option<()> {
        let bytes = self.rest.buf()?;
        self.put(&quoted(bytes));
        Some(())
    }

    fn header(&mut self) -> Option<i32> {
        self.int()?;
        self.zxid()?;
        self.int()
    }

    fn field(&mut self, field: Field) -> Option<()> {
        match field {
            Field::Int => self.int().map(|_| ()),
            Field::Buf => self.buf(),
            Field::Stat => self.stat(),
            Field::Names => self.sorted(0, 1),
            Field::Users => self.sorted(0, 2),
            Field::AclSet => self.sorted(1, 2),
            Field::Acls => {
                for _ in 0..self.int()? {
                    self.int()?;
                    self.buf()?;
                    self.buf()?;
                }
                Some(())
            }
            Field::Results => self.results(),
        }
    }

    /// A list of items, each of so many ints and then so many strings.
    fn sorted(&mut self, ints_each: usize, strings_each: usize) -> Option<()> {
        let count = self.int()?;
        let mut items = Vec::new();
        for _ in 0..count.max(0) {
            let mut parts = Vec::new();
            for _ in 0..ints_each {
                parts.push(format!("{:08x}", self.rest.int()?));
            }
            for _ in 0..strings_each {
                parts.push(quoted(self.rest.buf()?));
            }
            items.push(parts.join(" "));
        }
        items.sort();
        for item in items {
            self.put(&item);
        }
        Some(())
    }

    fn stat(&mut self) -> Option<()> {
        self.put("{");
        let created = self.zxid()?;
        let modified = self.zxid()?;
        let (ctime, mtime) = (self.rest.long()?, self.rest.long()?);
        let age = |time: i64| (self.log.since - CLOCK_SLACK_MS..now_ms() + CLOCK_SLACK_MS).contains(&time);
        let ctime_token = match ctime {
            0 => "t0",
            _ if age(ctime) => "tnow",
            _ => "told",
        };
        let mtime_token = match mtime {
            0 => "t0",
            _ if mtime < ctime => "t<c",
            _ if modified == created && mtime == ctime => "t=c",
            _ if modified == created => "t>c",
            _ => "t>=c",
        };
        self.put(&format!("{ctime_token} {mtime_token}"));
        for _ in 0..3 {
            self.int()?;
        }
        let owner = self.log.session(self.rest.long()?);
        self.put(&owner);
        self.int()?;
        self.int()?;
        self.zxid()?;
        self.put("}");
        Some(())
    }

    fn results(&mut self) -> Option<()> {
        loop {
            self.put("[");
            let kind = self.int()?;
            let done = self.rest.take(1)?[0];
            self.put(&format!("{done:02x}"));
            self.int()?;
            if done != 0 {
                self.put("]");
                return Some(());
            }
            let fields: &[Field] = match kind {
                -1 => &[Field::Int],
                2 | 13 => &[],
                _ => shape(kind),
            };
            for field in fields {
                self.field(*field)?;
            }
            self.put("]");
        }
    }

    fn connect_answer(&mut self) -> Option<()> {
        self.int()?;
        self.int()?;
        let id = self.rest.long()?;
        let session = self.log.session(id);
        self.put(&session);
        let password = self.rest.buf()?;
        let expected = session_password(id);
        if id != 0 && password == Some(&expected[..]) {
            self.put(&format!("00000010 pw({session})"));
        } else {
            self.put(&format!(
                "{:08x} {}",
                password.map_or(0, <[u8]>::len),
                hex(password.unwrap_or_default())
            ));
        }
        Some(())
    }
}

/// The password that belongs to a session id: the java.util.Random stream seeded with the id XOR 0xB3415C00.
#[must_use]
pub fn session_password(id: i64) -> [u8; 16] {
    const MULTIPLIER: u64 = 0x5_DEEC_E66D;
    const MASK: u64 = (1 << 48) - 1;
    let mut state = (id.cast_unsigned() ^ 0xB341_5C00 ^ MULTIPLIER) & MASK;
    let mut password = [0_u8; 16];
    for word in password.chunks_exact_mut(4) {
        state = (state.wrapping_mul(MULTIPLIER).wrapping_add(0xB)) & MASK;
        // nextBytes takes the low byte of nextInt() first.
        let next = u32::try_from(state >> 16).unwrap_or_default();
        word.copy_from_slice(&next.to_le_bytes());
    }
    password
}

/// Milliseconds since 1970.
#[must_use]
pub fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// Bytes as hex digits.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// A length and quoted content; long content is shortened to its ends and a checksum.
#[must_use]
pub fn quoted(bytes: Option<&[u8]>) -> String {
    let Some(bytes) = bytes else { return "ffffffff".to_owned() };
    let show = |part: &[u8]| {
        part.iter().map(|byte| std::ascii::escape_default(*byte).to_string()).collect::<String>()
    };
    if bytes.len() <= 400 {
        return format!("{:08x}\"{}\"", bytes.len(), show(bytes));
    }
    let sum = bytes.iter().fold(0_u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(u64::from(*byte)));
    format!("{:08x}\"{}\"..sum {sum:016x}", bytes.len(), show(&bytes[..32]))
}

/// The name of an error code.
#[must_use]
pub fn error_name(code: i32) -> &'static str {
    match code {
        0 => "",
        -5 => "MARSHALLINGERROR",
        -6 => "UNIMPLEMENTED",
        -8 => "BADARGUMENTS",
        -101 => "NONODE",
        -102 => "NOAUTH",
        -103 => "BADVERSION",
        -108 => "NOCHILDRENFOREPHEMERALS",
        -110 => "NODEEXISTS",
        -111 => "NOTEMPTY",
        -112 => "SESSIONEXPIRED",
        -114 => "INVALIDACL",
        -115 => "AUTHFAILED",
        -121 => "NOWATCHER",
        -123 => "RECONFIGDISABLED",
        -124 => "SESSIONCLOSEDREQUIRESASLAUTH",
        -125 => "QUOTAEXCEEDED",
        -127 => "THROTTLEDOP",
        _ => "?",
    }
}

/// The name of an event type.
#[must_use]
pub fn event_name(kind: i32) -> &'static str {
    match kind {
        1 => "NodeCreated",
        2 => "NodeDeleted",
        3 => "NodeDataChanged",
        4 => "NodeChildrenChanged",
        _ => "?",
    }
}
