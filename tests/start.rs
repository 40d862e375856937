//! Starts and stops of a whole server: what a start may touch, what it says before it serves, how it ends, and with
//! which exit code. The binary as a child, on a port of the loopback, with a directory of its own. Every wait ends
//! after [`PATIENCE`].
#![allow(clippy::unwrap_used, reason = "a test may panic")]
#![expect(clippy::disallowed_methods, reason = "tests read the clock for their patience")]

mod common;

use common::{CREATE, SET_DATA, frame, framed, receive, rest};
use oxkeeper::{
    storage::{Compression, LogOptions, RealDisk, SnapshotVisitor, TxnLog, read_snapshot},
    testing::Reserved,
};
use oxkeeper_codec::{
    ByteStr, OpCode, SessionId, Zxid,
    records::{Acl, DataNode, SetDataTxn, TxnHeader},
    txn::{LoggedTxn, Txn},
};
use std::{
    fs::{self, File, Permissions},
    io::Write,
    net::{Ipv4Addr, TcpListener, TcpStream},
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

const PATIENCE: Duration = Duration::from_secs(60);
const NOT_SERVING: &str = "This ZooKeeper instance is not currently serving requests\n";
const NODE_EXISTS: i32 = -110;
/// Transactions that take a while to load, also with optimization.
const MANY: i64 = 300_000;

/// A place where a server runs, or could.
struct Place {
    dir: tempfile::TempDir,
    port: Reserved,
    child: Option<Child>,
}

impl Place {
    fn new(lines: &str) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let place = Self { dir, port: Reserved::any().expect("a free port"), child: None };
        place.configure(lines);
        place
    }

    /// Writes the configuration anew; `DIR` stands for the place's directory.
    fn configure(&self, lines: &str) {
        let text = format!(
            "dataDir=DIR/data\nclientPort={}\ntickTime=500\nadmin.enableServer=false\n{lines}\n",
            self.port.port()
        );
        let text = text.replace("DIR", &self.dir.path().display().to_string());
        fs::write(self.dir.path().join("zoo.cfg"), text).expect("a configuration");
    }

    fn version_2(&self) -> PathBuf {
        self.dir.path().join("data/version-2")
    }

    /// Starts a server, which may have so many descriptors.
    fn spawn(&mut self, descriptors: u32) {
        let log = File::create(self.dir.path().join("server.log")).expect("a log");
        let child = Command::new("sh")
            .args(["-c", "ulimit -n $0; exec \"$@\"", &descriptors.to_string()])
            .args([env!("CARGO_BIN_EXE_oxkeeper"), "server"])
            .arg(self.dir.path().join("zoo.cfg"))
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("the log again"))
            .stderr(log)
            .spawn();
        self.child = Some(child.expect("the server starts"));
    }

    fn start(&mut self, descriptors: u32) {
        self.spawn(descriptors);
        self.wait_until("it serves", Self::serves);
    }

    fn serves(&self) -> bool {
        self.word("srvr").is_some_and(|text| text.contains("Mode: standalone"))
    }

    fn wait_until(&self, what: &str, done: impl Fn(&Self) -> bool) {
        let until = Instant::now() + PATIENCE;
        while !done(self) {
            assert!(Instant::now() < until, "not in time: {what}\n{}", self.log());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Waits for its end.
    fn ended(&mut self) -> ExitStatus {
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.as_mut().unwrap().try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < until, "it does not end\n{}", self.log());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Starts a server that ends by itself; its exit code, and what it said.
    fn refusal(&mut self) -> (i32, String) {
        self.spawn(1024);
        let code = self.ended().code().expect("no signal");
        (code, self.log())
    }

    /// Starts a server with these lines, which ends with this code and says so.
    #[track_caller]
    fn refuses(&mut self, lines: &str, code: i32, words: &str) {
        self.configure(lines);
        let (found, log) = self.refusal();
        assert_eq!(found, code, "{lines}:\n{log}");
        assert!(log.contains(words), "{lines}: no {words} in\n{log}");
    }

    fn signal(&self, name: &str) {
        common::signal(self.child.as_ref().unwrap(), name);
    }

    fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            drop(child.kill());
            drop(child.wait());
        }
    }

    fn log(&self) -> String {
        fs::read_to_string(self.dir.path().join("server.log")).unwrap_or_default()
    }

    fn connect(&self) -> Option<TcpStream> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port.port())).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Some(stream)
    }

    fn word(&self, word: &str) -> Option<String> {
        let mut stream = self.connect()?;
        stream.write_all(word.as_bytes()).ok()?;
        Some(rest(&mut stream))
    }

    /// Asks for a session.
    fn handshake(&self) -> TcpStream {
        let mut stream = self.connect().expect("the port is open");
        let body = [&[0; 12][..], &10_000_i32.to_be_bytes(), &[0; 8], &16_i32.to_be_bytes(), &[0; 17]];
        stream.write_all(&framed(&body.concat())).unwrap();
        stream
    }

    /// A client with a session.
    fn open(&self) -> TcpStream {
        let mut stream = self.handshake();
        receive(&mut stream).expect("a session");
        stream
    }

    /// The snapshots that are complete.
    fn snapshots(&self) -> Vec<(Zxid, String)> {
        let entries = fs::read_dir(self.version_2()).into_iter().flatten().flatten();
        let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
        let snapshot = |name: String| {
            let zxid = i64::from_str_radix(name.strip_prefix("snapshot.")?, 16).ok()?;
            Some((Zxid(zxid), name))
        };
        names.filter_map(snapshot).collect()
    }

    /// Fills the data directory with transactions. They are written elsewhere: a child of another test that is being started
    /// just then inherits the lock, and keeps it until it runs its program.
    fn fill(&self) {
        let elsewhere = self.dir.path().join("elsewhere");
        fs::create_dir(&elsewhere).unwrap();
        let disk = Arc::new(RealDisk::open(&elsewhere).unwrap());
        let mut log = TxnLog::new(disk, LogOptions::default(), Vec::new());
        for zxid in 1..=MANY {
            let path = ByteStr::from_static("/zookeeper");
            let txn = Txn::SetData(SetDataTxn { path, data: None, version: 1 });
            let op = OpCode::SET_DATA;
            let header = TxnHeader { client_id: SessionId(1), cxid: 1, zxid: Zxid(zxid), time: 1, op };
            let mut body = Vec::new();
            LoggedTxn { header, txn, digest: None }.encode(&mut body);
            log.append(Zxid(zxid), &body).unwrap();
        }
        log.commit().unwrap();
        // As after a crash: it is not closed.
        for (file, ..) in listing(&elsewhere) {
            fs::rename(&file, self.version_2().join(file.file_name().unwrap())).unwrap();
        }
    }

    /// A first start and its end: there is a snapshot.
    fn begin(&mut self) {
        self.start(1024);
        self.kill();
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.kill();
    }
}

