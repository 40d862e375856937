//! Everything below a znode.

use super::complaint::Complaint;
use crate::client::{CallError, Failure, Session};
use oxkeeper_codec::Code;

/// Visits what is below a znode: the children, and then what is below each. What is gone meanwhile is passed over.
pub(super) fn below(
    session: &Session,
    path: &str,
    watch: bool,
    visit: &mut dyn FnMut(&str) -> Result<(), Complaint>,
) -> Result<(), Complaint> {
    let mut to_visit = vec![path.to_owned()];
    while let Some(path) = to_visit.pop() {
        let children = match session.get_children(&path, watch) {
            Ok((children, _)) => children,
            Err(CallError::Failure(Failure { code: Code::NO_NODE, .. })) => continue,
            Err(error) => return Err(error.into()),
        };
        let parent = if path == "/" { "" } else { path.as_str() };
        let children: Vec<String> = children.iter().map(|child| format!("{parent}/{child}")).collect();
        for child in &children {
            visit(child)?;
        }
        to_visit.extend(children.into_iter().rev());
    }
    Ok(())
}
