//! A server that is alone.

use super::{Reserved, TestingError};
use crate::{config::Config, server::Embedded};
use std::{
    fmt,
    path::{Path, PathBuf},
};
use tempfile::TempDir;

/// What servers for tests have instead of the defaults: no admin server, whose port is one for all; a thread for connections; no
/// waiting for the disk; sessions of up to a minute.
pub(super) const SETTINGS: [(&str, &str); 6] = [
    ("clientPortAddress", "127.0.0.1"),
    ("admin.enableServer", "false"),
    ("nio.numWorkerThreads", "1"),
    ("forceSync", "no"),
    ("preAllocSize", "64"),
    ("maxSessionTimeout", "60000"),
];

/// How a server is to be.
#[derive(Debug, Clone, Default)]
pub struct Builder {
    port: u16,
    data_dir: Option<PathBuf>,
    config: Option<PathBuf>,
    settings: Vec<(String, String)>,
}

impl Builder {
    /// A `zoo.cfg` with the directory, the ports and all else: perhaps that of a member, which does not serve yet when it is there.
    #[must_use]
    pub fn config(mut self, file: impl Into<PathBuf>) -> Self {
        self.config = Some(file.into());
        self
    }

    /// The client port, instead of a free one.
    #[must_use]
    pub const fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// Where the data is, instead of a directory that goes with the server.
    #[must_use]
    pub fn data_dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.data_dir = Some(dir.into());
        self
    }

    /// A setting of `zoo.cfg`.
    #[must_use]
    pub fn setting(mut self, key: impl Into<String>, value: impl ToString) -> Self {
        self.settings.push((key.into(), value.to_string()));
        self
    }

    /// Starts it.
    ///
    /// # Errors
    /// A setting is wrong, the port is taken, or the directory cannot be had.
    pub fn start(self) -> Result<TestingServer, TestingError> {
        let made = match self.data_dir.as_ref().or(self.config.as_ref()) {
            Some(_) => None,
            None => Some(tempfile::tempdir().map_err(TestingError::system("make a directory"))?),
        };
        let dir = made
            .as_ref()
            .map_or_else(|| self.data_dir.clone().unwrap_or_default(), |made| made.path().to_path_buf());
        let Self { port, config, settings, .. } = self;
        let reserved = if port == 0 && config.is_none() { Some(Reserved::any()?) } else { None };
        let port = reserved.as_ref().map_or(port, Reserved::port);
        let mut server =
            TestingServer { port, dir, config, settings, running: None, _reserved: reserved, made };
        server.restart()?;
        Ok(server)
    }
}

/// A server that is alone, on loopback. It ends when it is dropped.
pub struct TestingServer {
    port: u16,
    dir: PathBuf,
    config: Option<PathBuf>,
    settings: Vec<(String, String)>,
    running: Option<Embedded>,
    /// Where the port is not the test's own choice.
    _reserved: Option<Reserved>,
    /// Goes last.
    made: Option<TempDir>,
}

impl TestingServer {
    /// A server on a free port, with data that goes with it.
    ///
    /// # Errors
    /// The system has no port, directory or thread left.
    pub fn start() -> Result<Self, TestingError> {
        Self::builder().start()
    }

    /// The way to a server with a port, a directory or settings of the test's own.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// What clients are told: `127.0.0.1:PORT`. It stays the same when the server is started again.
    pub fn connect_string(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The client port.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Where the data is: logs and snapshots are in its `version-2`.
    pub fn data_dir(&self) -> &Path {
        &self.dir
    }

    /// Whether it runs.
    pub const fn is_running(&self) -> bool {
        self.running.is_some()
    }

    /// Stops it: what is in work is answered first. Data and port stay, for [`TestingServer::restart`].
    ///
    /// # Errors
    /// It does not run, or a part of it has failed.
    pub fn stop(&mut self) -> Result<(), TestingError> {
        Ok(self.running.take().ok_or(TestingError::State("does not run"))?.stop()?)
    }

    /// The same without a word to anybody, as if its process were killed.
    ///
    /// # Errors
    /// It does not run, or a part of it has failed.
    pub fn kill(&mut self) -> Result<(), TestingError> {
        Ok(self.running.take().ok_or(TestingError::State("does not run"))?.kill()?)
    }

    /// Starts it with the data and the port that it had; one that runs is stopped first.
    ///
    /// # Errors
    /// As for the first start.
    pub fn restart(&mut self) -> Result<(), TestingError> {
        if self.is_running() {
            self.stop()?;
        }
        let config = match &self.config {
            Some(file) => Config::load(file, &self.settings)?,
            None => self.config_of_its_own()?,
        };
        self.dir.clone_from(&config.storage.data_dir);
        let running = Embedded::start(config)?;
        self.port = running.address().map_or(self.port, |address| address.port());
        self.running = Some(running);
        Ok(())
    }

    fn config_of_its_own(&self) -> Result<Config, TestingError> {
        let own = [("dataDir", self.dir.display().to_string()), ("clientPort", self.port.to_string())];
        let mut settings: Vec<(String, String)> = pairs(SETTINGS);
        settings.extend([("tickTime".to_owned(), "500".to_owned())]);
        settings.extend(own.map(|(key, value)| (key.to_owned(), value)));
        settings.extend(self.settings.iter().cloned());
        Ok(Config::parse("a server for a test", "", &settings)?)
    }
}

pub(super) fn pairs<const N: usize>(settings: [(&str, &str); N]) -> Vec<(String, String)> {
    settings.map(|(key, value)| (key.to_owned(), value.to_owned())).into()
}

impl Drop for TestingServer {
    fn drop(&mut self) {
        // Whoever wants to hear of a failure stops it.
        if let Some(running) = self.running.take() {
            drop(running.kill());
        }
        drop(self.made.take());
    }
}

impl fmt::Debug for TestingServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestingServer")
            .field("port", &self.port)
            .field("dir", &self.dir)
            .field("is_running", &self.is_running())
            .finish_non_exhaustive()
    }
}
