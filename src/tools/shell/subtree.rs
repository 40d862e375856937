//! Everything below a znode.

use super::complaint::Complaint;
use crate::client::{CallError, Failure, Session};
use oxkeeper_codec::Code;

/// The paths of the children.
pub(super) fn children(session: &Session, path: &str, watch: bool) -> Result<Vec<String>, CallError> {
    let parent = if path == "/" { "" } else { path };
    let (names, _) = session.get_children(path, watch)?;
    Ok(names.iter().map(|name| format!("{parent}/{name}")).collect())
}

/// Visits what is below a znode: the children, and then what is below each. What is gone meanwhile is passed over.
pub(super) fn below(
    session: &Session,
    path: &str,
    watch: bool,
    visit: &mut dyn FnMut(&str) -> Result<(), Complaint>,
) -> Result<(), Complaint> {
    let mut to_visit = vec![path.to_owned()];
    while let Some(path) = to_visit.pop() {
        let children = match children(session, &path, watch) {
            Ok(children) => children,
            Err(CallError::Failure(Failure { code: Code::NO_NODE, .. })) => continue,
            Err(error) => return Err(error.into()),
        };
        for child in &children {
            visit(child)?;
        }
        to_visit.extend(children.into_iter().rev());
    }
    Ok(())
}
