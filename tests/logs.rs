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
        (Some("warn,oxkeeper::data=info"), "INFO WARN"),
        (Some(""), "INFO WARN"),
        (Some("no=level=at=all"), "INFO WARN"),
        (Some("warning"), "INFO WARN"),
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
fn a_start_says_what_runs() {
    // The port is whichever is free, and the log is where it can be learnt from.
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("this.cfg");
    let text = format!("dataDir={}/data\nclientPort=0\nclientPortAddress=127.0.0.1\n", dir.path().display());
    std::fs::write(&config, text).unwrap();
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_oxkeeper"))
        .arg(&config)
        .env_remove("RUST_LOG")
        .stdin(std::process::Stdio::null())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    // It ends with the line, or with the process.
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(child.stderr.take().unwrap()));
    let mut log = String::new();
    while !log.contains("serving address=127.0.0.1:") {
        log.push_str(&lines.next().expect(&log).unwrap());
        log.push('\n');
    }
    let port = log.rsplit_once("address=127.0.0.1:").unwrap().1.split_whitespace().next().unwrap();
    let connected = std::net::TcpStream::connect(format!("127.0.0.1:{port}"));
    child.kill().unwrap();
    child.wait().unwrap();
    connected.expect("that port is the server's");
    let place = dir.path().display();
    for words in [
        concat!("starting oxkeeper 3.9.5-oxkeeper-", env!("CARGO_PKG_VERSION")).to_owned(),
        ", built on 20".to_owned(),
        format!("reading the configuration from {place}/this.cfg"),
        format!("data_dir=\"{place}/data\""),
        format!("a new, empty database begins dir={place}/data/version-2"),
        "znodes=4 sessions=0 zxid=0x0".to_owned(),
        "took_ms=".to_owned(),
    ] {
        assert!(log.contains(&words), "no {words} in\n{log}");
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
