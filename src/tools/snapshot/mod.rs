//! Snapshots: shown, summed up, compared, checked.

pub(super) mod layers;
mod load;
pub(super) mod ncdu;
mod show;

pub(super) use load::{Snapshot, Sum, Znode};
pub(super) use show::{details, show};

use super::{Terminal, ToolError};
use crate::tree::{crc_of_content, node_digest};
use oxkeeper_codec::file::DIGEST_VERSION;
use serde_json::{Value, json};
use std::{cmp::Ordering, collections::BTreeSet, path::Path, path::PathBuf};

/// For the subtree at `start`, down to `depth` levels below it (0: all), how much each znode with children holds.
pub(super) fn summary(
    file: &Path,
    start: &str,
    depth: usize,
    as_json: bool,
    terminal: &mut Terminal<'_>,
) -> Result<u8, ToolError> {
    let snapshot = Snapshot::load(file)?;
    let rows = subtree(&snapshot, start)
        .ok_or_else(|| ToolError::content(file, format!("holds no znode {start}")))?
        .filter(|row| row.sum.below > 0 && (depth == 0 || row.level <= depth));
    for Row { znode, level, sum } in rows {
        if as_json {
            let object = json!({"path": znode.path, "descendants": sum.below, "bytes": sum.bytes});
            writeln!(terminal.out, "{object}")?;
        } else {
            let indent = "  ".repeat(level);
            writeln!(
                terminal.out,
                "{indent}{}  {} znodes below, {} bytes",
                znode.path, sum.below, sum.bytes
            )?;
        }
    }
    Ok(0)
}

/// A znode of a subtree.
pub(super) struct Row<'s> {
    pub(super) znode: &'s Znode,
    /// How many levels below the start of the subtree.
    pub(super) level: usize,
    pub(super) sum: Sum,
}

/// The znode at `start` and all below it.
pub(super) fn subtree<'s>(snapshot: &'s Snapshot, start: &str) -> Option<impl Iterator<Item = Row<'s>>> {
    let at = snapshot.znodes.iter().position(|znode| znode.path == start)?;
    let sums = snapshot.sums();
    let count = usize::try_from(sums[at].below).ok()? + 1;
    let top = snapshot.znodes[at].depth();
    let rows = snapshot.znodes[at..at + count].iter().zip(sums.into_iter().skip(at));
    Some(rows.map(move |(znode, sum)| Row { znode, level: znode.depth() - top, sum }))
}

/// How two snapshots differ in a znode.
enum Difference<'s> {
    OnlyLeft(&'s Znode),
    OnlyRight(&'s Znode),
    /// And in what.
    Both(&'s Znode, Vec<&'static str>),
}

/// Each znode that one snapshot has and the other has not, or not alike, and each session. Ends with 1 if there is one.
pub(super) fn compare(
    left: &Path,
    right: &Path,
    as_json: bool,
    terminal: &mut Terminal<'_>,
) -> Result<u8, ToolError> {
    let (left, right) = (Snapshot::load(left)?, Snapshot::load(right)?);
    let mut count = 0;
    for difference in differences(&left, &right) {
        count += 1;
        let (mark, where_, path, what) = match difference {
            Difference::OnlyLeft(znode) => ('-', "left", &znode.path, Vec::new()),
            Difference::OnlyRight(znode) => ('+', "right", &znode.path, Vec::new()),
            Difference::Both(znode, what) => ('~', "both", &znode.path, what),
        };
        if as_json {
            writeln!(terminal.out, "{}", json!({"path": path, "in": where_, "differs": what}))?;
        } else {
            let what = if what.is_empty() { String::new() } else { format!("  {}", what.join(", ")) };
            writeln!(terminal.out, "{mark} {path}{what}")?;
        }
    }
    let sessions: BTreeSet<_> = left.sessions.keys().chain(right.sessions.keys()).collect();
    for id in sessions {
        let (a, b) = (left.sessions.get(id), right.sessions.get(id));
        if a == b {
            continue;
        }
        count += 1;
        let where_ = if a.is_none() {
            "right"
        } else if b.is_none() {
            "left"
        } else {
            "both"
        };
        if as_json {
            writeln!(terminal.out, "{}", json!({"session": format!("0x{id:x}"), "in": where_}))?;
        } else {
            writeln!(terminal.out, "session 0x{id:x} is in {where_}, and not alike")?;
        }
    }
    if !as_json {
        writeln!(terminal.out, "{count} differences")?;
    }
    Ok(u8::from(count > 0))
}

fn differences<'s>(left: &'s Snapshot, right: &'s Snapshot) -> Vec<Difference<'s>> {
    let (mut a, mut b) = (left.znodes.iter().peekable(), right.znodes.iter().peekable());
    let mut found = Vec::new();
    loop {
        let order = match (a.peek(), b.peek()) {
            (None, None) => return found,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(a), Some(b)) => a.compare_place(b),
        };
        match order {
            Ordering::Less => found.extend(a.next().map(Difference::OnlyLeft)),
            Ordering::Greater => found.extend(b.next().map(Difference::OnlyRight)),
            Ordering::Equal => {
                if let (Some(a), Some(b)) = (a.next(), b.next()) {
                    let mut what = Vec::new();
                    if a.data != b.data {
                        what.push("data");
                    }
                    if left.acls.get(&a.acl) != right.acls.get(&b.acl) {
                        what.push("acl");
                    }
                    if a.stat != b.stat {
                        what.push("stat");
                    }
                    if !what.is_empty() {
                        found.push(Difference::Both(a, what));
                    }
                }
            }
        }
    }
}

