//! The znode tree.

mod change;

pub use change::{AclRef, Change, ChangeKind};
