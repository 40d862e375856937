//! What the file system and the machine tell: sizes of the data, and the environment (`Environment.list`).

use crate::{
    server::{
        owner::user_name,
        sequence::{Hub, VERSION_DIR},
    },
    storage::SnapshotName,
    version,
};
use oxkeeper_codec::Zxid;
use std::{
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

/// Where snapshots are, and where logs are.
pub(super) fn dirs(hub: &Hub) -> [PathBuf; 2] {
    let storage = &hub.config.storage;
    [&storage.data_dir, &storage.data_log_dir].map(|dir| {
        let dir = dir.join(VERSION_DIR);
        std::path::absolute(&dir).unwrap_or(dir)
    })
}

/// The newest snapshot in a directory: the zxid in its name, and when it was written, in seconds since 1970.
pub(super) fn newest_snapshot(dir: &Path) -> Option<(Zxid, i64)> {
    let names = std::fs::read_dir(dir).ok()?.flatten();
    let snapshots =
        names.filter_map(|file| Some((SnapshotName::parse(file.file_name().to_str()?)?.zxid, file)));
    let (zxid, file) = snapshots.max_by_key(|(zxid, _)| *zxid)?;
    Some((zxid, file.metadata().ok()?.mtime()))
}

/// Bytes of the files in a directory, as their lengths say: a log counts with what is reserved for it.
pub(super) fn size_of(dir: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(dir) else { return 0 };
    entries.flatten().filter_map(|entry| entry.metadata().ok()).map(|file| file.len()).sum()
}

/// Descriptors that this process has open, as far as the system tells, and may have; `None`: any number.
pub(super) fn descriptors() -> (Option<usize>, Option<u64>) {
    let open = std::fs::read_dir("/proc/self/fd").ok().map(Iterator::count);
    (open, rustix::process::getrlimit(rustix::process::Resource::Nofile).current)
}

/// The environment: the keys of the official server that are not Java's (but for one), in its order.
pub(super) fn environment() -> [(&'static str, String); 12] {
    let system = rustix::system::uname();
    let text = |text: &std::ffi::CStr| text.to_string_lossy().into_owned();
    let variable = |name: &str| std::env::var(name).unwrap_or_default();
    let (free, total) = memory_mb();
    [
        ("zookeeper.version", version::FULL.to_owned()),
        ("host.name", text(system.nodename())),
        // Scripts look for this one; the other Java keys are left out.
        ("java.version", "none".to_owned()),
        ("os.name", text(system.sysname())),
        ("os.arch", arch(&text(system.machine()))),
        ("os.version", text(system.release())),
        ("user.name", user_name()),
        ("user.home", variable("HOME")),
        ("user.dir", std::env::current_dir().unwrap_or_default().display().to_string()),
        ("os.memory.free", format!("{free}MB")),
        ("os.memory.max", format!("{total}MB")),
        ("os.memory.total", format!("{total}MB")),
    ]
}

/// The machine's kind, as Java calls it.
fn arch(machine: &str) -> String {
    if machine == "x86_64" { "amd64".to_owned() } else { machine.to_owned() }
}

/// Memory of the machine in MB: what is available, and all.
fn memory_mb() -> (u64, u64) {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let field = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
        line.split_whitespace().next().and_then(|kb| kb.parse::<u64>().ok()).unwrap_or(0) / 1024
    };
    (field("MemAvailable:"), field("MemTotal:"))
}
