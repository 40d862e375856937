//! What a whole server writes to its log: the form of the lines, their levels, and what operators look for.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use common::{CLOSE_SESSION, CREATE, Client, Server, create, frame, framed, receive, rest, text};
use serde_json::{Map, Value};
use std::{
    collections::BTreeSet,
    fs,
    io::Write,
    net::TcpStream,
    path::{Path, PathBuf},
};

const AUTH: i32 = 100;
/// A handshake of a client that has seen this zxid and asks for this session with a password of these bytes.
fn handshake(zxid: i64, session: i64, password: u8) -> Vec<u8> {
    let mut body = [vec![0; 4], zxid.to_be_bytes().to_vec(), 1000_i32.to_be_bytes().to_vec()].concat();
    body.extend(session.to_be_bytes());
    body.extend(16_i32.to_be_bytes());
    body.extend([password; 16]);
    body.push(0);
    framed(&body)
}

fn auth(scheme: &str) -> Vec<u8> {
    frame(-4, AUTH, &[0_i32.to_be_bytes().to_vec(), text(scheme), text("y")].concat())
}

/// Sends this on a connection of its own, behind a handshake if `opens`, and waits for its end. Returns it.
fn send(server: &Server, opens: bool, bytes: &[u8]) -> TcpStream {
    let mut stream = server.connect();
    if opens {
        stream.write_all(&handshake(0, 0, 0)).expect("the server reads");
        receive(&mut stream).expect("a session");
    }
    // The server may have closed it before it has read all.
    drop(stream.write_all(bytes));
    while receive(&mut stream).is_some() {}
    stream
}

/// The lines that have all these words, once there are some.
fn lines_with(server: &Server, words: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    server.wait_until(&format!("a line with {words:?}"), |server| {
        let log = server.log();
        let all = |line: &&str| words.iter().all(|word| line.contains(word));
        found = log.lines().filter(all).map(str::to_owned).collect();
        !found.is_empty()
    });
    found
}

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
fn signals_change_the_levels() {
    let server = Server::start_as("", |command| {
        command.env("RUST_LOG", "warn");
    });
    let changed = |from: &str, to: &str| {
        let words =
            ["ERROR oxkeeper::log", &format!("before=\"error,{from}\""), &format!("now=\"error,{to}\"")];
        lines_with(&server, &words).concat()
    };
    // When it is opened and when it ends, a session has a line of `debug`.
    let opens_a_session = || drop(Client::open(&server));
    opens_a_session();
    server.signal("-USR1");
    let louder = changed("warn", "debug");
    opens_a_session();
    lines_with(&server, &["DEBUG oxkeeper::sessions"]);
    server.signal("-USR2");
    let quieter = changed("debug", "warn");
    opens_a_session();
    server.signal("-USR2");
    changed("warn", "warn");
    let log = server.log();
    let (before, rest) = log.split_once(&louder).expect("that line is there");
    let (_, after) = rest.split_once(&quieter).expect("and that one behind it");
    assert!(!before.contains("DEBUG") && !after.contains("DEBUG"), "{log}");
}

#[test]
fn a_start_says_what_runs() {
    // The port is whichever is free, and the log is where it can be learnt from.
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("this.cfg");
    let text = format!(
        "dataDir={}/data\nclientPort=0\nclientPortAddress=127.0.0.1\nadmin.enableServer=false\n",
        dir.path().display()
    );
    fs::write(&config, text).unwrap();
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
    let connected = TcpStream::connect(format!("127.0.0.1:{port}"));
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
    let line = "WARN oxkeeper::requests: Quota exceeded: /app [current count=3, softCountLimit=2]";
    server.wait_until("it is logged", |server| server.log().contains(line));
}

#[test]
fn a_request_that_takes_long_is_logged() {
    let server = Server::start("slowRequestThresholdMs=1\n");
    let mut client = Client::open(&server);
    let mut multi = Vec::new();
    for n in 0..12_000 {
        multi.extend([0, 0, 0, 1, 0, 0xff, 0xff, 0xff, 0xff]);
        multi.extend(create(&format!("/n{n}"), "", 0));
    }
    multi.extend([0xff, 0xff, 0xff, 0xff, 1, 0xff, 0xff, 0xff, 0xff]);
    let bytes = multi.len();
    assert_eq!(client.call(7, 14, &multi), 0);
    let words = [
        "WARN oxkeeper::requests: a slow request",
        "op=MULTI xid=7 zxid=0x2 latency_ms=",
        &format!("session=0x{:x} ", client.session),
    ];
    server.wait_until("it is logged", |server| !lines_with(server, &words).is_empty());
    let line = lines_with(&server, &words).remove(0);
    let length: usize = line.rsplit_once("bytes=").unwrap().1.trim().parse().unwrap();
    assert!((bytes..bytes + 32).contains(&length), "{line}");
}

