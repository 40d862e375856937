//! Writes what changes of the configuration at run time: the dynamic file, the one of the next configuration, and `zoo.cfg`,
//! which names the first (`QuorumPeerConfig.writeDynamicConfig`, `editStaticConfig`). Official servers start from them.
//!
//! Promise: a file is the old one or the new one, whenever the machine stops; `zoo.cfg` names a file that is there. The next
//! configuration stays until the one in force is written.

use crate::{
    membership::Membership,
    properties::{self, Property},
};
use oxkeeper_codec::ServerId;
use std::{
    ffi::OsString,
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

/// The files beside a `zoo.cfg`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DynamicFiles {
    config: PathBuf,
}

impl DynamicFiles {
    /// Of this `zoo.cfg`.
    pub fn beside(config: &Path) -> Self {
        Self { config: std::path::absolute(config).unwrap_or_else(|_| config.to_path_buf()) }
    }

    /// The file of the next configuration.
    pub fn next(&self) -> PathBuf {
        self.with_suffix(".dynamic.next")
    }

    /// Makes what a start has read of them durable: whoever wrote it may have been killed before it was. Where the files may not be
    /// written ([`DynamicFiles::is_forbidden`]), nobody was writing them.
    ///
    /// # Errors
    /// The disk fails.
    pub fn vouch(&self) -> io::Result<()> {
        sync_folder(&self.config)
            .or_else(|error| if Self::is_forbidden(&error) { Ok(()) } else { Err(error) })
    }

    /// Whether an error says that these files may not be written, as those of a mounted template.
    pub fn is_forbidden(error: &io::Error) -> bool {
        use io::ErrorKind::{NotFound, PermissionDenied, ReadOnlyFilesystem};
        matches!(error.kind(), PermissionDenied | ReadOnlyFilesystem | NotFound)
    }

    /// Copies `zoo.cfg` to `zoo.cfg.bak`, for it will be rewritten.
    ///
    /// # Errors
    /// A file cannot be read or written.
    pub fn back_up(&self) -> io::Result<()> {
        replace(&self.with_suffix(".bak"), &fs::read(&self.config)?)
    }

    /// Makes this the next configuration, or removes the one that is there.
    ///
    /// # Errors
    /// A file cannot be written.
    pub fn store_next(&self, next: Option<&Membership>) -> io::Result<()> {
        match next {
            Some(next) => replace(&self.next(), &latin1(&next.next_file())),
            None => self.remove_next(),
        }
    }

    /// Makes this the configuration from which server `me` starts. A next one stays where it is later: it was vouched for.
    ///
    /// # Errors
    /// A file cannot be read or written, or `zoo.cfg` is none.
    pub fn activate(&self, membership: &Membership, me: ServerId) -> io::Result<()> {
        let dynamic = self.with_suffix(&format!(".dynamic.{:x}", membership.version()));
        replace(&dynamic, &latin1(&membership.dynamic_file()))?;
        let text = properties::decode_latin1(&fs::read(&self.config)?);
        let named = membership.member(me).is_some_and(|member| member.client.is_some());
        let dynamic = fs::canonicalize(&dynamic)?;
        let rewritten = rewritten(&text, &dynamic.display().to_string(), named)
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "zoo.cfg cannot be read any more"))?;
        replace(&self.config, &latin1(&rewritten))?;
        let next = match fs::read(self.next()) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Err(_) => None,
            Ok(next) => Membership::parse(&properties::decode_latin1(&next)).ok(),
        };
        if next.is_some_and(|next| next.version() > membership.version()) {
            Ok(())
        } else {
            self.remove_next()
        }
    }

    fn remove_next(&self) -> io::Result<()> {
        match fs::remove_file(self.next()) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            // Also where an attempt before has removed it.
            _ => sync_folder(&self.config),
        }
    }

    fn with_suffix(&self, suffix: &str) -> PathBuf {
        let mut name = OsString::from(&self.config);
        name.push(suffix);
        name.into()
    }
}

/// `zoo.cfg` without the lines that a dynamic file holds, and with the name of that. `named`: it has the client's address, too.
fn rewritten(text: &str, dynamic: &str, named: bool) -> Option<String> {
    let moves = |key: &str| {
        let moved = ["server.", "group", "weight", "dynamicConfigFile", "peerType"];
        moved.iter().any(|start| key.starts_with(start)) || (named && key.starts_with("clientPort"))
    };
    let entries = properties::parse(text).ok()?;
    let is_last = |at: usize| entries[at + 1..].iter().all(|later| later.key != entries[at].key);
    let mut lines = String::new();
    for (at, Property { key, value, .. }) in entries.iter().enumerate() {
        if !moves(key) && is_last(at) {
            lines.push_str(&properties::line(key, value.trim_matches(|c: char| c <= ' ')));
        }
    }
    lines.push_str(&properties::line("dynamicConfigFile", dynamic));
    Some(lines)
}

/// As the reader takes it: what has no byte of its own was escaped, or never was in the file.
fn latin1(text: &str) -> Vec<u8> {
    text.chars().map(|c| u8::try_from(c).unwrap_or(b'?')).collect()
}

/// Puts a file with this content in the place of what is there.
fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut temporary = OsString::from(path);
    temporary.push(".tmp");
    let mut file = File::create(&temporary)?;
    if let Ok(old) = fs::metadata(path) {
        file.set_permissions(old.permissions())?;
    }
    file.write_all(content)?;
    file.sync_all()?;
    drop(file);
    fs::rename(&temporary, path)?;
    sync_folder(path)
}

