//! What went wrong, counted by class, with a description of the first case.
//!
//! Everything that a check finds ends up here; a run is good if and only if the total is zero.

use zkload::json::Obj;

/// The classes, in the order in which they are reported.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Class {
    /// A reply out of order, or to no request.
    Xid,
    /// Another error code than expected.
    Err,
    /// A zxid that went back on one connection.
    Zxid,
    /// A frame, a body or a field of the wrong length.
    Length,
    /// Wrong data, path or children.
    Content,
    /// A version that went back, or did not grow with a session's own set.
    Version,
    /// A watch event that is missing, wrong, or not expected.
    Event,
    /// A connection that was lost or could not be made.
    Disconnect,
    /// A request without a reply.
    Unanswered,
    /// A session that was not granted, or not as it must be.
    Handshake,
    /// Acknowledged work that is not there, or no work at all.
    Lost,
}

impl Class {
    const NAMES: [&str; 11] = [
        "xid",
        "err",
        "zxid",
        "length",
        "content",
        "version",
        "event",
        "disconnect",
        "unanswered",
        "handshake",
        "lost",
    ];
}

/// Counts per class and the first description.
#[derive(Clone, Default)]
pub(crate) struct Violations {
    counts: [u64; Class::NAMES.len()],
    first: Option<String>,
}

impl Violations {
    /// Counts one violation; it is described only when it is the first.
    #[cold]
    pub(crate) fn add(&mut self, class: Class, describe: impl FnOnce() -> String) {
        self.add_many(class, 1, describe);
    }

    /// Counts `n` violations of one description.
    pub(crate) fn add_many(&mut self, class: Class, n: u64, describe: impl FnOnce() -> String) {
        self.counts[class as usize] += n;
        if self.first.is_none() {
            self.first = Some(describe());
        }
    }

    /// Counts what `other` has counted; its first description comes after an own one.
    pub(crate) fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.counts.iter_mut().zip(other.counts) {
            *mine += theirs;
        }
        if self.first.is_none() {
            self.first.clone_from(&other.first);
        }
    }

    /// How many there are of one class.
    pub(crate) fn count(&self, class: Class) -> u64 {
        self.counts[class as usize]
    }

    /// How many there are.
    pub(crate) fn total(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Whether there are none.
    pub(crate) fn none(&self) -> bool {
        self.total() == 0
    }

    /// The description of the first one.
    pub(crate) fn first(&self) -> Option<&str> {
        self.first.as_deref()
    }

    /// The total, the classes that occurred, the first description.
    pub(crate) fn json(&self) -> String {
        let mut o = Obj::new();
        o.int("total", self.total() as i64);
        for (name, count) in Class::NAMES.iter().zip(self.counts) {
            if count > 0 {
                o.int(name, count as i64);
            }
        }
        if let Some(first) = &self.first {
            o.str("first", first);
        }
        o.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_belong_to_their_classes() {
        assert_eq!(Class::NAMES[Class::Xid as usize], "xid");
        assert_eq!(Class::NAMES[Class::Version as usize], "version");
        assert_eq!(Class::NAMES[Class::Lost as usize], "lost");
    }

    #[test]
    fn what_occurred_is_reported_in_order_with_the_first_description() {
        let mut v = Violations::default();
        assert_eq!(v.json(), r#"{"total":0}"#);
        v.add(Class::Lost, || "one".into());
        v.add_many(Class::Xid, 3, || "two".into());
        assert_eq!(v.json(), r#"{"total":4,"xid":3,"lost":1,"first":"one"}"#);
    }

    #[test]
    fn merging_keeps_the_own_first_description() {
        let (mut mine, mut theirs) = (Violations::default(), Violations::default());
        theirs.add(Class::Err, || "theirs".into());
        mine.merge(&theirs);
        assert_eq!(mine.first(), Some("theirs"));
        theirs.add(Class::Err, || "later".into());
        mine.merge(&theirs);
        assert_eq!((mine.count(Class::Err), mine.first()), (3, Some("theirs")));
    }
}
