//! Four-letter words, metrics and throttles of a whole server.
#![allow(clippy::unwrap_used, reason = "a test may panic")]
#![expect(clippy::disallowed_methods, reason = "tests read the clock for their patience")]

mod common;

use common::{CREATE, Client, EXISTS, GET_DATA, SET_DATA, Server, create, frame, rest, set, watched};
use std::{
    collections::BTreeSet,
    io::Write,
    net::TcpStream,
    path::Path,
    time::{Duration, Instant},
};

const GET_CHILDREN: i32 = 8;
const MULTI: i32 = 14;
const QUOTA_EXCEEDED: i32 = -125;
const THROTTLED_OP: i32 = -127;
/// Two znodes at most.
const LIMITS: &str = "count=-1,bytes=-1=;byteHardLimit=-1;countHardLimit=2";

/// The text with every run of digits as one `0`.
fn shape(text: &str) -> String {
    let mut shape = String::new();
    for char in text.chars() {
        if !char.is_ascii_digit() {
            shape.push(char);
        } else if !shape.ends_with('0') {
            shape.push('0');
        }
    }
    shape
}

#[test]
fn words_have_the_official_form() {
    let server = Server::start("");
    assert_eq!(server.word("ruok"), "imok");
    assert_eq!(server.word("isro"), "rw");
    assert_eq!(server.word("gtmk"), "306");
    let figures = "Latency min/avg/max: 0/0.0/0\nReceived: 0\nSent: 0\nConnections: 0\nOutstanding: 0\nZxid: 0x0\n\
                   Mode: standalone\nNode count: 0\n";
    let version = format!("Zookeeper version: {}\n", shape(oxkeeper::version::FULL));
    assert!(version.starts_with("Zookeeper version: 0.0.0-oxkeeper-0.0.0-"), "{version}");
    assert!(version.ends_with(", built on 0-0-0 0:0 UTC\n"), "{version}");
    assert_eq!(shape(&server.word("srvr")), format!("{version}{figures}"));
    let client = " /0.0.0.0:0[0](queued=0,recved=0,sent=0)\n\n";
    assert_eq!(shape(&server.word("stat")), format!("{version}Clients:\n{client}{figures}"));
    assert_eq!(shape(&server.word("cons\r\n")), client);
    assert_eq!(server.word("crst"), "Connection stats reset.\n");
    assert_eq!(server.word("srst"), "Server stats reset.\n");
    assert_eq!(shape(&server.word("dirs")), "datadir_size: 0\nlogdir_size: 0\n");
    assert!(server.word("envi").starts_with("Environment:\nzookeeper.version=3.9.5-oxkeeper-"));
    let keys: Vec<String> = server
        .word("conf")
        .lines()
        .map(|line| line.split('=').next().unwrap_or_default().to_owned())
        .collect();
    let expected = "clientPort secureClientPort dataDir dataDirSize dataLogDir dataLogSize tickTime maxClientCnxns \
                    minSessionTimeout maxSessionTimeout clientPortListenBacklog serverId";
    assert_eq!(keys.join(" "), expected);
}

