//! What a configuration means, for people and for scripts.

use crate::config::{Check, Effective, Origin, Warning};
use serde_json::{Map, Value, json};
use std::fmt::Write;

/// The report: a line for each setting with where it comes from, then errors and warnings; or one JSON object with the lists `settings`
/// (`name`, `value`, `origin`), `errors` and `warnings` (texts).
pub fn report(check: &Check, as_json: bool) -> String {
    let (errors, warnings): (Vec<String>, &[Warning]) = match &check.outcome {
        Ok(warnings) => (Vec::new(), warnings),
        Err(refusal) => (refusal.errors.iter().map(ToString::to_string).collect(), &refusal.warnings),
    };
    let warnings: Vec<String> = warnings.iter().map(ToString::to_string).collect();
    if as_json {
        let setting =
            |it: &Effective| json!({"name": it.name, "value": it.value, "origin": it.origin.to_string()});
        let lists: [(&str, Vec<Value>); 3] = [
            ("settings", check.settings.iter().map(setting).collect()),
            ("errors", errors.into_iter().map(Value::from).collect()),
            ("warnings", warnings.into_iter().map(Value::from).collect()),
        ];
        let object: Map<String, Value> =
            lists.into_iter().map(|(key, list)| (key.to_owned(), Value::Array(list))).collect();
        return format!("{}\n", Value::Object(object));
    }
    let mut text = String::new();
    for Effective { name, value, origin } in &check.settings {
        let place = if *origin == Origin::Default { String::new() } else { format!("  <- {origin}") };
        _ = writeln!(text, "{name} = {value}{place}");
    }
    for (what, list) in [("error", &errors), ("warning", &warnings)] {
        list.iter().for_each(|it| _ = writeln!(text, "{what}: {it}"));
    }
    let good = if errors.is_empty() { "a server starts with it" } else { "no server starts with it" };
    _ = writeln!(text, "{} errors, {} warnings: {good}", errors.len(), warnings.len());
    text
}
