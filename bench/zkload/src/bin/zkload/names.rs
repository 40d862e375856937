//! What the znodes of a run are called. Every name ends with its number in eight digits, which is also the
//! head of the znode's value.

/// Znode `idx` of the op mix, of `watch` and of `failover`.
pub(crate) fn znode(root: &str, idx: usize) -> String {
    format!("{root}/n{idx:08}")
}

/// The names of the first `n` znodes of the op mix.
pub(crate) fn znodes(root: &str, n: usize) -> Vec<String> {
    (0..n).map(|idx| znode(root, idx)).collect()
}

/// Parent `p` of `create-many`.
pub(crate) fn parent(root: &str, p: usize) -> String {
    format!("{root}/p{p:05}")
}

/// Znode `idx` of `create-many`: the parents take turns.
pub(crate) fn bulk(root: &str, parents: usize, idx: u64) -> String {
    format!("{root}/p{:05}/n{idx:08}", idx % parents as u64)
}

/// The `seq`-th znode that session `session` of a run creates and deletes again.
pub(crate) fn own(root: &str, session: usize, seq: u32) -> String {
    format!("{root}/c{session:05}-{seq:08}")
}

/// `root` and everything above it, from the top.
pub(crate) fn ancestors(root: &str) -> Vec<String> {
    let mut paths = Vec::new();
    let mut path = String::new();
    for part in root.split('/').filter(|part| !part.is_empty()) {
        path.push('/');
        path.push_str(part);
        paths.push(path.clone());
    }
    paths
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_end_with_their_number() {
        assert_eq!(znode("/r", 7), "/r/n00000007");
        assert_eq!(bulk("/r", 3, 7), "/r/p00001/n00000007");
        assert_eq!(own("/r", 12, 7), "/r/c00012-00000007");
    }

    #[test]
    fn ancestors_begin_at_the_top_and_end_with_the_root_itself() {
        assert_eq!(ancestors("/a/b/c"), ["/a", "/a/b", "/a/b/c"]);
        assert!(ancestors("/").is_empty());
    }
}