/// Reads snapshots to their ends: checksums, parents, ACLs, and the digest of what they hold. Ends with 1 if one is damaged.
pub(super) fn verify(files: &[PathBuf], as_json: bool, terminal: &mut Terminal<'_>) -> Result<u8, ToolError> {
    let mut code = 0;
    for file in files {
        let (facts, problems) = match Snapshot::load(file) {
            Ok(snapshot) => (Some(snapshot.facts()), snapshot.problems()),
            Err(ToolError::Content { problem, .. }) => (None, vec![problem]),
            Err(error) => return Err(error),
        };
        code |= u8::from(!problems.is_empty());
        if as_json {
            let object = json!({"file": file.display().to_string(), "holds": facts, "problems": problems});
            writeln!(terminal.out, "{object}")?;
            continue;
        }
        let verdict = if problems.is_empty() { "good" } else { "damaged" };
        let facts = facts.as_ref().and_then(Value::as_object).map_or_else(String::new, |facts| {
            let each: Vec<_> = facts.iter().map(|(name, fact)| format!("{name} {fact}")).collect();
            format!(", {}", each.join(", ").replace('"', ""))
        });
        writeln!(terminal.out, "{}: {verdict}{facts}", file.display())?;
        for problem in problems {
            writeln!(terminal.out, "  {problem}")?;
        }
    }
    Ok(code)
}

impl Snapshot {
    fn facts(&self) -> Value {
        json!({
            "znodes": self.znodes.len(), "bytes": self.znodes.iter().map(Znode::data_len).sum::<usize>(), "sessions": self.sessions.len(),
            "acls": self.acls.len(), "last_zxid": self.last_zxid().to_string(),
            "digest": self.tail.digest.map(|digest| format!("0x{:x} at {}", digest.digest, digest.zxid)),
        })
    }

    /// What no server writes.
    fn problems(&self) -> Vec<String> {
        /// The ACL that every snapshot knows: everybody may do everything.
        const OPEN: i64 = -1;
        let paths: BTreeSet<&str> = self.znodes.iter().map(|znode| znode.path.as_str()).collect();
        let mut problems = Vec::new();
        if !paths.contains("/") {
            problems.push("there is no root".to_owned());
        }
        for znode in &self.znodes {
            let parent = znode
                .path
                .rsplit_once('/')
                .map_or("/", |(parent, _)| if parent.is_empty() { "/" } else { parent });
            if !paths.contains(parent) {
                problems.push(format!("{} has no parent", znode.path));
            }
            if znode.acl != OPEN && !self.acls.contains_key(&znode.acl) {
                problems.push(format!("{} has ACL {}, which is not in the table", znode.path, znode.acl));
            }
        }
        // A snapshot that is ahead of its name was taken under writes: what it holds is of no one moment, and the logs complete it.
        if let Some(told) = self.tail.digest
            && told.version == DIGEST_VERSION
            && Some(told.zxid) == self.named
        {
            let found = self.digest();
            if found != told.digest.cast_unsigned() {
                let told = format!("0x{:x} at {}", told.digest, told.zxid);
                problems.push(format!("it has the digest 0x{found:x}, and says {told}"));
            }
        }
        problems
    }

    /// That of the znodes, as a server computes it.
    fn digest(&self) -> u64 {
        let of_each = self.znodes.iter().map(|Znode { path, data, stat, .. }| {
            node_digest(crc_of_content(path, data.as_deref().unwrap_or_default()), stat)
        });
        of_each.fold(0, u64::wrapping_add)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Written by an official server, without a write in between.
    fn official() -> Snapshot {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/storage_official/3.9.5/snapshot.55");
        Snapshot::load(&file).unwrap()
    }

    #[test]
    fn what_is_not_what_was_written_is_told() {
        let mut snapshot = official();
        let told = snapshot.tail.digest.expect("it has one");
        assert_eq!((Some(told.zxid), snapshot.problems()), (snapshot.named, Vec::new()));
        let changed = snapshot.znodes.iter_mut().find(|znode| znode.path.starts_with("/zookeeper/")).unwrap();
        changed.stat.version += 1;
        assert_eq!(snapshot.problems(), Vec::<String>::new(), "members may differ there");
        let changed =
            snapshot.znodes.iter_mut().find(|znode| znode.depth() == 1 && znode.path != "/zookeeper");
        changed.expect("there is one").stat.version += 1;
        let problems = snapshot.problems();
        assert!(matches!(&problems[..], [one] if one.starts_with("it has the digest 0x")), "{problems:?}");
        snapshot.tail.digest.as_mut().unwrap().zxid.0 += 1;
        assert_eq!(snapshot.problems(), Vec::<String>::new(), "it was written while others wrote");
    }
}
