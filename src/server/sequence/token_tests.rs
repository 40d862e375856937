//! The locks around the tree, with real threads; `tests/loom` goes through all interleavings.

use super::token::share;

#[test]
fn readers_see_whole_writes_and_their_shards_agree() {
    let (mut writer, readers) = share([0u64; 8], [0u64, 0]);
    std::thread::scope(|scope| {
        for reader in &readers {
            scope.spawn(move || {
                let mut last = 0;
                while last < 1000 {
                    let guard = reader.lock();
                    let tree = *guard.tree();
                    assert!(tree.iter().all(|&n| n == tree[0]), "a half-written tree: {tree:?}");
                    assert_eq!(*guard.shard, tree[0], "the shard was told while all locks were held");
                    assert!(tree[0] >= last);
                    last = tree[0];
                }
            });
        }
        for n in 1..=1000 {
            let mut guard = writer.write();
            for place in guard.tree() {
                *place = n;
            }
            for shard in &mut guard.shards {
                **shard = n;
            }
        }
    });
    assert_eq!(writer.tree()[0], 1000);
}