fn create(xid: i32, path: &str) -> Vec<u8> {
    frame(xid, CREATE, &common::create(path, "", 0))
}

fn set(xid: i32, path: &str, len: usize) -> Vec<u8> {
    frame(xid, SET_DATA, &common::set(path, &"x".repeat(len)))
}

/// Number and error of the next reply.
fn reply(stream: &mut TcpStream) -> Option<(i32, i32)> {
    let frame = receive(stream)?;
    let int = |at: usize| i32::from_be_bytes(frame[at..at + 4].try_into().expect("4 bytes"));
    Some((int(0), int(12)))
}

/// Everything below a directory: name, file number, length, times of change.
fn listing(dir: &Path) -> Vec<(PathBuf, u64, u64, i64, i64)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let meta = entry.metadata().unwrap();
        found.push((entry.path(), meta.ino(), meta.len(), meta.ctime(), meta.ctime_nsec()));
        if meta.is_dir() {
            found.extend(listing(&entry.path()));
        }
    }
    found.sort();
    found
}

#[test]
fn whoever_cannot_have_the_port_changes_nothing() {
    let mut place = Place::new("4lw.commands.whitelist=*");
    place.start(1024);
    let mut client = place.open();
    client.write_all(&create(1, "/a")).unwrap();
    assert_eq!(reply(&mut client), Some((1, 0)));
    place.kill();
    // What a server leaves that still runs, or was killed: a log that a start would cut to its end.
    let data = place.dir.path().join("data");
    let before = listing(&data);
    let _taken = TcpListener::bind((Ipv4Addr::UNSPECIFIED, place.port.port())).unwrap();
    let (code, log) = place.refusal();
    assert_eq!(code, 1, "{log}");
    assert!(log.contains("is another server running there?"), "{log}");
    assert_eq!(listing(&data), before);
    place.configure("dataLogDir=DIR/logs\ndataDir=DIR/new/data");
    assert_eq!(place.refusal().0, 1);
    assert!(!place.dir.path().join("new").exists() && !place.dir.path().join("logs").exists());
}

