//! A whole server for the tests of the library from outside: the binary as a child, on a port of the loopback, with a
//! directory of its own, and clients that speak its protocol in bytes. Every wait ends after [`PATIENCE`].
#![allow(clippy::unwrap_used, reason = "a test may panic")]
#![allow(dead_code, reason = "each test program uses a part of it")]
#![expect(clippy::disallowed_methods, reason = "tests read the clock for their patience")]

use oxkeeper::testing::Reserved;
use std::{
    fs::File,
    io::{ErrorKind, Read, Write},
    net::{Ipv4Addr, TcpStream},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

// Op codes that the tests use.
pub(crate) const CREATE: i32 = 1;
pub(crate) const EXISTS: i32 = 3;
pub(crate) const GET_DATA: i32 = 4;
pub(crate) const SET_DATA: i32 = 5;
pub(crate) const CLOSE_SESSION: i32 = -11;

/// Sends a process that a test has started a signal: `-TERM`.
pub(crate) fn signal(child: &Child, name: &str) {
    let pid = child.id().to_string();
    assert!(Command::new("kill").args([name, &pid]).status().expect("kill").success());
}

/// A server that runs until it is dropped.
pub(crate) struct Server {
    pub(crate) child: Child,
    port: Reserved,
    dir: tempfile::TempDir,
}

impl Server {
    /// Starts one with these lines besides the usual ones.
    pub(crate) fn start(extra: &str) -> Self {
        Self::start_as(extra, |_| {})
    }

    /// Starts one whose command line or environment is changed before.
    pub(crate) fn start_as(extra: &str, change: impl FnOnce(&mut Command)) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let port = Reserved::any().expect("a free port");
        let text = format!(
            "dataDir={}\nclientPort={}\ntickTime=500\n4lw.commands.whitelist=*\nadmin.enableServer=false\n{extra}",
            dir.path().display(),
            port.port()
        );
        let config = dir.path().join("zoo.cfg");
        std::fs::write(&config, text).expect("a configuration");
        let log = File::create(dir.path().join("server.log")).expect("a log");
        let mut command = Command::new(env!("CARGO_BIN_EXE_oxkeeper"));
        command
            .arg("server")
            .arg(&config)
            .env_remove("RUST_LOG")
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("the log again"))
            .stderr(log);
        change(&mut command);
        let child = command.spawn().expect("the server starts");
        let server = Self { child, port, dir };
        // `ruok` is answered before, too.
        let serves = |server: &Self| server.try_word(b"srvr").is_some_and(|text| text.contains("Mode: "));
        server.wait_until("it serves", serves);
        server
    }

    /// Starts one that has one request at a time in work, a write for about so long, and opens two clients.
    pub(crate) fn throttled(write_ms: u32, extra: &str) -> (Self, [Client; 2]) {
        // The two sessions are a batch, and wait for nothing; a write alone waits for another.
        let server = Self::start(&format!(
            "request_throttle_max_requests=1\nflushDelay={write_ms}\nmaxWriteQueuePollTime={write_ms}\n\
             maxBatchSize=2\n{extra}"
        ));
        let clients = Client::open_two(&server);
        (server, clients)
    }

    /// Sends requests that begin with a write, and waits until that is in work.
    pub(crate) fn occupy(&self, client: &mut Client, requests: &[u8]) {
        client.stream.write_all(requests).expect("the server reads");
        self.wait_until("the write is in work", Self::is_occupied);
    }

    pub(crate) fn is_occupied(&self) -> bool {
        self.word("srvr").contains("Outstanding: 1\n")
    }

    pub(crate) fn signal(&self, name: &str) {
        signal(&self.child, name);
    }

    pub(crate) fn wait_until(&self, what: &str, mut done: impl FnMut(&Self) -> bool) {
        let until = Instant::now() + PATIENCE;
        while !done(self) {
            assert!(Instant::now() < until, "not in time: {what}\n{}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("server.log")).unwrap_or_default()
    }

    pub(crate) fn connect(&self) -> TcpStream {
        self.try_connect().expect("the server takes connections")
    }

    pub(crate) fn try_connect(&self) -> std::io::Result<TcpStream> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port.port()))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(stream)
    }

    pub(crate) fn try_word(&self, word: &[u8]) -> Option<String> {
        let mut stream = self.try_connect().ok()?;
        stream.write_all(word).ok()?;
        Some(rest(&mut stream))
    }

    pub(crate) fn word(&self, word: &str) -> String {
        self.try_word(word.as_bytes()).expect("the server takes connections")
    }

    /// The value of one line of `mntr`.
    pub(crate) fn figure(&self, key: &str) -> String {
        let text = self.word("mntr");
        let value = text.lines().find_map(|line| line.strip_prefix(&format!("zk_{key}\t")));
        value.unwrap_or_else(|| panic!("no {key} in\n{text}")).to_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// What comes until the server closes the connection.
pub(crate) fn rest(stream: &mut TcpStream) -> String {
    let mut text = Vec::new();
    match stream.read_to_end(&mut text) {
        Ok(_) => {}
        Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset, "closed in time"),
    }
    String::from_utf8(text).expect("text")
}

