//! What becomes of a server whose disk misbehaves.
//!
//! In each case no acknowledged write is lost, reads go on, the process does not die, says so in its log, and writes are
//! served again by themselves once the disk is well (where it can be made well under a running server).
//!
//! A mount is bound anew behind the server that stands on it, so that it goes first and the directory can be removed.

use crate::behaviours::wait_until;
use crate::client::OPEN;
use crate::ground::{Mount, format_image};
use crate::requests::{create_body, set_body};
use crate::session::{Missing, Session};
use crate::sut::{Kind, Server, Setup};
use rustix::process::{Resource, Rlimit, prlimit};
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const SETUP: Setup = Setup {
    name: "disk",
    keys: &["snapCount=100000", "preAllocSize=256", "maxClientCnxns=0", "4lw.commands.whitelist=*"],
    props: &[],
    fresh: true,
};
/// What the log says when writes are refused.
const REFUSED: &str = "cannot be written";
/// What it says when they are taken again.
const TAKEN: &str = "takes writes again";
/// Data of one node.
const DATA_LEN: usize = 10_000;
/// Room is taken in pieces of so many bytes.
const PIECE: usize = 4096;
/// Longer than any wait of the server between two attempts.
const WAIT: Duration = Duration::from_secs(20);

/// A writer that knows what is acknowledged, and a reader beside it.
struct Watched {
    server: Server,
    writer: Option<Session>,
    reader: Session,
    acknowledged: Vec<usize>,
    next: usize,
}

impl Watched {
    fn new(server: Server) -> Result<Self, String> {
        let writer = Some(Session::open(server.addr, 60_000)?);
        let reader = Session::open(server.addr, 60_000)?;
        Ok(Self { server, writer, reader, acknowledged: Vec::new(), next: 0 })
    }

    /// One write. False: it was refused, or the connection was closed over it.
    fn write(&mut self) -> Result<bool, String> {
        let mut writer = match self.writer.take() {
            Some(writer) => writer,
            // While the disk is full there may be no new sessions either.
            None => match Session::open(self.server.addr, 60_000) {
                Ok(writer) => writer,
                Err(_) => return Ok(false),
            },
        };
        let n = self.next;
        self.next += 1;
        let data = vec![b'x'; DATA_LEN];
        match writer.call(1, &create_body(format!("/n{n}"), Some(&data), Some(OPEN), 0)) {
            Ok(answer) if answer.err == 0 => {
                self.acknowledged.push(n);
                self.writer = Some(writer);
                Ok(true)
            }
            Ok(_) => {
                self.writer = Some(writer);
                Ok(false)
            }
            Err(Missing::Closed) => Ok(false),
            Err(other) => Err(format!("write {n}: {other}")),
        }
    }

    /// Writes until one is refused.
    fn fill(&mut self) -> Result<(), String> {
        for _ in 0..5000 {
            if !self.write()? {
                return Ok(());
            }
        }
        Err("the disk takes everything".to_owned())
    }

    /// Reads go on, by old connections and by new words; the process lives, and has said what is wrong.
    fn still_reads(&mut self) -> Result<(), String> {
        for n in self.acknowledged.iter().rev().take(20) {
            let (data, _) = self.reader.get(&format!("/n{n}"))?;
            if data.len() != DATA_LEN {
                return Err(format!("/n{n} has {} bytes", data.len()));
            }
        }
        if !self.server.is_alive() || !self.server.serves() {
            return Err("the server does not serve any more".to_owned());
        }
        let server = &self.server;
        wait_until("a word about it in the log", WAIT, || Ok(server.log_text().contains(REFUSED)))
    }