#[test]
fn clients_that_come_while_data_loads_wait_for_it() {
    let mut place = Place::new("4lw.commands.whitelist=ruok,srvr,mntr\nmaxClientCnxns=3");
    place.begin();
    place.fill();
    place.spawn(1024);
    place.wait_until("it listens", |place| place.connect().is_some());
    let mut clients: Vec<TcpStream> = (0..5).map(|_| place.handshake()).collect();
    assert_eq!(place.word("ruok").as_deref(), Some("imok"));
    for word in ["srvr", "mntr"] {
        assert_eq!(place.word(word).as_deref(), Some(NOT_SERVING));
    }
    let notice = "dump is not executed because it is not in the whitelist.\n";
    assert_eq!(place.word("dump").as_deref(), Some(notice));
    assert!(!place.log().contains("data loaded"), "too fast for this test:\n{}", place.log());
    // The limits are those of any connection; first come, first served.
    let sessions: Vec<bool> = clients.iter_mut().map(|client| receive(client).is_some()).collect();
    assert_eq!(sessions, [true, true, true, false, false]);
    clients[2].write_all(&create(1, "/a")).unwrap();
    assert_eq!(reply(&mut clients[2]), Some((1, 0)));
    clients.truncate(1);
    place.wait_until("it serves", Place::serves);
}

#[test]
fn who_says_nothing_while_data_loads_is_let_go_and_told_of() {
    let mut place = Place::new("nio.sessionlessCnxnTimeout=1");
    place.begin();
    place.fill();
    place.spawn(1024);
    place.wait_until("it listens", |place| place.connect().is_some());
    let mut silent = place.connect().expect("it listens");
    let port = format!(":{}", silent.local_addr().unwrap().port());
    assert_eq!(rest(&mut silent), "");
    assert!(!place.log().contains("data loaded"), "too fast for this test:\n{}", place.log());
    let said = |line: &str| line.contains("no session after 1 ms") && line.ends_with(&port);
    place.wait_until("the reason is in the log", |place| place.log().lines().any(said));
}

#[test]
fn a_signal_ends_a_start_at_once() {
    for signal in ["-TERM", "-INT"] {
        let mut place = Place::new("4lw.commands.whitelist=*");
        place.begin();
        place.fill();
        let before = listing(&place.version_2());
        place.spawn(1024);
        place.wait_until("it listens", |place| place.word("ruok").is_some_and(|text| text == "imok"));
        place.signal(signal);
        let status = place.ended();
        assert_eq!(status.code(), Some(0), "{}", place.log());
        assert!(place.log().contains("stopping before"), "{}", place.log());
        assert!(!place.log().contains("data loaded"), "{}", place.log());
        assert_eq!(listing(&place.version_2()), before);
    }
}

#[test]
fn a_signal_ends_a_server_that_serves_and_its_data_stays() {
    for signal in ["-TERM", "-INT"] {
        let mut place = Place::new("4lw.commands.whitelist=*");
        place.start(1024);
        let mut client = place.open();
        client.write_all(&create(1, "/a")).unwrap();
        assert_eq!(reply(&mut client), Some((1, 0)));
        place.signal(signal);
        assert_eq!(rest(&mut client), "", "{signal}: connections end");
        assert_eq!(place.ended().code(), Some(0), "{signal}:\n{}", place.log());
        for words in ["stopping signal=", "stopped"] {
            assert!(place.log().contains(words), "{signal}: no {words} in\n{}", place.log());
        }
        place.start(1024);
        let mut client = place.open();
        client.write_all(&create(1, "/a")).unwrap();
        assert_eq!(reply(&mut client), Some((1, NODE_EXISTS)), "{signal}");
    }
}

/// Somebody who wants to know nothing of what a snapshot holds.
struct Deaf;

impl SnapshotVisitor for Deaf {
    fn session(&mut self, _: SessionId, _: i32) {}
    fn acl(&mut self, _: i64, _: Vec<Acl>) {}
    type Preparer = ();
    fn preparer(&self) {}
    fn node(&mut self, _: &str, _: DataNode<'_>, (): ()) -> Result<(), String> {
        Ok(())
    }
}

