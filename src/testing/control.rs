//! A server or an ensemble for a test in another language: the process that runs it is told by lines what to do, and ends with whoever
//! started it.
//!
//! ```text
//! -> {"connectString":"127.0.0.1:41235","members":["127.0.0.1:41235"],"dataDir":"/tmp/…"}
//! <- stop                            -> {}
//! <- restart                         -> {}
//! <- pause 2                         -> {"error":"a server that is alone has no members"}
//! ```
//!
//! `stop`, `kill` and `restart` take the number of a member, from 1; a server that is alone needs none. Of an ensemble also `pause N`,
//! `resume N`, `partition N N…`, `heal`, `await N N…` (without numbers: all), `leader` and `mode N`. The end of the lines ends all.

use super::{Builder, TestingEnsemble, TestingError, TestingServer};
use serde_json::{Value, json};
use std::{
    io::{self, BufRead, Write},
    path::PathBuf,
};

/// What is to be run.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// An ensemble of so many members; without it, a server that is alone.
    pub members: Option<usize>,
    /// The client port of that server, instead of a free one.
    pub port: Option<u16>,
    /// Where its data is, instead of a directory that goes with it.
    pub data_dir: Option<PathBuf>,
    /// A `zoo.cfg` with all of that.
    pub config: Option<PathBuf>,
    /// Settings of `zoo.cfg`.
    pub settings: Vec<(String, String)>,
}

enum Run {
    Alone(TestingServer),
    Ensemble { ensemble: TestingEnsemble, members: usize },
}

/// Runs it until `lines` end. The first line of `out` tells where it is; then there is one for each command.
///
/// # Errors
/// Nobody reads what is written.
pub fn control(wanted: Wanted, lines: &mut dyn BufRead, out: &mut dyn Write) -> io::Result<bool> {
    let mut run = match Run::start(wanted) {
        Ok(run) => run,
        Err(error) => {
            say(out, &json!({"error": error.to_string()}))?;
            return Ok(false);
        }
    };
    say(out, &run.place())?;
    for line in lines.lines() {
        let line = line?;
        let mut words = line.split_whitespace();
        let Some(command) = words.next() else { continue };
        let numbers: Result<Vec<usize>, _> = words.map(str::parse).collect();
        let answer = match numbers {
            Ok(numbers) => run.obey(command, &numbers).unwrap_or_else(|error| json!({"error": error})),
            Err(_) => json!({"error": "members have numbers, from 1"}),
        };
        say(out, &answer)?;
    }
    Ok(true)
}

fn say(out: &mut dyn Write, answer: &Value) -> io::Result<()> {
    writeln!(out, "{answer}")?;
    out.flush()
}

impl Run {
    fn start(wanted: Wanted) -> Result<Self, TestingError> {
        let Wanted { members, port, data_dir, config, settings } = wanted;
        if let Some(members) = members {
            let settings: Vec<(&str, &str)> =
                settings.iter().map(|(key, value)| (&**key, &**value)).collect();
            let ensemble = TestingEnsemble::with_settings(members, &settings)?;
            return Ok(Self::Ensemble { ensemble, members });
        }
        let mut builder: Builder = TestingServer::builder().port(port.unwrap_or(0));
        if let Some(dir) = data_dir {
            builder = builder.data_dir(dir);
        }
        if let Some(file) = config {
            builder = builder.config(file);
        }
        let builder = settings.into_iter().fold(builder, |builder, (key, value)| builder.setting(key, value));
        builder.start().map(Self::Alone)
    }

    fn place(&self) -> Value {
        match self {
            Self::Alone(server) => json!({
                "connectString": server.connect_string(), "members": [server.connect_string()],
                "dataDir": server.data_dir().display().to_string(),
            }),
            Self::Ensemble { ensemble, members } => {
                let each: Vec<_> = (1..=*members).map(|number| ensemble.connect_string_of(number)).collect();
                json!({"connectString": ensemble.connect_string(), "members": each})
            }
        }
    }

