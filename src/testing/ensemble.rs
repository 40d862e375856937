//! An ensemble in one process.

use super::{
    Reserved, TestingError,
    relay::{Exchange, Line, Relay},
    server::{SETTINGS, pairs},
};
use crate::{
    client::{Peer, ask, mode},
    config::Config,
    server::Embedded,
};
use std::{
    fmt::Write,
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// Of members: they hear of each other ten times a second, and give a silent one up after a second.
const MEMBERS: [(&str, &str); 5] = [
    ("tickTime", "100"),
    ("initLimit", "50"),
    ("syncLimit", "10"),
    ("minSessionTimeout", "200"),
    ("cnxTimeout", "1000"),
];
/// So long members have to find together.
const WITHIN: Duration = Duration::from_secs(30);
/// Between two looks at whether they have.
const LOOK: Duration = Duration::from_millis(5);

/// A member.
struct Member {
    config: Config,
    running: Option<Embedded>,
    /// Its ports stay its own while it is down.
    _ports: [Reserved; 3],
    /// To its client port.
    clients: (u16, Relay),
    /// From it to the quorum and election ports of each other one.
    lines: Vec<(usize, [Relay; 2])>,
    /// Whether it stands still.
    paused: bool,
    /// Which side of a partition it is on.
    side: bool,
}

/// An ensemble on loopback, whose members can be stopped, killed, paused and kept from each other. Members have the numbers 1, 2, …
/// It ends when it is dropped.
pub struct TestingEnsemble {
    members: Vec<Member>,
    exchange: Option<JoinHandle<()>>,
    /// Goes last.
    _dir: TempDir,
}

impl TestingEnsemble {
    /// An ensemble of so many members; it serves when this returns.
    ///
    /// # Errors
    /// A port, a directory or a thread cannot be had.
    pub fn start(members: usize) -> Result<Self, TestingError> {
        Self::with_settings(members, &[])
    }

    /// The same with settings of `zoo.cfg`.
    ///
    /// # Errors
    /// As well, or a setting is wrong.
    pub fn with_settings(members: usize, settings: &[(&str, &str)]) -> Result<Self, TestingError> {
        let dir = tempfile::tempdir().map_err(TestingError::system("make a directory"))?;
        let reserve = || Ok([Reserved::any()?, Reserved::any()?, Reserved::any()?]);
        let reserved: Vec<[Reserved; 3]> =
            (0..members).map(|_| reserve()).collect::<Result<_, TestingError>>()?;
        let own: Vec<[u16; 3]> =
            reserved.iter().map(|of_one| of_one.each_ref().map(Reserved::port)).collect();
        let mut exchange = Exchange::default();
        let mut made = Vec::with_capacity(members);
        for (at, reserved) in reserved.into_iter().enumerate() {
            let [client, quorum, election] = own[at];
            let (mut text, mut lines) = (String::new(), Vec::new());
            for (other, [_, its_quorum, its_election]) in own.iter().copied().enumerate() {
                let number = other + 1;
                if other == at {
                    _ = writeln!(text, "server.{number}=127.0.0.1:{quorum}:{election}");
                    continue;
                }
                let (to_quorum, quorum) = exchange.line(its_quorum)?;
                let (to_election, election) = exchange.line(its_election)?;
                _ = writeln!(text, "server.{number}=127.0.0.1:{to_quorum}:{to_election}");
                lines.push((other, [quorum, election]));
            }
            let clients = exchange.line(client)?;
            let data = dir.path().join((at + 1).to_string());
            let make = || {
                std::fs::create_dir_all(&data)?;
                std::fs::write(data.join("myid"), format!("{}\n", at + 1))?;
                std::fs::write(dir.path().join(format!("{}.cfg", at + 1)), &text)
            };
            make().map_err(TestingError::system("make a directory"))?;
            let mut all = pairs(SETTINGS);
            all.extend(pairs(MEMBERS));
            all.extend([
                ("dataDir".to_owned(), data.display().to_string()),
                ("clientPort".to_owned(), client.to_string()),
            ]);
            all.extend(settings.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())));
            let config = Config::load(&dir.path().join(format!("{}.cfg", at + 1)), &all)?;
            made.push(Member {
                config,
                running: None,
                _ports: reserved,
                clients,
                lines,
                paused: false,
                side: false,
            });
        }
        let exchange = Some(exchange.run()?);
        let mut ensemble = Self { members: made, exchange, _dir: dir };
        for number in 1..=members {
            ensemble.restart(number)?;
        }
        ensemble.await_serving(&(1..=members).collect::<Vec<_>>())?;
        Ok(ensemble)
    }

    /// What clients are told to reach all of it: `127.0.0.1:PORT,127.0.0.1:PORT,…`.
    pub fn connect_string(&self) -> String {
        let each: Vec<_> = (1..=self.members.len()).map(|number| self.connect_string_of(number)).collect();
        each.join(",")
    }

    /// What reaches one member.
    ///
    /// # Panics
    /// There is no such member.
    pub fn connect_string_of(&self, number: usize) -> String {
        format!("127.0.0.1:{}", self.members[number - 1].clients.0)
    }

    /// The number of the member that leads, if one says so.
    pub fn leader(&self) -> Option<usize> {
        (1..=self.members.len()).find(|&number| self.mode(number).as_deref() == Some("leader"))
    }

    /// What a member says that it is (`leader`, `follower`); `None` where it does not serve, or does not answer.
    pub fn mode(&self, number: usize) -> Option<String> {
        let member = self.members.get(number.checked_sub(1)?)?;
        let port = member.clients.0;
        member.running.as_ref().filter(|_| !member.paused)?;
        let answer = ask(&Peer { host: "127.0.0.1".to_owned(), port, tls: None }, "srvr", WITHIN).ok()?;
        mode(&answer).map(str::to_owned)
    }

    /// Stops a member as SIGTERM does.
    ///
    /// # Errors
    /// It does not run, or a part of it has failed.
    ///
    /// # Panics
    /// There is no such member.
    pub fn stop(&mut self, number: usize) -> Result<(), TestingError> {
        Ok(self.take(number)?.stop()?)
    }

    /// Ends a member without a word to anybody.
    ///
    /// # Errors
    /// It does not run, or a part of it has failed.
    ///
    /// # Panics
    /// There is no such member.
    pub fn kill(&mut self, number: usize) -> Result<(), TestingError> {
        Ok(self.take(number)?.kill()?)
    }

    fn take(&mut self, number: usize) -> Result<Embedded, TestingError> {
        self.members[number - 1].running.take().ok_or(TestingError::State("does not run"))
    }

    /// Starts a member with the data and the ports that it had; one that runs is stopped first. It does not wait until it
    /// serves: see [`TestingEnsemble::await_serving`].
    ///
    /// # Errors
    /// As for the first start.
    ///
    /// # Panics
    /// There is no such member.
    pub fn restart(&mut self, number: usize) -> Result<(), TestingError> {
        if self.members[number - 1].running.is_some() {
            self.stop(number)?;
        }
        let member = &mut self.members[number - 1];
        member.running = Some(Embedded::start(member.config.clone())?);
        Ok(())
    }

    /// Lets a member stand still, as far as anybody can see: what is sent to it and what it sends waits.
    ///
    /// # Panics
    /// There is no such member.
    pub fn pause(&mut self, number: usize) {
        self.members[number - 1].paused = true;
        self.set_lines();
    }

    /// Lets it go on.
    ///
    /// # Panics
    /// There is no such member.
    pub fn resume(&mut self, number: usize) {
        self.members[number - 1].paused = false;
        self.set_lines();
    }

    /// Cuts the lines between these members and all others. Clients reach both sides.
    pub fn partition(&mut self, these: &[usize]) {
        for (at, member) in self.members.iter_mut().enumerate() {
            member.side = these.contains(&(at + 1));
        }
        self.set_lines();
    }

    /// Mends all lines that [`TestingEnsemble::partition`] has cut.
    pub fn heal(&mut self) {
        self.partition(&[]);
    }

    fn set_lines(&self) {
        for member in &self.members {
            member.clients.1.set(if member.paused { Line::Held } else { Line::Open });
            for (other, lines) in &member.lines {
                let other = &self.members[*other];
                let line = match (member.side == other.side, member.paused || other.paused) {
                    (false, _) => Line::Cut,
                    (true, true) => Line::Held,
                    (true, false) => Line::Open,
                };
                lines.iter().for_each(|relay| relay.set(line));
            }
        }
    }

    /// Waits until these members serve, half a minute at most.
    ///
    /// # Errors
    /// [`TestingError::Late`].
    #[expect(clippy::disallowed_methods, reason = "a test has patience")]
    pub fn await_serving(&self, members: &[usize]) -> Result<(), TestingError> {
        let until = Instant::now() + WITHIN;
        loop {
            let late: Vec<usize> =
                members.iter().copied().filter(|&number| self.mode(number).is_none()).collect();
            if late.is_empty() {
                return Ok(());
            }
            if Instant::now() >= until {
                return Err(TestingError::Late { members: late, within: WITHIN });
            }
            thread::sleep(LOOK);
        }
    }
}

impl Drop for TestingEnsemble {
    fn drop(&mut self) {
        for running in self.members.iter_mut().filter_map(|member| member.running.take()) {
            drop(running.kill());
        }
        // The lines go with their members.
        self.members.clear();
        if let Some(exchange) = self.exchange.take() {
            drop(exchange.join());
        }
    }
}
