//! Whoever takes the log does not decide about service: the reader of standard error goes away, stands still, or its disk
//! is full. A server of its own for each; and a panic, which ends the process though nobody reads of it.
#![allow(clippy::unwrap_used, reason = "a test may panic")]
#![expect(clippy::disallowed_methods, reason = "tests read the clock for their patience")]

mod common;

use common::{CREATE, Client, PATIENCE, Server, create, frame, receive, text};
use oxkeeper::cli::{LogFormat, init_logging};
use std::{
    fs::File,
    io::{BufRead, BufReader, PipeReader, Write, pipe},
    os::unix::process::ExitStatusExt,
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

const AUTH: i32 = 100;
const AUTH_FAILED: i32 = -115;
/// More than a pipe and the server hold.
const MANY_LINES: usize = 3 << 20;

/// A server whose standard error is a pipe.
fn piped(change: impl FnOnce(&mut Command)) -> (Server, PipeReader) {
    let (reader, writer) = pipe().expect("a pipe");
    let server = Server::start_as("maxClientCnxns=0\n", |command| {
        command.stderr(writer);
        change(command);
    });
    (server, reader)
}

/// Does what makes a server log a line, and sees the answer.
fn fail_to_authenticate(server: &Server) {
    let mut client = Client::open(server);
    let body = [0_i32.to_be_bytes().to_vec(), text("nonsense"), text("a:b")].concat();
    client.stream.write_all(&frame(-4, AUTH, &body)).expect("the server reads");
    let reply = receive(&mut client.stream).expect("an answer");
    assert_eq!(reply[12..16], AUTH_FAILED.to_be_bytes());
}

fn writes(server: &Server, path: &str) {
    assert_eq!(Client::open(server).call(1, CREATE, &create(path, "", 0)), 0);
}

fn ended(child: &mut Child) -> ExitStatus {
    let until = Instant::now() + PATIENCE;
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        assert!(Instant::now() < until, "it does not end");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_reader_that_goes_away_takes_nothing_along() {
    let (mut server, reader) = piped(|_| {});
    drop(reader);
    for n in 0..8 {
        fail_to_authenticate(&server);
        writes(&server, &format!("/{n}"));
    }
    server.signal("-TERM");
    assert!(ended(&mut server.child).success());
}

#[test]
fn a_reader_that_stands_still_holds_nobody_up_and_learns_what_it_missed() {
    let (mut server, reader) = piped(|command| _ = command.env("RUST_LOG", "debug"));
    // Each is logged several times at this level.
    let until = Instant::now() + PATIENCE;
    for _ in 0..MANY_LINES / 100 {
        assert!(Instant::now() < until, "clients wait for the log");
        server.word("ruok");
    }
    writes(&server, "/a");
    let (sender, lines) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        BufReader::new(reader).lines().for_each(|line| drop(sender.send(line.expect("text"))));
    });
    let wait_for = |words: &str| while !lines.recv_timeout(PATIENCE).expect(words).contains(words) {};
    wait_for("lines of this log were lost lost=");
    server.signal("-TERM");
    assert!(ended(&mut server.child).success());
    wait_for(": stopped");
}

#[test]
fn a_reader_that_stands_still_does_not_keep_a_server_from_its_end() {
    let (mut server, _reader) = piped(|command| _ = command.env("RUST_LOG", "debug"));
    for _ in 0..MANY_LINES / 300 {
        server.word("ruok");
    }
    server.signal("-TERM");
    assert!(ended(&mut server.child).success());
}

#[test]
fn a_full_disk_for_the_log_is_no_reason_not_to_start() {
    let full = || File::options().write(true).open("/dev/full").expect("/dev/full");
    for json in [false, true] {
        // A setting that is warned of is logged before anything else.
        let mut server = Server::start_as("4lw.commands.whitelist=none,srvr\n", |command| {
            command.stderr(full());
            command.args(json.then_some("--log-json"));
        });
        fail_to_authenticate(&server);
        writes(&server, "/a");
        server.signal("-TERM");
        assert!(ended(&mut server.child).success());
    }
}

#[test]
fn wrong_usage_and_refused_settings_have_their_exit_code_whoever_reads() {
    let (_, gone) = pipe().map(|(reader, writer)| (drop(reader), writer)).expect("a pipe");
    for arguments in [&["--nonsense"][..], &["server", "/nowhere/zoo.cfg"]] {
        for stderr in [
            Stdio::from(File::options().write(true).open("/dev/full").expect("/dev/full")),
            Stdio::from(gone.try_clone().expect("the same pipe")),
        ] {
            let mut command = Command::new(env!("CARGO_BIN_EXE_oxkeeper"));
            let status = command.args(arguments).stdin(Stdio::null()).stderr(stderr).status();
            assert_eq!(status.expect("it runs").code(), Some(2), "{arguments:?}");
        }
    }
}