/// A client with a session.
pub(crate) struct Client {
    pub(crate) stream: TcpStream,
    pub(crate) session: i64,
}

impl Client {
    pub(crate) fn open(server: &Server) -> Self {
        Self::try_open(server).expect("a session")
    }

    /// With a time-out of so many milliseconds.
    pub(crate) fn open_for(server: &Server, timeout_ms: i32) -> Self {
        Self::try_open_for(server, timeout_ms).expect("a session")
    }

    /// `None`: the server has closed the connection.
    pub(crate) fn try_open(server: &Server) -> Option<Self> {
        Self::try_open_for(server, 10_000)
    }

    fn try_open_for(server: &Server, timeout_ms: i32) -> Option<Self> {
        Self::try_on(server.connect(), timeout_ms)
    }

    /// On a connection that is there.
    pub(crate) fn try_on(mut stream: TcpStream, timeout_ms: i32) -> Option<Self> {
        let mut body = vec![0; 12];
        body.extend(timeout_ms.to_be_bytes());
        body.extend([0; 8]);
        body.extend(16_i32.to_be_bytes());
        body.extend([0; 17]);
        stream.write_all(&framed(&body)).expect("the server reads");
        let answer = receive(&mut stream)?;
        let session = i64::from_be_bytes(answer[8..16].try_into().expect("8 bytes"));
        Some(Self { stream, session })
    }

    /// Opens two at the same time.
    pub(crate) fn open_two(server: &Server) -> [Self; 2] {
        std::thread::scope(|scope| {
            [(); 2]
                .map(|()| scope.spawn(|| Self::open(server)))
                .map(|client| client.join().expect("a session"))
        })
    }

    pub(crate) fn ask(&mut self, xid: i32, op: i32, body: &[u8]) {
        self.stream.write_all(&frame(xid, op, body)).expect("the server reads");
    }

    /// Number and error of the next reply. Events are passed over.
    pub(crate) fn reply(&mut self) -> (i32, i32) {
        loop {
            let frame = receive(&mut self.stream).expect("a reply");
            let int = |at: usize| i32::from_be_bytes(frame[at..at + 4].try_into().expect("4 bytes"));
            if int(0) != -1 {
                return (int(0), int(12));
            }
        }
    }

    pub(crate) fn call(&mut self, xid: i32, op: i32, body: &[u8]) -> i32 {
        self.ask(xid, op, body);
        let (replied, error) = self.reply();
        assert_eq!(replied, xid);
        error
    }
}

pub(crate) fn framed(body: &[u8]) -> Vec<u8> {
    [&i32::try_from(body.len()).expect("short").to_be_bytes(), body].concat()
}

pub(crate) fn frame(xid: i32, op: i32, body: &[u8]) -> Vec<u8> {
    framed(&[&xid.to_be_bytes(), &op.to_be_bytes(), body].concat())
}

pub(crate) fn receive(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut len = [0; 4];
    stream.read_exact(&mut len).ok()?;
    let mut frame = vec![0; usize::try_from(i32::from_be_bytes(len)).expect("a length")];
    stream.read_exact(&mut frame).expect("a whole frame");
    Some(frame)
}

pub(crate) fn text(text: &str) -> Vec<u8> {
    [&i32::try_from(text.len()).expect("short").to_be_bytes()[..], text.as_bytes()].concat()
}

pub(crate) fn create(path: &str, data: &str, flags: i32) -> Vec<u8> {
    let acl = [&1_i32.to_be_bytes()[..], &31_i32.to_be_bytes(), &text("world"), &text("anyone")].concat();
    [text(path), text(data), acl, flags.to_be_bytes().to_vec()].concat()
}

pub(crate) fn set(path: &str, data: &str) -> Vec<u8> {
    [text(path), text(data), (-1_i32).to_be_bytes().to_vec()].concat()
}

pub(crate) fn watched(path: &str) -> Vec<u8> {
    [text(path), vec![1]].concat()
}
