//! The behaviours of watches (numbers of the reference), and random operations against a naive model.

mod behaviour;
mod model;
mod random;

use super::*;
use crate::tree::AclRef;
use oxkeeper_codec::{
    ByteStr, Perms,
    records::{Acl, Id},
};
use std::{collections::BTreeSet, sync::Arc};

/// An event as tests compare it: type, path, ACL, connections.
type Told = (EventType, String, AclRef, BTreeSet<ConnKey>);

const A: ConnKey = ConnKey(1);
const B: ConnKey = ConnKey(7);
const C: ConnKey = ConnKey(u32::MAX);

/// An ACL that differs from those of other names.
fn acl(name: &str) -> AclRef {
    Arc::new([Acl { perms: Perms::ALL, id: Id { scheme: "digest".into(), id: name.into() } }])
}

fn change(kind: ChangeKind, path: &str) -> Change {
    let parent_acl = (kind != ChangeKind::DataChanged).then(|| acl("parent"));
    Change { kind, path: ByteStr::from(path), acl: acl("node"), parent_acl, data_len: 0 }
}

/// Fires, checks what must always hold, and hands back the events.
fn fired(table: &mut WatchTable, change: &Change) -> Vec<Told> {
    let mut told = Vec::new();
    table.fire(change, &mut |fired| {
        let conns: BTreeSet<_> = fired.conns.iter().copied().collect();
        assert_eq!(conns.len(), fired.conns.len(), "each connection once");
        assert!(!conns.is_empty());
        told.push((fired.event, fired.path.to_owned(), fired.acl.clone(), conns));
    });
    table.check_consistent();
    told
}

/// The events of a change in short: `NODE_CREATED /a [1, 7]`.
fn events(table: &mut WatchTable, kind: ChangeKind, path: &str) -> Vec<String> {
    let told = fired(table, &change(kind, path));
    told.into_iter()
        .map(|(event, path, _, conns)| {
            format!("{event:?} {path} {:?}", conns.iter().map(|c| c.0).collect::<Vec<_>>())
        })
        .collect()
}
