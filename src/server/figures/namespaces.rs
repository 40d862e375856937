//! Summaries by top-level name (`PathUtils.getTopNamespace`).

use super::summary::Figures;
use foldhash::fast::FixedState;
use hashbrown::HashTable;
use oxkeeper_codec::OpCode;
use std::hash::BuildHasher;

/// Names that are counted; clients choose them, so there is an end.
const MAX_NAMES: usize = 10_000;
/// Longer names are not counted, in bytes: a znode may be called a megabyte. So a table has 2.5 MiB of names at most.
const MAX_NAME_BYTES: usize = 256;

/// Bytes by the first part of paths.
#[derive(Debug, Default, Clone)]
pub(crate) struct Namespaces {
    /// Where they stand in `figures`, by their names.
    places: HashTable<u32>,
    figures: Vec<(Box<[u8]>, Figures)>,
    /// The place that was used last: most requests in a row go to one.
    last: usize,
}

/// The first part of a path; `None` for the root.
fn first_part(path: &[u8]) -> Option<&[u8]> {
    let rest = path.strip_prefix(b"/")?;
    let len = rest.iter().position(|&byte| byte == b'/').unwrap_or(rest.len());
    (len > 0).then(|| &rest[..len])
}

impl Namespaces {
    /// Takes in so many bytes, read or written below the first part of `path`.
    pub(crate) fn record(&mut self, path: &[u8], bytes: u64) {
        let Some(name) = first_part(path) else { return };
        if let Some((last, figures)) = self.figures.get_mut(self.last)
            && **last == *name
        {
            figures.record(bytes);
        } else if let Some(figures) = self.of(name) {
            figures.record(bytes);
        }
    }

    /// The figures of a name; `None` if there are too many names, or it is too long.
    fn of(&mut self, name: &[u8]) -> Option<&mut Figures> {
        let Self { places, figures, last } = self;
        let hash = |name: &[u8]| FixedState::default().hash_one(name);
        let known = places.find(hash(name), |&place| *figures[place as usize].0 == *name);
        *last = match known {
            Some(&place) => place as usize,
            None if figures.len() < MAX_NAMES && name.len() <= MAX_NAME_BYTES => {
                let place = u32::try_from(figures.len()).ok()?;
                figures.push((name.into(), Figures::default()));
                places.insert_unique(hash(name), place, |&place| hash(&figures[place as usize].0));
                place as usize
            }
            None => return None,
        };
        figures.get_mut(*last).map(|(_, figures)| figures)
    }

    /// Adds those of another.
    pub(crate) fn merge(&mut self, other: Self) {
        for (name, figures) in other.figures {
            if let Some(own) = self.of(&name) {
                *own = own.merge(figures);
            }
        }
    }

    /// All begin anew; the names stay.
    pub(crate) fn reset(&mut self) {
        self.figures.iter_mut().for_each(|(_, figures)| *figures = Figures::default());
    }

    /// All, by name.
    pub(crate) fn sorted(&self) -> Vec<(String, Figures)> {
        let text = |name: &[u8]| String::from_utf8_lossy(name).into_owned();
        let mut all: Vec<_> = self.figures.iter().map(|(name, figures)| (text(name), *figures)).collect();
        all.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        all
    }
}

/// Bytes of a stat.
const STAT_LEN: usize = 68;
/// Bytes of a reply before its body: length, number, zxid, error.
const REPLY_HEAD_LEN: usize = 20;

/// What a read counts for: its path, and the bytes of path, data or names, and stat (`DataTree.updateReadStat`).
/// `frame` is the reply. `None`: it failed, or is of a kind that does not count.
pub(crate) fn read_bytes<'p>(op: OpCode, payload: &'p [u8], frame: &[u8]) -> Option<(&'p [u8], u64)> {
    let (head, body) = frame.split_at_checked(REPLY_HEAD_LEN)?;
    let path = path_of(payload)?;
    if head[16..] != [0; 4] {
        return None;
    }
    let bytes = match op {
        OpCode::EXISTS => STAT_LEN,
        OpCode::GET_DATA => body.len().checked_sub(4)?,
        OpCode::GET_CHILDREN | OpCode::GET_CHILDREN2 => {
            let names = usize::try_from(i32::from_be_bytes(*body.first_chunk()?)).ok()?;
            let stat = if op == OpCode::GET_CHILDREN2 { STAT_LEN } else { 0 };
            return Some((path, bytes_of_list(path, names, body.len().checked_sub(stat)?)?));
        }
        _ => return None,
    };
    Some((path, u64::try_from(path.len() + bytes).ok()?))
}