#[test]
fn a_closed_connection_has_its_reason_in_the_log() {
    let server = Server::start("maxClientCnxns=0\n");
    let open = Client::open(&server);
    let session = format!("0x{:x}", open.session);
    let long = 2_000_051_i32.to_be_bytes();
    let tls = [&[0x16, 3, 1, 0, 0xc8, 1, 0, 0, 0xc4, 3, 3][..], &[0; 190]].concat();
    let cases: &[(bool, &[u8], &[&str])] = &[
        (false, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", &["WARN", "an HTTP request", "1195725856"]),
        (false, &tls, &["WARN", "a TLS handshake"]),
        (false, b"abcd", &["WARN", "no four-letter word"]),
        (false, &framed(b"no handshake"), &["WARN", "no handshake"]),
        (true, &long, &["WARN", "2000051", "jute.maxbuffer=1048575"]),
        (true, &(-1_i32).to_be_bytes(), &["WARN", "-1 bytes"]),
        (true, &framed(b"xid"), &["WARN", "no request"]),
        (true, &frame(1, 999, b""), &["WARN", "type 999"]),
        (true, &auth("nonsense"), &["WARN", "authentication failed", "\"nonsense\""]),
        (false, &handshake(0, open.session, b'z'), &["WARN", "wrong password", &session]),
        (false, &handshake(0, 0x4711, 0), &["INFO", "session 0x4711", "expired"]),
        (false, &handshake(i64::MAX, 0, 0), &["INFO", "0x7fffffffffffffff", "later"]),
    ];
    for (opens, bytes, words) in cases {
        let port = format!("127.0.0.1:{}", send(&server, *opens, bytes).local_addr().unwrap().port());
        let words = [&["oxkeeper::clients: closing a connection: ", &*port][..], words].concat();
        assert_eq!(lines_with(&server, &words).len(), 1, "{}", server.log());
    }
    let port = open.stream.local_addr().unwrap().port().to_string();
    drop(open);
    lines_with(&server, &["INFO", "its client has closed it", &port, &session]);
}

#[test]
fn who_says_nothing_and_who_comes_too_often_is_in_the_log() {
    let server = Server::start("nio.sessionlessCnxnTimeout=200\nmaxClientCnxns=2\n");
    let mut silent = server.connect();
    let port = format!("{}", silent.local_addr().unwrap());
    assert_eq!(rest(&mut silent), "");
    lines_with(&server, &["INFO", "no session after 200 ms", &port]);
    let _two = [Client::open(&server), Client::open(&server)];
    for _ in 0..200 {
        assert_eq!(rest(&mut server.connect()), "");
    }
    let refused = lines_with(&server, &["WARN", "maxClientCnxns=2"]).len();
    assert!((10..30).contains(&refused), "{refused} lines of 200");
    let told = &lines_with(&server, &["WARN", "were not logged: too many connections", "left_out="])[0];
    let left_out: usize = told.rsplit('=').next().and_then(|count| count.parse().ok()).expect(told);
    assert!((170..=190).contains(&left_out), "{told}");
}

#[test]
fn what_clients_send_writes_no_lines_of_its_own_and_is_shortened() {
    for json in [false, true] {
        let server = Server::start_as("maxClientCnxns=0\n", |command| {
            command.args(json.then_some("--log-json"));
        });
        let forged = "2030-01-01T00:00:00.000000Z ERROR oxkeeper: FORGED";
        send(&server, true, &auth(&format!("x\n{forged}\r\n\x1b[2J")));
        let lines = lines_with(&server, &["FORGED"]);
        assert!(lines.len() == 1 && lines[0].contains("authentication failed"), "{lines:?}");
        assert!(!lines[0].contains('\x1b') && lines[0].contains("\\n2030"), "{lines:?}");
        let before = server.log().len();
        for _ in 0..5 {
            send(&server, true, &auth(&"A".repeat(1_000_000)));
        }
        lines_with(&server, &["AAAA", "bytes …"]);
        assert!(server.log().len() - before < 4096, "{} bytes", server.log().len() - before);
        let before = server.log().lines().count();
        for _ in 0..100 {
            send(&server, true, &auth("nosuch"));
        }
        let lines = server.log().lines().count() - before;
        assert!((1..50).contains(&lines), "{lines} lines of 100 failures");
    }
}

#[test]
fn a_sessions_life_is_in_the_log() {
    for level in ["info", "debug"] {
        let server = Server::start_as("", |command| _ = command.env("RUST_LOG", level));
        let mut ends = Client::open_for(&server, 1000);
        let expires = Client::open_for(&server, 1000);
        let mut moves = Client::open_for(&server, 10_000);
        let [ended, expired, moved] =
            [ends.session, expires.session, moves.session].map(|session| format!("0x{session:x}"));
        assert_eq!(ends.call(1, CLOSE_SESSION, b""), 0);
        let client = expires.stream.local_addr().unwrap().to_string();
        drop(expires);
        lines_with(&server, &["INFO oxkeeper::sessions: a session has expired", &expired, "timeout_ms=1000"]);
        if level == "debug" {
            lines_with(&server, &["DEBUG oxkeeper::sessions: a session is open", &expired, &client]);
            lines_with(&server, &["DEBUG oxkeeper::sessions: a session has ended", &ended]);
            lines_with(&server, &["DEBUG oxkeeper::clients: a connection is closed", &ended]);
        } else {
            assert!(!server.log().contains(&ended), "{}", server.log());
        }
        let mut again = server.connect();
        again.write_all(&renewal(&moves)).expect("the server reads");
        receive(&mut again).expect("the session");
        assert_eq!(rest(&mut moves.stream), "");
        lines_with(&server, &["INFO", "goes on with another connection", &moved]);
    }
}

/// Asks for a client's session with its own password.
fn renewal(client: &Client) -> Vec<u8> {
    let password = oxkeeper::session::password(oxkeeper_codec::SessionId(client.session));
    let mut bytes = handshake(0, client.session, 0);
    let at = bytes.len() - 17;
    bytes[at..at + 16].copy_from_slice(&password);
    bytes
}

fn sources(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { sources(&path, found) } else { found.push(path) }
    }
}