#[test]
fn snapshots_end_with_their_zxid_as_configured() {
    for (line, expected) in [("", true), ("serializeLastProcessedZxid.enabled=false", false)] {
        let mut place = Place::new(&format!("snapCount=10\n{line}"));
        place.start(1024);
        let mut client = place.open();
        for xid in 1..30 {
            client.write_all(&create(xid, &format!("/{xid}"))).unwrap();
            assert_eq!(reply(&mut client), Some((xid, 0)));
        }
        place.wait_until("there is one besides that of the start", |place| place.snapshots().len() > 1);
        place.kill();
        for (zxid, name) in place.snapshots() {
            let file = fs::read(place.version_2().join(&name)).unwrap();
            let tail = read_snapshot(&file, Compression::None, &mut Deaf).unwrap();
            assert_eq!(tail.last_zxid, expected.then_some(zxid), "{name} with {line:?}");
        }
        place.start(1024);
        let mut client = place.open();
        client.write_all(&create(1, "/29")).unwrap();
        assert_eq!(reply(&mut client), Some((1, NODE_EXISTS)), "{line}");
    }
}

#[test]
fn exit_codes_are_the_official_ones() {
    let mut place = Place::new("datadir.autocreate=false");
    let mut refused = |lines: &str, code: i32, words: &str| place.refuses(lines, code, words);
    refused("datadir.autocreate=false", 3, "data/version-2 cannot be used: No such file");
    refused("dataDir=DIR/zoo.cfg", 3, "zoo.cfg/version-2 cannot be used: Not a directory");
    refused("dataDir=/proc/oxkeeper", 3, "/proc/oxkeeper/version-2 cannot be used");
    refused("db.autocreate=false", 3, "data/initialize");
    refused("tickTime=many", 2, "tickTime: bad value");
    refused("clientPortAddress=256.1.1.1", 2, "clientPortAddress=256.1.1.1: cannot find its address");
    refused("clientPortAddress=192.0.2.1", 1, "no interface of this machine has that address");
    let disk = RealDisk::open(&place.version_2()).unwrap();
    place.configure("");
    let (code, log) = place.refusal();
    assert_eq!(code, 3, "{log}");
    assert!(log.contains("in use by another process"), "{log}");
    drop(disk);
}

#[test]
fn directories_that_were_mixed_up_are_not_to_be_had() {
    let mut place = Place::new("");
    place.start(1024);
    let mut client = place.open();
    client.write_all(&create(1, "/a")).unwrap();
    assert_eq!(reply(&mut client), Some((1, 0)));
    place.kill();
    place.refuses("dataLogDir=DIR/logs", 3, "data/version-2 holds logs, and should hold snapshots");
    place.refuses("dataLogDir=DIR/data/../data", 3, "dataLogDir is another name of dataDir");
    std::os::unix::fs::symlink(place.dir.path().join("data"), place.dir.path().join("link")).unwrap();
    place.refuses("dataLogDir=DIR/link", 3, "dataLogDir is another name of dataDir");
    place.configure("dataLogDir=DIR/data/");
    place.start(1024);
}

/// The official server serves what the snapshot holds then, and nothing of what was written after it.
#[test]
fn a_snapshot_without_its_logs_is_not_served_unless_somebody_says_so() {
    let mut place = Place::new("dataLogDir=DIR/logs");
    for _ in 0..2 {
        place.start(1024);
        let mut client = place.open();
        client.write_all(&create(1, "/a")).unwrap();
        assert!(reply(&mut client).is_some());
        place.wait_until("there is a snapshot", |place| !place.snapshots().is_empty());
        place.signal("-TERM");
        place.ended();
    }
    place.configure("dataLogDir=DIR/elsewhere");
    let (code, log) = place.refusal();
    assert_eq!(code, 3, "{log}");
    assert!(log.contains("there is no log in") && log.contains("elsewhere/initialize"), "{log}");
    fs::write(place.dir.path().join("elsewhere/initialize"), "").unwrap();
    place.start(1024);
    let mut client = place.open();
    client.write_all(&create(1, "/a")).unwrap();
    assert_eq!(reply(&mut client), Some((1, NODE_EXISTS)));
}