/// The same of a list of children that was answered: from its path, how many names it has, and the bytes that they take in
/// the reply, with their number.
pub(crate) fn bytes_of_list(path: &[u8], names: usize, len: usize) -> Option<u64> {
    u64::try_from(path.len() + len.checked_sub(4 + 4 * names)? + STAT_LEN).ok()
}

/// The path that a request's body begins with.
pub(crate) fn path_of(body: &[u8]) -> Option<&[u8]> {
    let (len, rest) = body.split_first_chunk()?;
    let len = usize::try_from(i32::from_be_bytes(*len)).ok()?;
    rest.get(..len)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_count_path_content_and_stat() {
        let payload = b"\0\0\0\x02/a\0";
        let read = |op, error: u8, body: &[u8]| {
            let mut frame = vec![0; REPLY_HEAD_LEN];
            frame[19] = error;
            frame.extend_from_slice(body);
            read_bytes(op, payload, &frame)
        };
        let stat = [1; STAT_LEN];
        assert_eq!(read(OpCode::EXISTS, 0, &stat), Some((&b"/a"[..], 70)));
        assert_eq!(read(OpCode::EXISTS, 9, &[]), None);
        assert_eq!(
            read(OpCode::GET_DATA, 0, &[&[0, 0, 0, 3, 7, 7, 7][..], &stat].concat()),
            Some((&b"/a"[..], 73))
        );
        let names = [0, 0, 0, 2, 0, 0, 0, 1, 98, 0, 0, 0, 2, 99, 99];
        assert_eq!(read(OpCode::GET_CHILDREN, 0, &names), Some((&b"/a"[..], 73)));
        assert_eq!(read(OpCode::GET_CHILDREN2, 0, &[&names[..], &stat].concat()), Some((&b"/a"[..], 73)));
        assert_eq!(read_bytes(OpCode::EXISTS, b"\xff\xff\xff\xff", &[0; 99]), None);
    }

    #[test]
    fn the_table_is_bounded_and_keeps_its_names() {
        let mut reads = Namespaces::default();
        reads.record(format!("/{}", "x".repeat(MAX_NAME_BYTES + 1)).as_bytes(), 1);
        assert!(reads.sorted().is_empty(), "one long name takes nobody's room");
        for n in 0..MAX_NAMES + 10 {
            reads.record(format!("/{n:0256}").as_bytes(), 1);
        }
        assert_eq!(reads.sorted().len(), MAX_NAMES);
        reads.reset();
        let all = reads.sorted();
        assert_eq!((all.len(), all[7].1), (MAX_NAMES, Figures::default()));
        reads.record(all[7].0.as_bytes(), 1);
        assert_eq!(reads.sorted(), all, "that is no path");
        reads.record(format!("/{}/a", all[7].0).as_bytes(), 3);
        assert_eq!(reads.sorted()[7].1, Figures { count: 1, sum: 3, min: 3, max: 3 });
    }

    #[test]
    fn bytes_count_for_the_first_part_of_a_path() {
        let mut reads = Namespaces::default();
        for (path, bytes) in [("/a", 1), ("/a/b/c", 3), ("/b", 7), ("/", 100), ("", 100)] {
            reads.record(str::as_bytes(path), bytes);
        }
        let mut all = reads.clone();
        all.merge(reads);
        let a = Figures { count: 4, sum: 8, min: 1, max: 3 };
        assert_eq!(
            all.sorted(),
            [("a".to_owned(), a), ("b".to_owned(), Figures { count: 2, sum: 14, min: 7, max: 7 })]
        );
    }
}
