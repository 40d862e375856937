//! What a whole server writes to its log: the form of the lines, their levels, and what operators look for.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use common::{CREATE, Client, Server, create};
use std::collections::BTreeSet;

/// A setting that is warned of, with a text that has to be escaped in JSON.
const WARNED: &str = "4lw.commands.whitelist=no\"word,srvr\n";

/// What follows one JSON value; `None`: none begins here.
fn after_value(text: &str) -> Option<&str> {
    let text = text.trim_start();
    match text.chars().next()? {
        '{' => after_items(&text[1..], '}', |member| {
            after_value(after_string(member.trim_start())?.trim_start().strip_prefix(':')?)
        }),
        '[' => after_items(&text[1..], ']', after_value),
        '"' => after_string(text),
        _ => {
            let end = text.find([',', '}', ']']).unwrap_or(text.len());
            let word = text[..end].trim_end();
            let is_number = word.parse::<f64>().is_ok() && word.ends_with(|c: char| c.is_ascii_digit());
            (is_number || matches!(word, "true" | "false" | "null")).then(|| &text[end..])
        }
    }
}

fn after_items<'t>(text: &'t str, end: char, item: impl Fn(&'t str) -> Option<&'t str>) -> Option<&'t str> {
    let mut text = text.trim_start();
    if let Some(rest) = text.strip_prefix(end) {
        return Some(rest);
    }
    loop {
        text = item(text)?.trim_start();
        if let Some(rest) = text.strip_prefix(end) {
            return Some(rest);
        }
        text = text.strip_prefix(',')?;
    }
}

fn after_string(text: &str) -> Option<&str> {
    let text = text.strip_prefix('"')?;
    let mut chars = text.char_indices();
    loop {
        match chars.next()? {
            (at, '"') => return Some(&text[at + 1..]),
            (_, '\\') => match chars.next()?.1 {
                'u' => (0..4).try_for_each(|_| chars.next().filter(|c| c.1.is_ascii_hexdigit()).map(drop))?,
                escaped => "\"\\/bfnrt".contains(escaped).then_some(())?,
            },
            (_, char) if char < ' ' => return None,
            _ => {}
        }
    }
}

fn is_json_object(line: &str) -> bool {
    line.starts_with('{') && after_value(line) == Some("")
}

#[test]
fn what_is_json() {
    for good in ["{}", r#"{"a": [1, -2.5e3, true, {"b":null}], "c\u00e9\"": "\\"}"#] {
        assert!(is_json_object(good), "{good}");
    }
    for bad in
        ["", "[]", "{", "{}}", r#"{"a"}"#, r#"{"a":1,}"#, r#"{"a":"\x"}"#, r#"{"a":inf}"#, "{\"a\":\"\t\"}"]
    {
        assert!(!is_json_object(bad), "{bad}");
    }
}

#[test]
fn with_log_json_each_line_is_an_object() {
    let server = Server::start_as(WARNED, |command| _ = command.arg("--log-json"));
    server.wait_until("all is said", |server| server.log().contains(r#""message":"serving""#));
    let log = server.log();
    for line in log.lines() {
        assert!(is_json_object(line), "{line}");
        for key in ["timestamp", "level", "target", "fields"] {
            assert!(line.contains(&format!(r#""{key}":"#)), "no {key} in {line}");
        }
    }
    for words in [r#""level":"INFO""#, r#""level":"WARN""#, r#""message":"data loaded""#, r#"no\"word"#] {
        assert!(log.contains(words), "no {words} in\n{log}");
    }
}

#[test]
fn rust_log_sets_the_levels() {
    for (variable, expected) in [
        (None, "INFO WARN"),
        (Some("error"), ""),
        (Some("warn"), "WARN"),
        (Some("debug"), "DEBUG INFO WARN"),
        (Some("warn,oxkeeper::server::load=info"), "INFO WARN"),
        (Some(""), "INFO WARN"),
        (Some("no=level=at=all"), "INFO WARN"),
    ] {
        let server = Server::start_as(WARNED, |command| {
            variable.map(|levels| command.env("RUST_LOG", levels));
        });
        let log = server.log();
        // Behind the time.
        let levels = log.lines().map(|line| line.split_whitespace().nth(1).unwrap_or(line));
        let levels: BTreeSet<&str> = levels.collect();
        assert_eq!(Vec::from_iter(levels).join(" "), expected, "{variable:?}:\n{log}");
    }
}

#[test]
fn a_soft_quota_that_is_exceeded_is_logged() {
    let server = Server::start("enforceQuota=true\n");
    let mut client = Client::open(&server);
    let quota = "/zookeeper/quota/app";
    let limits = [("zookeeper_limits", "count=2,bytes=-1"), ("zookeeper_stats", "count=1,bytes=0")];
    let limits = limits.map(|(name, figures)| (format!("{quota}/{name}"), figures));
    let nodes = [("/app".to_owned(), ""), (quota.to_owned(), "")].into_iter().chain(limits);
    for (xid, (path, data)) in (1..).zip(nodes) {
        assert_eq!(client.call(xid, CREATE, &create(&path, data, 0)), 0);
    }
    assert_eq!(client.call(5, CREATE, &create("/app/a", "", 0)), 0);
    assert!(!server.log().contains("Quota exceeded"), "{}", server.log());
    assert_eq!(client.call(6, CREATE, &create("/app/b", "", 0)), 0, "it is a soft one");
    let line = "WARN oxkeeper::server::warnings: Quota exceeded: /app [current count=3, softCountLimit=2]";
    server.wait_until("it is logged", |server| server.log().contains(line));
}
