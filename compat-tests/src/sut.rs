//! Servers under test: a child process with its own scratch directory on a free loopback port.
//!
//! The official server is the script `compat-tests/apache/apache` (the jars come through Maven on first use);
//! oxkeeper is an executable named by `SUT_OXKEEPER`, by default `release/oxkeeper` in the target directory.
//! Only children started here are ever signalled, every wait has an end, and dropping a server removes its files.

use crate::wire;
use rustix::net::{self, AddressFamily, SocketFlags, SocketType};
use rustix::process::{Pid, Signal};
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// The first start may have to fetch jars.
const START: Duration = Duration::from_secs(60);
const STOP: Duration = Duration::from_secs(15);
const POLL: Duration = Duration::from_millis(20);
const JVM: &str = "-Xms64m -Xmx384m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Xshare:auto";

/// Which implementation runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Apache ZooKeeper, version 3.9.5 unless `ZKV` says otherwise.
    Official,
    /// Apache ZooKeeper 3.9.6, which tells a session less about what it may not read.
    Official396,
    /// The server of this repository.
    Oxkeeper,
}

impl Kind {
    /// A word for messages.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Official | Self::Official396 => "official",
            Self::Oxkeeper => "oxkeeper",
        }
    }
}

/// A server configuration that several cases share.
#[derive(Clone, Copy, Debug)]
pub struct Setup {
    /// The name of the group and of its golden file.
    pub name: &'static str,
    /// Lines for zoo.cfg next to port and directory.
    pub keys: &'static [&'static str],
    /// JVM properties (`-Dname=value`) for those settings that zoo.cfg cannot carry to the official server.
    pub props: &'static [&'static str],
    /// Whether every case gets an empty server of its own.
    pub fresh: bool,
}

/// A server process, or the place where one ran and may run again.
#[derive(Debug)]
pub struct Server {
    /// Which implementation.
    pub kind: Kind,
    /// Its client port.
    pub addr: SocketAddr,
    /// Keeps the port for it while it is down.
    _port: OwnedFd,
    root: PathBuf,
    setup: Setup,
    extra: Vec<String>,
    child: Option<Child>,
    wrapper: Vec<String>,
}

