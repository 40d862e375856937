//! What a command makes, before it has its name and the word of how it went.

use serde::Serialize;
use serde_json::{Map, Value};
use std::fs::File;

/// What a command has made.
#[derive(Debug)]
pub(super) struct Body {
    /// The status of HTTP.
    pub(super) status: u16,
    /// Headers beside those of every answer.
    pub(super) headers: Vec<(&'static str, String)>,
    /// Its own keys, in order.
    pub(super) members: Map<String, Value>,
    /// A file that is sent in place of them, and its bytes.
    pub(super) stream: Option<(File, u64)>,
}

impl Body {
    /// Nothing to tell, but how it went.
    pub(super) fn status(status: u16) -> Self {
        Self { status, headers: Vec::new(), members: Map::new(), stream: None }
    }

    /// Nothing to tell.
    pub(super) fn done() -> Self {
        Self::status(200)
    }

    /// The fields of a value are the keys.
    pub(super) fn of(value: &impl Serialize) -> Self {
        let members = match serde_json::to_value(value) {
            Ok(Value::Object(members)) => members,
            other => unreachable!("answers are structures of plain values, not {other:?}"),
        };
        Self { members, ..Self::done() }
    }

    /// One key.
    pub(super) fn one(key: &str, value: impl Into<Value>) -> Self {
        Self { members: [(key.to_owned(), value.into())].into_iter().collect(), ..Self::done() }
    }

    /// It has failed as the command itself says, which is no error of HTTP.
    pub(super) fn error(text: impl Into<String>) -> Self {
        Self::one("error", text.into())
    }
}