#[test]
fn behaviour_180_words_in_pieces_and_what_is_no_word() {
    let server = Server::start("4lw.commands.whitelist=ruok,stmk,gtmk\n");
    let mut stream = server.connect();
    for piece in [&b"st"[..], b"mk\0\0\0", b"\0\0\0\x01\x02"] {
        stream.write_all(piece).expect("the server reads");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(rest(&mut stream), "258");
    assert_eq!(server.word("gtmk"), "258");
    assert_eq!(server.word("mntr"), "mntr is not executed because it is not in the whitelist.\n");
    assert!(server.word("srvr").contains("Mode: standalone\n"), "srvr is always in the list");
    assert_eq!(server.word("abcd"), "");
    assert_eq!(server.try_word(&[0xff, 0xf4, 0xff, 0xfd]).as_deref(), Some(""));
    let mut client = Client::open(&server);
    client.stream.write_all(b"ruok").expect("the server reads");
    assert_eq!(rest(&mut client.stream), "", "after the handshake a word is a length");
}

#[test]
fn cons_shows_what_a_session_did() {
    let server = Server::start("");
    let mut client = Client::open(&server);
    let mine = || {
        let text = server.word("cons");
        let line = text.lines().find(|line| line.contains(",sid=")).expect("a session").to_owned();
        (shape(&line), line)
    };
    assert!(mine().1.contains(&format!(",sid=0x{:x},lop=SESS,", client.session)));
    assert_eq!(client.call(5, CREATE, &create("/a", "data", 0)), 0);
    let (form, line) = mine();
    assert!(line.contains(",lop=CREA,") && line.contains(",to=10000,lcxid=0x5,lzxid=0x2,"), "{line}");
    let fields: Vec<&str> =
        form.split([',', '(', ')']).map(|field| field.split('=').next().unwrap_or("")).collect();
    let expected =
        " /0.0.0.0:0[0] queued recved sent sid lop est to lcxid lzxid lresp llat minlat avglat maxlat ";
    assert_eq!(fields.join(" "), expected);
    assert_eq!(client.call(6, CREATE, &create("/a", "", 0)), -110);
    assert!(mine().1.contains(",lop=NA,"));
    assert_eq!(client.call(7, GET_DATA, &watched("/none")), -101);
    assert!(mine().1.contains(",lop=GETD,"));
    server.word("crst");
    assert!(mine().1.contains("recved=0,sent=0,") && mine().1.contains(",lop=NA,"));
}

#[test]
fn watches_are_shown_by_session_and_by_path() {
    let server = Server::start("");
    let mut clients = [Client::open(&server), Client::open(&server), Client::open(&server)];
    for client in &mut clients {
        assert_eq!(client.call(1, EXISTS, &watched("/w")), -101);
    }
    assert_eq!(clients[0].call(2, EXISTS, &watched("/x")), -101);
    assert_eq!(server.word("wchs"), "3 connections watching 2 paths\nTotal watches:4\n");
    let sessions: BTreeSet<String> = clients.iter().map(|client| format!("0x{:x}", client.session)).collect();
    let by_path = server.word("wchp");
    let (w, x) = by_path.split_once("/x\n").expect("both paths");
    assert_eq!(w.lines().next(), Some("/w"));
    assert_eq!(w.lines().skip(1).map(|line| line[1..].to_owned()).collect::<BTreeSet<_>>(), sessions);
    assert_eq!(x, format!("\t0x{:x}\n\n", clients[0].session));
    let by_session = server.word("wchc");
    assert!(by_session.ends_with("\n\n"));
    let heads: BTreeSet<String> =
        by_session.lines().filter(|line| line.starts_with('0')).map(str::to_owned).collect();
    assert_eq!(heads, sessions);
    assert_eq!(by_session.lines().filter(|line| line.starts_with("\t/")).count(), 4);
    assert_eq!(server.figure("watch_count"), "4");
}

#[test]
fn a_connection_that_ends_takes_its_watches_along() {
    let server = Server::start("");
    let mut client = Client::open(&server);
    for xid in 1..=5000 {
        client.ask(xid, EXISTS, &watched(&format!("/n{xid}")));
    }
    for xid in 1..=5000 {
        assert_eq!(client.reply(), (xid, -101));
    }
    assert_eq!(server.figure("watch_count"), "5000");
    assert_eq!(server.word("wchc").lines().count(), 5002);
    assert_eq!(server.word("wchp").lines().count(), 10_001);
    drop(client);
    server.wait_until("its watches are gone", |server| server.figure("watch_count") == "0");
    assert_eq!(server.word("wchs"), "0 connections watching 0 paths\nTotal watches:0\n");
}

#[test]
fn dump_shows_sessions_ephemerals_and_connections() {
    let server = Server::start("");
    let mut client = Client::open(&server);
    assert_eq!(client.call(1, CREATE, &create("/e", "", 1)), 0);
    let session = format!("{:x}", client.session);
    let dump = server.word("dump");
    let start = "SessionTracker dump:\nSession Sets (1)/(1):\n1 expire at ";
    assert!(dump.starts_with(start), "{dump}");
    let date = dump[start.len()..].lines().next().unwrap_or_default();
    assert_eq!(shape(date).split(' ').nth(3), Some("0:0:0"), "{date}");
    assert!(dump.contains(&format!("\n\t0x{session}\nephemeral nodes dump:\nSessions with Ephemerals (1):\n0x{session}:\n\t/e\nConnections dump:\nConnections Sets (")), "{dump}");
    assert!(
        dump.contains("\tip: /127.0.0.1:") && dump.contains(&format!(" sessionId: 0x{session}\n")),
        "{dump}"
    );
}

#[test]
fn hash_shows_every_128th_digest() {
    let server = Server::start("");
    let mut client = Client::open(&server);
    assert_eq!(client.call(1, CREATE, &create("/a", "", 0)), 0);
    for xid in 2..260 {
        client.ask(xid, SET_DATA, &set("/a", "data"));
    }
    for xid in 2..260 {
        assert_eq!(client.reply(), (xid, 0));
    }
    let hash = server.word("hash");
    let zxids: Vec<&str> =
        hash.lines().filter_map(|line| line.split_once(": ")).map(|(zxid, _)| zxid).collect();
    assert_eq!(zxids, ["80", "100"], "{hash}");
    assert!(
        hash.lines()
            .all(|line| line.split_once(": ").is_some_and(|(_, digest)| digest.parse::<i64>().is_ok()))
    );
}

#[test]
fn mntr_has_the_keys_of_the_official_server() {
    let server = Server::start("");
    let official = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/words/mntr-3.9.5.txt");
    let official = std::fs::read_to_string(official).expect("the list");
    let excused = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/metrics.md");
    let excused = std::fs::read_to_string(excused).expect("the table");
    let left_out: Vec<&str> = excused
        .lines()
        .filter_map(|line| Some(line.strip_prefix("| `")?.split_once("` | left out")?.0))
        .collect();
    assert!(left_out.len() > 5, "{left_out:?}");
    let official: BTreeSet<&str> =
        official.lines().filter(|key| !left_out.iter().any(|name| key.ends_with(name))).collect();
    let text = server.word("mntr");
    let lines: Vec<(&str, &str)> = text.lines().filter_map(|line| line.split_once('\t')).collect();
    let ours: BTreeSet<&str> = lines.iter().map(|(key, _)| *key).collect();
    assert_eq!(ours.symmetric_difference(&official).collect::<Vec<_>>(), Vec::<&&str>::new());
    assert_eq!(lines.len(), ours.len(), "each key once");
    let bad: Vec<_> = lines[2..].iter().filter(|(_, value)| value.parse::<f64>().is_err()).collect();
    assert!(bad.is_empty(), "{bad:?}");
}

#[test]
fn metrics_count_what_clients_do() {
    let server = Server::start("enforceQuota=true\n");
    let mut client = Client::open(&server);
    assert_eq!(client.call(1, CREATE, &create("/app", "", 0)), 0);
    assert_eq!(client.call(2, CREATE, &create("/app/a", "12345", 0)), 0);
    assert_eq!(client.call(3, GET_DATA, &watched("/app/a")), 0);
    assert_eq!(client.call(4, SET_DATA, &set("/app/a", "1")), 0);
    for (key, value) in [
        ("znode_count", "7"),
        ("cnt_readlatency", "1"),
        ("cnt_updatelatency", "4"),
        ("commit_count", "4"),
        ("connection_request_count", "1"),
        ("sync_processor_request_queued", "4"),
        ("cnt_node_changed_watch_count", "1"),
        ("cnt_app_read_per_namespace", "1"),
        ("max_app_read_per_namespace", "79"),
        ("cnt_app_write_per_namespace", "3"),
        ("min_app_write_per_namespace", "4"),
        ("global_sessions", "1"),
        ("num_alive_connections", "2"),
        ("digest_mismatches_count", "0"),
    ] {
        assert_eq!(server.figure(key), value, "{key}");
    }
    for key in ["bytes_received_count", "response_bytes", "watch_bytes", "open_file_descriptor_count"] {
        assert!(server.figure(key).parse::<u64>().is_ok_and(|n| n > 0), "{key}");
    }
    // One for each request and each transaction, also where several were taken together.
    for (key, value) in [
        ("cnt_prep_process_time", "4"),
        ("cnt_prep_processor_queue_time_ms", "4"),
        ("cnt_proposal_process_time", "4"),
        ("cnt_propagation_latency", "4"),
        ("cnt_sync_process_time", "4"),
        ("cnt_sync_processor_queue_time_ms", "4"),
        ("cnt_sync_processor_queue_and_flush_time_ms", "4"),
    ] {
        assert_eq!(server.figure(key), value, "{key}");
    }
    server.word("srst");
    assert_eq!(server.figure("cnt_updatelatency"), "0");
    assert_eq!(server.figure("cnt_app_read_per_namespace"), "0", "the names stay");
    assert_eq!(server.figure("cnt_app_write_per_namespace"), "0");
    assert_eq!(server.figure("commit_count"), "0");
    assert_eq!(server.figure("znode_count"), "7");
}

#[test]
fn a_quota_that_is_exceeded_counts_for_its_namespace() {
    let server = Server::start("enforceQuota=true\n");
    let mut client = Client::open(&server);
    for (xid, path, data) in [
        (1, "/app", ""),
        (2, "/zookeeper/quota/app", ""),
        (3, "/zookeeper/quota/app/zookeeper_limits", LIMITS),
    ] {
        assert_eq!(client.call(xid, CREATE, &create(path, data, 0)), 0);
    }
    let stats = "/zookeeper/quota/app/zookeeper_stats";
    assert_eq!(client.call(4, CREATE, &create(stats, "count=1,bytes=0", 0)), 0);
    assert_eq!(client.call(5, CREATE, &create("/app/a", "", 0)), 0);
    assert_eq!(client.call(6, CREATE, &create("/app/b", "", 0)), QUOTA_EXCEEDED);
    assert_eq!(server.figure("app_quota_exceeded_error_per_namespace"), "1");
    assert_eq!(server.figure("app_quota_count_limit_per_namespace"), "2");
    assert_eq!(server.figure("app_quota_count_usage_per_namespace"), "2");
}

#[test]
fn behaviour_178_what_waits_too_long_is_refused_in_its_turn() {
    let (server, [mut client, mut other]) = Server::throttled(2000, "throttled_op_wait_time=50\n");
    // In one segment: what has not been read does not count as waiting.
    let requests = [
        frame(1, CREATE, &create("/a", "", 0)),
        frame(2, EXISTS, &watched("/a")),
        frame(3, CREATE, &create("/b", "", 0)),
    ];
    server.occupy(&mut client, &requests.concat());
    other.ask(1, EXISTS, &watched("/a"));
    assert_eq!(
        [client.reply(), client.reply(), client.reply()],
        [(1, 0), (2, THROTTLED_OP), (3, THROTTLED_OP)]
    );
    assert_eq!(other.reply(), (1, THROTTLED_OP));
    assert_eq!(client.call(4, EXISTS, &watched("/b")), -101, "it was not executed");
    assert_eq!(server.figure("throttled_ops"), "3");
    assert_ne!(server.figure("request_throttle_wait_count"), "0");
}

#[test]
fn behaviour_179_what_a_client_that_is_gone_has_asked_is_dropped() {
    let (server, [mut client, mut gone]) = Server::throttled(3000, "request_throttle_stall_time=20\n");
    server.occupy(&mut client, &frame(1, CREATE, &create("/a", "", 0)));
    gone.ask(1, CREATE, &create("/gone", "", 0));
    drop(gone);
    server.wait_until("it is dropped", |server| server.figure("stale_requests_dropped") == "1");
    assert!(server.is_occupied(), "that does not wait for the write");
    assert_eq!(client.reply(), (1, 0));
    assert_eq!(client.call(2, EXISTS, &watched("/gone")), -101);
}

#[test]
fn what_a_client_that_is_gone_has_asked_is_done_if_nobody_checks() {
    let lines = "request_stale_connection_check=false\nrequest_throttle_stall_time=20\n";
    let (server, [mut client, mut gone]) = Server::throttled(1000, lines);
    server.occupy(&mut client, &frame(1, CREATE, &create("/a", "", 0)));
    gone.ask(1, CREATE, &create("/gone", "", 0));
    drop(gone);
    assert_eq!(client.reply(), (1, 0));
    let mut xids = 2..;
    server
        .wait_until("it is executed", |_| client.call(xids.next().unwrap(), EXISTS, &watched("/gone")) == 0);
    assert_eq!(server.figure("stale_requests_dropped"), "0");
}

#[test]
fn behaviour_177_over_the_budget_for_large_requests_connections_are_closed() {
    let server = Server::start("largeRequestThreshold=100\nlargeRequestMaxBytes=200\n");
    let mut client = Client::open(&server);
    assert_eq!(client.call(1, CREATE, &create("/a", &"x".repeat(80), 0)), 0);
    client.ask(2, SET_DATA, &set("/a", &"x".repeat(300)));
    assert_eq!(rest(&mut client.stream), "");
    assert_eq!(server.figure("large_requests_rejected"), "1");
}

#[test]
fn behaviour_176_connections_held_back_go_on() {
    let server = Server::start("globalOutstandingLimit=1\nflushDelay=5\n");
    let mut clients = [Client::open(&server), Client::open(&server), Client::open(&server)];
    assert_eq!(clients[0].call(1, CREATE, &create("/a", "", 0)), 0);
    for xid in 2..40 {
        for client in &mut clients {
            client.ask(xid, SET_DATA, &set("/a", "data"));
        }
    }
    for client in &mut clients {
        for xid in 2..40 {
            assert_eq!(client.reply(), (xid, 0));
        }
    }
}

#[test]
fn too_many_handshakes_are_cut_off() {
    let server = Server::start("connection_throttle_tokens=2\nconnection_throttle_fill_time=1000000\n");
    let _open = [Client::open(&server), Client::open(&server)];
    assert!(Client::try_open(&server).is_none());
    assert_eq!(server.figure("connection_rejected"), "1");
    assert_eq!(server.figure("max_connection_token_deficit"), "2");
    assert_eq!(server.figure("connection_drop_probability"), "0.0");
}

#[test]
fn behaviour_17_connections_without_a_session_end() {
    let server = Server::start("nio.sessionlessCnxnTimeout=200\n");
    let mut silent = server.connect();
    let since = Instant::now();
    assert_eq!(rest(&mut silent), "");
    assert!(since.elapsed() >= Duration::from_millis(200));
    assert_eq!(server.figure("sessionless_connections_expired"), "1");
}

/// The timer of the server's end of a connection, in the system's table: 0 none, 1 for what is not acknowledged yet,
/// 2 to see whether the client is alive.
fn timer(client: &TcpStream) -> String {
    let [server, client] = [client.peer_addr(), client.local_addr()].map(|end| end.unwrap().port());
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let ends = |fields: &[&str]| {
        fields[1].ends_with(&format!(":{server:04X}")) && fields[2].ends_with(&format!(":{client:04X}"))
    };
    let mut lines = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let line = lines.find(|fields| ends(fields)).unwrap_or_else(|| panic!("no connection in\n{table}"));
    line[5].split(':').next().unwrap().to_owned()
}

#[test]
fn the_system_sees_after_idle_connections_if_configured() {
    for (line, expected) in [("", "00"), ("clientTcpKeepAlive=true\n", "02")] {
        let server = Server::start(&format!("clientPortAddress=127.0.0.1\n{line}"));
        let client = Client::open(&server);
        server.wait_until("all is acknowledged", |_| timer(&client.stream) != "01");
        assert_eq!(timer(&client.stream), expected, "{line}");
    }
}

#[test]
fn a_list_that_takes_steps_counts_as_any_other() {
    let server = Server::start("");
    let mut client = Client::open(&server);
    assert_eq!(client.call(1, CREATE, &create("/p", "", 0)), 0);
    let multi_header = |op: i32, done: u8| [&op.to_be_bytes()[..], &[done], &(-1_i32).to_be_bytes()].concat();
    let children = 17_000;
    for from in (0..children).step_by(8500) {
        let parts = (from..from + 8500)
            .flat_map(|n| [multi_header(CREATE, 0), create(&format!("/p/{n:05}"), "", 0)].concat());
        let body: Vec<u8> = parts.chain(multi_header(-1, 1)).collect();
        assert_eq!(client.call(2, MULTI, &body), 0);
    }
    for xid in [3, 4] {
        assert_eq!(client.call(xid, GET_CHILDREN, &watched("/p")), 0);
    }
    let cache =
        ["hits", "misses"].map(|what| server.figure(&format!("response_packet_get_children_cache_{what}")));
    assert_eq!(cache, ["1", "1"]);
    // Path, names, and a stat, each time.
    let bytes = 2 * (2 + 5 * children + 68);
    let read = ["cnt", "sum"].map(|part| server.figure(&format!("{part}_p_read_per_namespace")));
    assert_eq!(read, ["2".to_owned(), bytes.to_string()]);
}