/// A port that the system gives to nobody else as long as this socket is there; who names it can listen there, if with
/// `SO_REUSEADDR`, as servers do.
fn reserve() -> io::Result<(OwnedFd, SocketAddr)> {
    let socket = net::socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    net::sockopt::set_socket_reuseaddr(&socket, true)?;
    net::bind(&socket, &SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
    let addr = net::getsockname(&socket)?.try_into()?;
    Ok((socket, addr))
}

impl Server {
    /// Starts a server on an empty directory and waits until it serves.
    ///
    /// # Errors
    /// When it does not get that far; the message ends with its log.
    pub fn start(kind: Kind, setup: Setup) -> Result<Self, String> {
        let mut server = Self::prepare(kind, setup)?;
        server.launch()?;
        Ok(server)
    }

    /// A scratch directory and a port, with nothing running yet.
    ///
    /// # Errors
    /// When there is no directory or port to be had.
    pub fn prepare(kind: Kind, setup: Setup) -> Result<Self, String> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let unique = format!("oxk-behave-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let root = std::env::temp_dir().join(unique);
        fs::create_dir_all(root.join("data")).map_err(|e| format!("{}: {e}", root.display()))?;
        let (port, addr) = reserve().map_err(|e| e.to_string())?;
        Ok(Self { kind, addr, _port: port, root, setup, extra: Vec::new(), child: None, wrapper: Vec::new() })
    }

    /// The configuration it was made for.
    #[must_use]
    pub fn setup(&self) -> Setup {
        self.setup
    }

    /// Adds a zoo.cfg line for the next start.
    pub fn add_key(&mut self, line: &str) {
        self.extra.push(line.to_owned());
    }

    /// Has the process started by another program: its name and arguments, which the server's own follow.
    pub fn wrap(&mut self, words: &[&str]) {
        self.wrapper = words.iter().map(|word| (*word).to_owned()).collect();
    }

    /// The process that runs now.
    #[must_use]
    pub fn pid(&self) -> Option<Pid> {
        i32::try_from(self.child.as_ref()?.id()).ok().and_then(Pid::from_raw)
    }

    /// Whether the process runs.
    pub fn is_alive(&mut self) -> bool {
        self.child.is_some() && self.exited().is_none()
    }

    /// Starts the process on the existing directory and port and waits until it serves.
    ///
    /// # Errors
    /// When it does not get that far; the message ends with its log.
    pub fn launch(&mut self) -> Result<(), String> {
        self.spawn()?;
        let deadline = Instant::now() + START;
        while Instant::now() < deadline {
            if let Some(status) = self.exited() {
                return Err(format!("{} ended with {status}\n{}", self.kind.name(), self.log_tail()));
            }
            if self.serves() {
                return Ok(());
            }
            std::thread::sleep(POLL);
        }
        self.kill();
        Err(format!("{} does not serve after {START:?}\n{}", self.kind.name(), self.log_tail()))
    }

    /// Starts the process where it is expected to refuse; gives its exit status.
    ///
    /// # Errors
    /// When it serves instead, or does neither in time.
    pub fn launch_refused(&mut self) -> Result<ExitStatus, String> {
        self.spawn()?;
        let deadline = Instant::now() + START;
        while Instant::now() < deadline {
            if let Some(status) = self.exited() {
                self.child = None;
                return Ok(status);
            }
            if self.serves() {
                self.kill();
                return Err(format!("{} serves although it must not start", self.kind.name()));
            }
            std::thread::sleep(POLL);
        }
        self.kill();
        Err(format!("{} neither serves nor ends\n{}", self.kind.name(), self.log_tail()))
    }

    /// Ends the process politely, and by force when that takes too long.
    pub fn stop(&mut self) {
        if let Some(pid) = self.pid() {
            let _ = rustix::process::kill_process(pid, Signal::TERM);
        }
        let deadline = Instant::now() + STOP;
        while self.child.is_some() && self.exited().is_none() && Instant::now() < deadline {
            std::thread::sleep(POLL);
        }
        self.kill();
    }

    /// Ends the process by SIGKILL.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Whether it answers `srvr` as a serving server.
    #[must_use]
    pub fn serves(&self) -> bool {
        // A server that is just starting may take the connection and never look at it.
        wire::word_within(self.addr, b"srvr", Duration::from_secs(1))
            .is_ok_and(|text| String::from_utf8_lossy(&text).contains("Mode: "))
    }

    /// The zxid that `srvr` shows.
    ///
    /// # Errors
    /// When `srvr` does not answer with one.
    pub fn zxid(&self) -> Result<i64, String> {
        let text = wire::word(self.addr, b"srvr")?;
        let text = String::from_utf8_lossy(&text).into_owned();
        let found = text.lines().find_map(|line| line.strip_prefix("Zxid: 0x"));
        let zxid = found.and_then(|hex| i64::from_str_radix(hex, 16).ok());
        zxid.ok_or_else(|| format!("no zxid in {text:?}"))
    }

    /// The directory with snapshots and logs.
    #[must_use]
    pub fn version_2(&self) -> PathBuf {
        self.root.join("data").join("version-2")
    }

    /// The dataDir itself.
    #[must_use]
    pub fn data_dir(&self) -> PathBuf {
        self.root.join("data")
    }

    /// All that the process wrote, over all its starts.
    #[must_use]
    pub fn log_text(&self) -> String {
        let text = fs::read(self.root.join("log")).unwrap_or_default();
        String::from_utf8_lossy(&text).into_owned()
    }

    /// The end of what the process wrote.
    #[must_use]
    pub fn log_tail(&self) -> String {
        let text = self.log_text();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(25)..].join("\n")
    }

    fn exited(&mut self) -> Option<ExitStatus> {
        self.child.as_mut()?.try_wait().ok().flatten()
    }

    fn spawn(&mut self) -> Result<(), String> {
        let config = self.root.join("zoo.cfg");
        let mut text = format!(
            "clientPort={}\nclientPortAddress=127.0.0.1\ndataDir={}\nadmin.enableServer=false\n",
            self.addr.port(),
            self.root.join("data").display()
        );
        for line in self.setup.keys.iter().copied().chain(self.extra.iter().map(String::as_str)) {
            let _ = writeln!(text, "{line}");
        }
        fs::write(&config, text).map_err(|e| e.to_string())?;
        let log = File::options().create(true).append(true).open(self.root.join("log"));
        let log = log.map_err(|e| e.to_string())?;
        let errors = log.try_clone().map_err(|e| e.to_string())?;
        let mut command = self.command();
        command.arg(&config).current_dir(&self.root).env("ZKPROPS", self.setup.props.join(" "));
        command.stdin(Stdio::null()).stdout(log).stderr(errors);
        self.child = Some(command.spawn().map_err(|e| format!("{command:?}: {e}"))?);
        Ok(())
    }

    fn command(&self) -> Command {
        match self.kind {
            Kind::Official | Kind::Official396 => {
                let mut command = Command::new(here().join("apache").join("apache"));
                if self.kind == Kind::Official396 {
                    command.env("ZKV", "3.9.6");
                }
                command.env("ZKJAVA", std::env::var("ZKJAVA").unwrap_or_else(|_| JVM.to_owned()));
                command
            }
            Kind::Oxkeeper => {
                let path = oxkeeper_path();
                let Some((first, rest)) = self.wrapper.split_first() else {
                    let mut command = Command::new(path);
                    command.arg("server");
                    return command;
                };
                let mut command = Command::new(first);
                command.args(rest).arg(path).arg("server");
                command
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
        if std::env::var_os("KEEP_SCRATCH").is_none() {
            let _ = fs::remove_dir_all(&self.root);
        }
    }
}

/// The `compat-tests` directory.
#[must_use]
pub fn here() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_path_buf()
}

/// The oxkeeper executable: `SUT_OXKEEPER`, else the release build in the target directory.
#[must_use]
pub fn oxkeeper_path() -> PathBuf {
    if let Some(path) = std::env::var_os("SUT_OXKEEPER") {
        return path.into();
    }
    let target = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    target.unwrap_or_else(|| here().join("..").join("target")).join("release").join("oxkeeper")
}