    /// Writes are taken again, without any help.
    fn writes_again(&mut self) -> Result<(), String> {
        let deadline = Instant::now() + WAIT;
        while !self.write()? {
            if Instant::now() > deadline {
                return Err("writes are still refused".to_owned());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        let server = &self.server;
        wait_until("a word about it in the log", WAIT, || Ok(server.log_text().contains(TAKEN)))?;
        for _ in 0..20 {
            if !self.write()? {
                return Err("refused again".to_owned());
            }
        }
        Ok(())
    }

    /// Everything acknowledged is there, whole.
    fn all_there(&mut self) -> Result<(), String> {
        for n in &self.acknowledged {
            let (data, _) = self.reader.get(&format!("/n{n}")).map_err(|e| format!("lost: {e}"))?;
            if data.len() != DATA_LEN {
                return Err(format!("/n{n} has {} bytes", data.len()));
            }
        }
        let log = self.server.log_text();
        match log.lines().find(|line| line.contains("panicked") || line.contains("is damaged")) {
            Some(line) => Err(line.to_owned()),
            None => Ok(()),
        }
    }

    /// The same after a kill and a start.
    fn all_there_after_a_kill(&mut self) -> Result<(), String> {
        self.all_there()?;
        self.server.kill();
        self.start_again()?;
        self.all_there()
    }

    /// A start on what is there; the reader's session is known without a write.
    fn start_again(&mut self) -> Result<(), String> {
        self.server.launch()?;
        self.reader = self.reader.renew(self.server.addr)?;
        Ok(())
    }
}

/// Fills a small disk twice, and makes room each time.
///
/// # Errors
/// What was promised and not kept.
pub fn full() -> Result<String, String> {
    let mut server = Server::prepare(Kind::Oxkeeper, SETUP)?;
    let mount = Mount::tmpfs(&server.data_dir(), 6 << 20)?;
    let ballast = server.data_dir().join("ballast");
    take_room(&ballast, 2 << 20)?;
    server.launch()?;
    let mut watched = Watched::new(server)?;
    let _ground = mount;
    for _ in 0..2 {
        watched.fill()?;
        watched.still_reads()?;
        watched.write()?;
        fs::remove_file(&ballast).map_err(|e| e.to_string())?;
        watched.writes_again()?;
        take_room(&ballast, 6 << 20)?;
    }
    watched.fill()?;
    // Killed while it is full: the start must do without room, too.
    watched.all_there_after_a_kill()?;
    watched.still_reads()?;
    fs::remove_file(&ballast).map_err(|e| e.to_string())?;
    watched.writes_again()?;
    watched.all_there_after_a_kill()?;
    // The mount must outlive the process.
    watched.server.kill();
    Ok(String::new())
}

/// Takes so many bytes of a disk, or all that are left.
fn take_room(path: &Path, len: usize) -> Result<(), String> {
    let mut file = File::create(path).map_err(|e| format!("{}: {e}", path.display()))?;
    for _ in 0..len / PIECE {
        if file.write_all(&[1; PIECE]).is_err() {
            break;
        }
    }
    Ok(())
}

/// The limit of a file's size is reached: to a process that does not expect it, that is a deadly signal.
///
/// # Errors
/// What was promised and not kept.
pub fn file_size() -> Result<String, String> {
    let mut watched = Watched::new(Server::start(Kind::Oxkeeper, SETUP)?)?;
    watched.write()?;
    limit_files(&watched.server, Some(2 << 20))?;
    watched.fill()?;
    watched.still_reads()?;
    limit_files(&watched.server, None)?;
    watched.writes_again()?;
    watched.all_there_after_a_kill()?;
    Ok(String::new())
}

fn limit_files(server: &Server, current: Option<u64>) -> Result<(), String> {
    let limit = Rlimit { current, maximum: None };
    prlimit(server.pid(), Resource::Fsize, limit).map(drop).map_err(|e| format!("prlimit: {e}"))
}

/// An ext4 in a file, mounted as data directory.
struct Image {
    server: Server,
    mount: Mount,
    file: PathBuf,
}

impl Image {
    fn new() -> Result<Self, String> {
        let server = Server::prepare(Kind::Oxkeeper, SETUP)?;
        let file = server.data_dir().with_extension("image");
        format_image(&file, 32)?;
        let mount = Mount::image(&file, &server.data_dir())?;
        Ok(Self { server, mount, file })
    }
}

/// A start on a disk that is read-only for the moment: it ends with the official exit code, and says why. It could answer reads, but
/// every session would wait in vain for its first write.
///
/// # Errors
/// What was promised and not kept.
pub fn read_only() -> Result<String, String> {
    let Image { mut server, mount, file: _ } = Image::new()?;
    server.launch()?;
    let mut watched = Watched::new(server)?;
    let ground = mount;
    for _ in 0..50 {
        watched.write()?;
    }
    watched.server.kill();
    ground.remount("ro")?;
    let status = watched.server.launch_refused()?;
    if status.code() != Some(3) || !watched.server.log_text().contains("read-only") {
        return Err(format!("ended with {status}\n{}", watched.server.log_tail()));
    }
    ground.remount("rw")?;
    watched.start_again()?;
    watched.writer = match watched.writer.take() {
        Some(writer) => Some(writer.renew(watched.server.addr)?),
        None => None,
    };
    for _ in 0..20 {
        if !watched.write()? {
            return Err("a write is refused on a disk that can be written again".to_owned());
        }
    }
    watched.all_there_after_a_kill()?;
    watched.server.kill();
    Ok(String::new())
}

/// Whether a file system can be made to fail here.
///
/// # Errors
/// Why not.
pub fn can_fail() -> Result<(), String> {
    crate::ground::possible(true)?;
    let known = fs::read_dir("/sys/fs/ext4").is_ok();
    if known { Ok(()) } else { Err("no /sys/fs/ext4, so no error can be had from a file system".to_owned()) }
}

/// The file system gives up: every write is an error from now on, for good.
///
/// # Errors
/// What was promised and not kept.
pub fn failing() -> Result<String, String> {
    let Image { mut server, mount, file } = Image::new()?;
    mount.remount("errors=remount-ro")?;
    server.launch()?;
    let mut watched = Watched::new(server)?;
    let ground = mount;
    for _ in 0..50 {
        watched.write()?;
    }
    fs::write(trigger(&watched.server.data_dir())?, b"1").map_err(|e| format!("trigger: {e}"))?;
    watched.fill()?;
    watched.still_reads()?;
    if watched.write()? {
        return Err("a write was acknowledged on a disk that has failed".to_owned());
    }
    watched.server.kill();
    drop(ground);
    let _ground = Mount::image(&file, &watched.server.data_dir())?;
    watched.start_again()?;
    watched.all_there()?;
    watched.server.kill();
    Ok(String::new())
}

/// Where the file system at this place is told to fail.
fn trigger(at: &Path) -> Result<PathBuf, String> {
    let mounts = fs::read_to_string("/proc/self/mounts").map_err(|e| e.to_string())?;
    let at = at.to_string_lossy();
    let device = mounts.lines().find_map(|line| {
        let mut words = line.split(' ');
        let device = words.next()?;
        (words.next()? == at).then(|| device.trim_start_matches("/dev/").to_owned())
    });
    let device = device.ok_or_else(|| format!("{at} is not mounted"))?;
    Ok(Path::new("/sys/fs/ext4").join(device).join("trigger_fs_error"))
}

/// The disk takes writes and does not finish them.
///
/// # Errors
/// What was promised and not kept.
pub fn frozen() -> Result<String, String> {
    let Image { mut server, mount, file: _ } = Image::new()?;
    server.add_key("fsync.warningthresholdms=200");
    server.launch()?;
    let mut watched = Watched::new(server)?;
    let mut ground = mount;
    for _ in 0..20 {
        watched.write()?;
    }
    ground.freeze()?;
    let mut waiting = Session::open_unanswered(watched.server.addr)?;
    let mut writer = watched.writer.take().ok_or("no writer")?;
    writer.post(5, &set_body("/n0", Some(b"late"), -1));
    let began = Instant::now();
    let mut reads = 0;
    while began.elapsed() < Duration::from_millis(1500) {
        let asked = Instant::now();
        watched.reader.get("/n1")?;
        if asked.elapsed() > Duration::from_millis(1000) {
            return Err(format!("a read took {:?}", asked.elapsed()));
        }
        reads += 1;
    }
    match writer.answer(Duration::from_millis(100)) {
        Err(Missing::Late) => {}
        other => return Err(format!("a write on a frozen disk: {other:?}")),
    }
    ground.thaw()?;
    writer.answer(WAIT)?.ok()?;
    if !matches!(waiting.recv(WAIT), crate::wire::Got::Packet(_)) {
        return Err("a session that waited for the disk was not opened".to_owned());
    }
    watched.acknowledged.retain(|n| *n > 0);
    let server = &watched.server;
    wait_until("a warning in the log", WAIT, || Ok(server.log_text().contains("took long; this holds up")))?;
    watched.all_there_after_a_kill()?;
    watched.server.kill();
    Ok(format!("{reads} reads beside it"))
}

/// As many connections as the process can have: those who write must not pay for it.
///
/// # Errors
/// What was promised and not kept.
pub fn descriptors() -> Result<String, String> {
    let mut server = Server::prepare(Kind::Oxkeeper, SETUP)?;
    server.add_key("txnLogSizeLimitInKb=16");
    server.wrap(&["sh", "-c", "ulimit -n 200; exec \"$0\" \"$@\""]);
    server.launch()?;
    let mut watched = Watched::new(server)?;
    watched.write()?;
    let held: Vec<_> = (0..400).filter_map(|_| crate::wire::Conn::open(watched.server.addr).ok()).collect();
    // Each second one begins a log, which needs descriptors. Slowly: those who wait for one must have their chance.
    for n in 0..16 {
        std::thread::sleep(Duration::from_millis(120));
        if !watched.write()? {
            return Err(format!("write {n} was refused beside {} connections", held.len()));
        }
    }
    drop(held);
    watched.all_there_after_a_kill()?;
    Ok(String::new())
}
