//! What a whole server writes to its log: the form of the lines, their levels, and what operators look for.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use common::{CREATE, Client, Server, create};
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// A setting that is warned of, with a text that has to be escaped in JSON.
const WARNED: &str = "4lw.commands.whitelist=no\"word,srvr\n";

#[test]
fn with_log_json_each_line_is_an_object() {
    let server = Server::start_as(WARNED, |command| _ = command.arg("--log-json"));
    server.wait_until("all is said", |server| server.log().contains(r#""message":"serving""#));
    let log = server.log();
    for line in log.lines() {
        let object: Map<String, Value> = serde_json::from_str(line).expect(line);
        for key in ["timestamp", "level", "target", "fields"] {
            assert!(object.contains_key(key), "no {key} in {line}");
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
        (Some("warn,oxkeeper::server::sequence::load=info"), "INFO WARN"),
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
    let line =
        "WARN oxkeeper::server::figures::warnings: Quota exceeded: /app [current count=3, softCountLimit=2]";
    server.wait_until("it is logged", |server| server.log().contains(line));
}