    fn obey(&mut self, command: &str, numbers: &[usize]) -> Result<Value, String> {
        let text = |error: TestingError| error.to_string();
        let done = |result: Result<(), TestingError>| result.map(|()| json!({})).map_err(text);
        match self {
            Self::Alone(server) => match (command, numbers) {
                ("stop", [] | [1]) => done(server.stop()),
                ("kill", [] | [1]) => done(server.kill()),
                ("restart", [] | [1]) => done(server.restart()),
                ("stop" | "kill" | "restart", _) => Err("there is one server".to_owned()),
                _ => Err("a server that is alone has no members".to_owned()),
            },
            Self::Ensemble { ensemble, members } => {
                if let Some(number) = numbers.iter().find(|number| !(1..=*members).contains(*number)) {
                    return Err(format!("there is no member {number}"));
                }
                match (command, numbers) {
                    ("stop", &[number]) => done(ensemble.stop(number)),
                    ("kill", &[number]) => done(ensemble.kill(number)),
                    ("restart", &[number]) => done(ensemble.restart(number)),
                    ("pause", &[number]) => {
                        ensemble.pause(number);
                        Ok(json!({}))
                    }
                    ("resume", &[number]) => {
                        ensemble.resume(number);
                        Ok(json!({}))
                    }
                    ("partition", these) => {
                        ensemble.partition(these);
                        Ok(json!({}))
                    }
                    ("heal", []) => {
                        ensemble.heal();
                        Ok(json!({}))
                    }
                    ("await", []) => done(ensemble.await_serving(&(1..=*members).collect::<Vec<_>>())),
                    ("await", these) => done(ensemble.await_serving(these)),
                    ("leader", []) => Ok(json!({"leader": ensemble.leader()})),
                    ("mode", &[number]) => Ok(json!({"mode": ensemble.mode(number)})),
                    _ => Err(format!("{command}: no command, or not of so many members")),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is answered to these lines, behind the first one.
    fn told(wanted: Wanted, lines: &str) -> Vec<String> {
        let mut out = Vec::new();
        assert!(control(wanted, &mut lines.as_bytes(), &mut out).expect("a vector is written to"));
        let text = String::from_utf8(out).expect("JSON");
        text.lines().skip(1).map(str::to_owned).collect()
    }

    #[test]
    fn a_server_is_stopped_and_started_by_lines() {
        let answers = told(Wanted::default(), "stop\nstop\n\nrestart 1\nkill\npause 1\nstop 2\nstop x\n");
        let wrong = |text: &str| format!("{{\"error\":\"{text}\"}}");
        assert_eq!(
            answers,
            [
                "{}".to_owned(),
                wrong("the server does not run"),
                "{}".to_owned(),
                "{}".to_owned(),
                wrong("a server that is alone has no members"),
                wrong("there is one server"),
                wrong("members have numbers, from 1"),
            ]
        );
    }

    #[test]
    fn an_ensemble_is_told_by_lines() {
        let wanted = Wanted { members: Some(3), ..Wanted::default() };
        let answers =
            told(wanted, "await\nkill 2\nrestart 2\nawait 2\npartition 1\nheal\nawait\npause 4\nnonsense\n");
        assert_eq!(answers[..7], vec!["{}"; 7], "{answers:?}");
        assert!(answers[7].contains("no member 4") && answers[8].contains("nonsense"), "{answers:?}");
    }

    #[test]
    fn what_cannot_be_started_is_told() {
        let mut out = Vec::new();
        let settings = vec![("tickTime".to_owned(), "soon".to_owned())];
        let wanted = Wanted { settings, ..Wanted::default() };
        assert!(!control(wanted, &mut io::empty(), &mut out).expect("a vector is written to"));
        let text = String::from_utf8(out).expect("JSON");
        assert!(text.starts_with("{\"error\":") && text.contains("tickTime"), "{text}");
    }
}