/// Whoever starts it as another user by mistake is told, instead of every client waiting in vain.
#[test]
fn a_directory_that_cannot_be_written_says_whose_it_is() {
    let mut place = Place::new("");
    place.begin();
    // Nobody else must do for root, who may write everywhere.
    let root = fs::metadata("/proc/self").unwrap().uid() == 0;
    let dir = place.dir.path().to_owned();
    let binary = dir.join("oxkeeper");
    fs::copy(env!("CARGO_BIN_EXE_oxkeeper"), &binary).unwrap();
    let modes = [("", 0o755), ("oxkeeper", 0o755), ("zoo.cfg", 0o644), ("data/version-2", 0o555)];
    for (name, mode) in modes {
        fs::set_permissions(dir.join(name), Permissions::from_mode(mode)).unwrap();
    }
    let other_user: &[&str] =
        if root { &["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] } else { &["env"] };
    let output = Command::new(other_user[0])
        .args(&other_user[1..])
        .arg(binary)
        .arg(dir.join("zoo.cfg"))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    fs::set_permissions(place.version_2(), Permissions::from_mode(0o755)).unwrap();
    let log = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{log}");
    for words in [
        "data/version-2 cannot be used: Permission denied",
        "belongs to",
        "this process runs as",
        "chown -R ",
    ] {
        assert!(log.contains(words), "no {words} in\n{log}");
    }
}

#[test]
fn a_hangup_ends_nothing() {
    let mut place = Place::new("");
    place.start(1024);
    place.signal("-HUP");
    place.wait_until("it is told", |place| place.log().contains("SIGHUP"));
    assert!(place.serves());
}

#[test]
fn a_damaged_snapshot_beyond_the_logs_ends_the_start() {
    let mut place = Place::new("");
    place.begin();
    let zero = fs::read(place.version_2().join("snapshot.0")).unwrap();
    fs::write(place.version_2().join("snapshot.9"), &zero[..60]).unwrap();
    let (code, log) = place.refusal();
    assert_eq!(code, 1, "{log}");
    for words in ["snapshot.9 at offset", "lead only to transaction 0x0"] {
        assert!(log.contains(words), "no {words} in\n{log}");
    }
}

#[test]
fn too_few_descriptors_for_the_workers_end_the_start() {
    let mut place = Place::new("nio.numWorkerThreads=60");
    place.spawn(100);
    let code = place.ended().code();
    let log = place.log();
    assert_eq!(code, Some(1), "{log}");
    assert!(
        log.contains("cannot start the I/O workers (nio.numWorkerThreads): Too many open files"),
        "{log}"
    );
    assert!(!place.version_2().exists(), "nothing was begun");
}

#[test]
fn connections_leave_descriptors_for_the_logs_of_many_workers() {
    let lines = "nio.numWorkerThreads=40\nmaxClientCnxns=0\ntxnLogSizeLimitInKb=1\n\
                 nio.sessionlessCnxnTimeout=600000\n4lw.commands.whitelist=*";
    let mut place = Place::new(lines);
    place.start(320);
    let mut client = place.open();
    client.write_all(&create(1, "/a")).unwrap();
    assert_eq!(reply(&mut client), Some((1, 0)));
    let mut crowd: Vec<TcpStream> = (0..330).filter_map(|_| place.connect()).collect();
    // The last one is turned away once all before it are in.
    assert_eq!(rest(crowd.last_mut().unwrap()), "");
    for xid in 2..12 {
        client.write_all(&set(xid, "/a", 2000)).unwrap();
        assert_eq!(reply(&mut client), Some((xid, 0)), "{}", place.log());
    }
    assert!(place.log().contains("(ulimit -n)"), "some were turned away\n{}", place.log());
}

#[test]
fn a_stop_answers_the_writes_in_work() {
    let lines = "4lw.commands.whitelist=*\nflushDelay=1500";
    for (more, answered) in [("", true), ("\nrequest_throttler.shutdownTimeout=0", false)] {
        let mut place = Place::new(&format!("{lines}{more}"));
        place.start(1024);
        let mut client = place.open();
        client.write_all(&create(1, "/a")).unwrap();
        let in_work = |place: &Place| place.word("srvr").is_some_and(|text| text.contains("Outstanding: 1"));
        place.wait_until("the write is in work", in_work);
        place.signal("-TERM");
        assert_eq!(reply(&mut client), answered.then_some((1, 0)), "{more}");
        assert_eq!(place.ended().code(), Some(0));
        assert!(place.log().contains("stopped"), "{}", place.log());
    }
}