/// Makes the names in a file's folder durable, where the file system has such a thing: those that are never written, and some shares, refuse.
fn sync_folder(path: &Path) -> io::Result<()> {
    use io::ErrorKind::{InvalidInput, Unsupported};
    let synced = path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all());
    synced
        .or_else(|error| if matches!(error.kind(), InvalidInput | Unsupported) { Ok(()) } else { Err(error) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    const STATIC: &str = "# a comment\ntickTime=2000\ninitLimit=10\nsyncLimit=5\ndataDir=DIR\nclientPort=2181\n\
                          clientPortAddress=127.0.0.1\npeerType=participant\nserver.1=h:1:2\nserver.2=h:3:4\n\
                          reconfigEnabled=true\nserver.3=h:5:6\ninitLimit=12\nmetricsProvider.x=a\\\\b\n";

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().expect("a folder");
        for (name, text) in files {
            let text = text.replace("DIR", &dir.path().display().to_string());
            fs::write(dir.path().join(name), text).expect("a file");
        }
        dir
    }

    fn loaded(dir: &Path) -> crate::config::Ensemble {
        let config = Config::load(&dir.join("zoo.cfg"), &[]).map_err(|refusal| refusal.to_string());
        config.expect("good settings").ensemble.expect("an ensemble")
    }

    #[test]
    fn what_was_written_is_what_is_read() {
        let dir = folder(&[("zoo.cfg", STATIC), ("myid", "1")]);
        let files = DynamicFiles::beside(&dir.path().join("zoo.cfg"));
        files.back_up().expect("a copy");
        let first = loaded(dir.path()).membership;
        assert_eq!(first.version(), 0);
        let established = first.with_version(0x1_0000_0000);
        files.store_next(Some(&established)).expect("written");
        assert_eq!(
            fs::read_to_string(files.next()).expect("it is there"),
            "server.1=h:1:2:participant\nserver.2=h:3:4:participant\nserver.3=h:5:6:participant\nversion=100000000"
        );
        files.activate(&established, ServerId(1)).expect("written");
        let here = dir.path().canonicalize().expect("a folder").display().to_string();
        let rewritten = fs::read_to_string(dir.path().join("zoo.cfg")).expect("it is there");
        assert_eq!(
            rewritten.replace(&here, "DIR").replace(&dir.path().display().to_string(), "DIR"),
            "tickTime=2000\nsyncLimit=5\ndataDir=DIR\nclientPort=2181\nclientPortAddress=127.0.0.1\n\
             reconfigEnabled=true\ninitLimit=12\nmetricsProvider.x=a\\\\b\n\
             dynamicConfigFile=DIR/zoo.cfg.dynamic.100000000\n"
        );
        assert!(!files.next().exists());
        let bak = fs::read_to_string(dir.path().join("zoo.cfg.bak")).expect("it is there");
        assert_eq!(bak, STATIC.replace("DIR", &dir.path().display().to_string()));
        assert_eq!(loaded(dir.path()).membership, established);
    }

    #[test]
    fn the_client_port_moves_into_the_own_line() {
        let dir = folder(&[("zoo.cfg", STATIC), ("myid", "1")]);
        let files = DynamicFiles::beside(&dir.path().join("zoo.cfg"));
        let text = "server.1=h:1:2;127.0.0.1:2190\nserver.2=h:3:4\nversion=200000001";
        let named = Membership::parse(text).expect("members");
        files.activate(&named, ServerId(1)).expect("written");
        let rewritten = fs::read_to_string(dir.path().join("zoo.cfg")).expect("it is there");
        assert!(!rewritten.contains("clientPort"), "{rewritten}");
        assert_eq!(Config::load(&dir.path().join("zoo.cfg"), &[]).expect("good").client.port, Some(2190));
    }

    #[test]
    fn a_folder_that_cannot_be_synced_is_no_reason_not_to_start() {
        // Of a file system without anything to sync, and without a folder.
        for path in ["/proc/self/zoo.cfg", "/nowhere/zoo.cfg"] {
            DynamicFiles::beside(Path::new(path)).vouch().expect("nothing to store");
        }
    }

    #[test]
    fn a_next_configuration_that_cannot_be_read_is_not_forgotten() {
        let dir = folder(&[("zoo.cfg", STATIC), ("myid", "1")]);
        let files = DynamicFiles::beside(&dir.path().join("zoo.cfg"));
        let established = loaded(dir.path()).membership.with_version(0x1_0000_0000);
        // What no file is read of.
        fs::create_dir(files.next()).expect("a directory");
        files.activate(&established, ServerId(1)).expect_err("nobody knows what comes next");
        assert!(files.next().exists());
        fs::remove_dir(files.next()).expect("removed");
        files.activate(&established, ServerId(1)).expect("it may be tried again");
    }

    #[test]
    fn a_change_under_way_is_seen_by_the_next_start() {
        let dir = folder(&[("zoo.cfg", STATIC), ("myid", "1")]);
        let files = DynamicFiles::beside(&dir.path().join("zoo.cfg"));
        let first = loaded(dir.path()).membership.with_version(0x1_0000_0000);
        files.activate(&first, ServerId(1)).expect("written");
        let next = Membership::parse("server.1=h:1:2\nserver.2=h:3:4\nversion=100000007").expect("members");
        files.store_next(Some(&next)).expect("written");
        let read = loaded(dir.path());
        assert_eq!((read.membership, read.last_seen), (first, Some(next)));
        files.store_next(None).expect("removed");
        files.store_next(None).expect("it is gone already");
        assert_eq!(loaded(dir.path()).last_seen, None);
    }
}