#[test]
fn a_log_that_may_not_grow_is_no_reason_to_end() {
    let dir = tempfile::tempdir().expect("a directory");
    let log = dir.path().join("log");
    // No file may have a byte; the settings are refused, which is to be said.
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -f 0; exec \"$@\" 2>\"$0\""]).arg(&log);
    command.args([env!("CARGO_BIN_EXE_oxkeeper"), "server", "/nowhere/zoo.cfg"]).stdin(Stdio::null());
    assert_eq!(command.status().expect("it runs").code(), Some(2));
    assert_eq!(std::fs::read(&log).expect("the log"), b"");
}

/// Not a test of its own: the process in which [`a_panic_ends_the_process_and_is_told`] has a task panic.
#[test]
fn child_whose_task_panics() {
    let Ok(format) = std::env::var("PANIC_IN_A_TASK") else { return };
    let logging = init_logging(if format == "json" { LogFormat::Json } else { LogFormat::Human });
    logging.end_on_panic();
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let local = tokio::task::LocalSet::new();
    let task = local.spawn_local(async { panic!("a fault that was put\nhere") });
    drop(local.block_on(&runtime, task));
    unreachable!("the runtime goes on without its task");
}

#[test]
fn a_panic_ends_the_process_and_is_told() {
    let child = |format: &str, stderr: Stdio| {
        let mut command = Command::new(std::env::current_exe().expect("this program"));
        command.args(["--exact", "child_whose_task_panics", "--nocapture"]).env("PANIC_IN_A_TASK", format);
        command.env_remove("RUST_LOG").stdin(Stdio::null()).stdout(Stdio::null()).stderr(stderr);
        command.spawn().expect("this program again")
    };
    let aborted = |child: &mut Child| assert_eq!(ended(child).signal(), Some(6));
    for (format, expected) in [("human", "put\\nhere"), ("json", r"put\nhere")] {
        let (reader, writer) = pipe().expect("a pipe");
        aborted(&mut child(format, writer.into()));
        let lines: Vec<String> = BufReader::new(reader).lines().map(|line| line.expect("text")).collect();
        let [line] = &lines[..] else { panic!("{lines:?}") };
        assert!(line.contains(expected) && line.contains("panicked"), "{line}");
        assert!(line.contains("tests/log_reader.rs"), "{line}");
    }
    // Nobody takes it: closed, and full.
    let (reader, writer) = pipe().expect("a pipe");
    drop(reader);
    aborted(&mut child("human", writer.into()));
    let (reader, mut writer) = pipe().expect("a pipe");
    fill(&mut writer);
    aborted(&mut child("human", writer.into()));
    drop(reader);
}

#[test]
fn memory_that_cannot_be_had_ends_the_server_whoever_reads() {
    for reads in [true, false] {
        let (reader, mut writer) = pipe().expect("a pipe");
        let stderr = writer.try_clone().expect("its end again");
        let mut server = Server::start_as("", |command| _ = command.stderr(stderr));
        let heard = if reads {
            drop(writer);
            Some(std::thread::spawn(move || {
                BufReader::new(reader).lines().map_while(Result::ok).collect::<Vec<_>>()
            }))
        } else {
            fill(&mut writer);
            None
        };
        limit_memory(&server);
        let mut client = Client::open(&server);
        client.stream.set_write_timeout(Some(PATIENCE)).expect("bounded waits");
        let large = "x".repeat(1_000_000);
        let requests = (0..1000).map(|n| frame(n, CREATE, &create(&format!("/{n}"), &large, 0)));
        // Until it is gone.
        assert!({ requests }.any(|request| client.stream.write_all(&request).is_err()), "memory is limited");
        assert_eq!(ended(&mut server.child).signal(), Some(6));
        if let Some(heard) = heard {
            let lines = heard.join().expect("a reader");
            assert!(lines.iter().any(|line| line.contains("memory allocation of")), "{lines:?}");
        }
    }
}

/// From now on a server gets hardly more memory than it has.
fn limit_memory(server: &Server) {
    let process = server.child.id().to_string();
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).expect("what it has");
    let has = status
        .lines()
        .find_map(|line| line.strip_prefix("VmSize:")?.strip_suffix("kB")?.trim().parse::<u64>().ok());
    let limit = (has.expect("a size") << 10) + (50 << 20);
    let limited = Command::new("prlimit").args([&format!("--as={limit}"), "--pid", &process]).status();
    assert!(limited.expect("prlimit").success());
}

/// Leaves no room in a pipe.
fn fill(writer: &mut std::io::PipeWriter) {
    let flags = rustix::fs::fcntl_getfl(&*writer).expect("flags");
    rustix::fs::fcntl_setfl(&*writer, flags | rustix::fs::OFlags::NONBLOCK).expect("flags are set");
    while writer.write(&[b'x'; 4096]).is_ok() {}
    rustix::fs::fcntl_setfl(&*writer, flags).expect("flags are set back");
}