/// A file of the project.
fn document(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}

/// The message of a call of a macro of `tracing`, whose arguments begin here: the last text that is an argument itself.
fn message(arguments: &str) -> Option<String> {
    let (mut depth, mut quoted, mut found) = (1, None::<String>, None);
    let mut rest = arguments.chars();
    while depth > 0 {
        match (rest.next()?, &mut quoted) {
            ('"', Some(text)) if depth == 1 => (found, quoted) = (Some(text.clone()), None),
            ('"', Some(_)) => quoted = None,
            ('\\', Some(text)) => text.extend(rest.next()),
            (other, Some(text)) => text.push(other),
            ('"', None) => quoted = Some(String::new()),
            ('(', None) => depth += 1,
            (')', None) => depth -= 1,
            (_, None) => {}
        }
    }
    found
}

/// What does not differ from line to line, in one line.
fn fixed(message: &str) -> String {
    let message = message.split_whitespace().collect::<Vec<_>>().join(" ");
    let open = message.split('{');
    open.map(|part| part.split_once('}').map_or(part, |(_, behind)| behind)).collect::<Vec<_>>().join("{}")
}

/// Shows every call of these macros in the source: where it stands, which macro, and the code from its arguments on.
fn each_logged(levels: &[&str], mut show: impl FnMut(&Path, &str, &str)) {
    let mut files = Vec::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut files);
    for file in files {
        let code = fs::read_to_string(&file).unwrap();
        for level in levels {
            for call in code.split(&format!("tracing::{level}!(")).skip(1) {
                show(&file, level, call);
            }
        }
    }
}

#[test]
fn every_message_is_in_the_catalogue() {
    let mut logged = BTreeSet::new();
    each_logged(&["error", "warn", "info"], |_, _, call| {
        logged.insert(fixed(&message(call).expect(call)));
    });
    // Written without the macros: when lines are lost, so may be that one.
    logged.insert("lines of this log were lost".to_owned());
    let catalogue = document("docs/messages.md");
    let rows = catalogue.lines().filter_map(|line| line.strip_prefix("| ")?.split(" | ").next());
    let told: BTreeSet<String> = rows.filter(|&row| row != "message").map(fixed).collect();
    let only = |these: &BTreeSet<String>, those: &BTreeSet<String>| {
        these.difference(those).cloned().collect::<Vec<_>>()
    };
    assert_eq!(
        (only(&logged, &told), only(&told, &logged)),
        (Vec::new(), Vec::new()),
        "(only logged, only in the catalogue)"
    );
    assert!(logged.len() > 100, "{}", logged.len());
}

#[test]
fn every_line_names_a_topic_and_the_topics_are_documented() {
    let mut seen = 0;
    each_logged(&["error", "warn", "info", "debug", "trace"], |file, level, call| {
        let topic = call.trim_start().strip_prefix("target: ");
        let topic = topic.is_some_and(|topic| topic.trim_start_matches("crate::").starts_with("topics::"));
        assert!(topic, "{}: {level} without a topic: {}", file.display(), &call[..60]);
        seen += 1;
    });
    assert!(seen > 50, "{seen}");
    let documented = document("docs/logging.md");
    for line in document("src/topics.rs").lines() {
        let Some(topic) = line.split('"').nth(1) else { continue };
        assert!(documented.contains(&format!("`{topic}`")), "{topic} is not documented");
    }
}
