//! What systemd is told, by a socket as it hands one to a service, and the unit that is handed out.

use rustix::process::{Pid, Signal, kill_process};
use std::{
    fs,
    os::unix::net::UnixDatagram,
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

/// Nothing takes longer.
const WITHIN: Duration = Duration::from_secs(20);
const UNIT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/systemd/oxkeeper.service");

/// A server that is ended whatever happens.
struct Served(Child);

impl Served {
    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.0), signal).expect("the server runs");
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// What comes next; signs of life are passed over.
fn told(socket: &UnixDatagram) -> String {
    loop {
        let text = word(socket);
        if text.trim() != "WATCHDOG=1" {
            return text;
        }
    }
}

fn word(socket: &UnixDatagram) -> String {
    let mut bytes = [0; 4096];
    let length = socket.recv(&mut bytes).expect("a word in time");
    String::from_utf8(bytes[..length].to_vec()).expect("text")
}

#[test]
fn systemd_is_told_how_the_server_is() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("notify");
    let socket = UnixDatagram::bind(&path).expect("a socket");
    socket.set_read_timeout(Some(WITHIN)).expect("a time-out");
    let config = dir.path().join("zoo.cfg");
    let data = dir.path().join("data");
    let lines = format!(
        "dataDir={}\nclientPort=0\nclientPortAddress=127.0.0.1\nadmin.enableServer=false\n",
        data.display()
    );
    fs::write(&config, lines).expect("a configuration");
    let mut server = Served(
        // The process that gives signs of life is named, too, as systemd does.
        Command::new("sh")
            .args(["-c", "WATCHDOG_PID=$$ exec \"$@\"", "sh", env!("CARGO_BIN_EXE_oxkeeper"), "server"])
            .arg(&config)
            .env("NOTIFY_SOCKET", &path)
            .env("WATCHDOG_USEC", "100000")
            .stderr(Stdio::null())
            .spawn()
            .expect("a server"),
    );
    let ready = told(&socket);
    assert!(ready.starts_with("READY=1\nSTATUS=clients at 127.0.0.1:"), "{ready}");
    assert_eq!((word(&socket).trim(), word(&socket).trim()), ("WATCHDOG=1", "WATCHDOG=1"));
    server.signal(Signal::HUP);
    let reloaded = told(&socket);
    assert!(
        reloaded.starts_with("RELOADING=1\nMONOTONIC_USEC=") && reloaded.trim().ends_with("READY=1"),
        "{reloaded}"
    );
    server.signal(Signal::TERM);
    assert!(told(&socket).starts_with("STOPPING=1\n"));
    assert_eq!(server.0.wait().expect("an end").code(), Some(0));
}

/// The unit as systemd reads it, with this binary in the place of the one that is installed.
#[test]
fn the_unit_is_one_that_systemd_takes() {
    let unit = fs::read_to_string(UNIT).expect("a unit");
    let settings = unit.lines().filter(|line| !line.starts_with('#'));
    for (key, value) in settings.filter_map(|line| line.split_once('=')) {
        assert!(!key.contains(' ') && key == key.trim() && value == value.trim(), "{key}={value}");
    }
    assert!(unit.contains("\nType=notify\n") && unit.contains("\nWatchdogSec="));
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("oxkeeper.service");
    fs::write(&path, unit.replace("/usr/bin/oxkeeper", env!("CARGO_BIN_EXE_oxkeeper"))).expect("a file");
    assert!(Path::new(&path).exists());
    match Command::new("systemd-analyze").args(["verify", "--man=no"]).arg(&path).output() {
        Ok(verdict) => {
            let said = String::from_utf8_lossy(&verdict.stderr);
            let ours: Vec<&str> = said.lines().filter(|line| line.contains("oxkeeper.service")).collect();
            assert!(ours.is_empty(), "{ours:?}");
        }
        Err(error) => println!("not checked: there is no systemd-analyze here ({error})"),
    }
}
