//! The shell: the commands, output and exit codes of `zkCli.sh` (`ZooKeeperMain`), one at a time or as they are typed.
//!
//! Results go to standard output, complaints to standard error, as officially; events are shown as they come. What is different is
//! listed in `docs/tools.md`: no command ends the shell with a stack trace, and complaints about options name no class.

mod answer;
mod arguments;
mod commands;
mod complaint;
mod editor;
mod options;
mod print;
mod quota;
mod screen;
mod subtree;
mod words;

use super::{Terminal, ToolError};
use crate::client::{ConnectString, EventKind, EventState, Login, Session, SessionOptions, SessionState};
use answer::Answer;
use arguments::Arguments;
use complaint::Complaint;
use screen::Screen;
use std::{io::IsTerminal, sync::mpsc, time::Duration};

/// So long an interactive shell waits for a server before the first prompt, which shows whether there is one.
const FIRST_PROMPT: Duration = Duration::from_millis(100);
/// So many earlier commands `history` shows.
const SHOWN: usize = 10;

/// Runs the shell. Returns the exit code: that of the last command.
///
/// # Errors
/// The arguments are wrong, or what is printed cannot be read.
pub(super) fn run(words: &[String], terminal: &mut Terminal<'_>) -> Result<u8, ToolError> {
    let Some(arguments) = Arguments::parse(words)? else {
        write!(terminal.out, "{}", arguments::HELP)?;
        return Ok(0);
    };
    if !arguments.as_json {
        writeln!(terminal.out, "Connecting to {}", arguments.server)?;
        terminal.out.flush()?;
    }
    let mut shell = Shell::new(arguments)?;
    let connected = shell.connect_to(None)?;
    if shell.arguments.waits && connected.recv_timeout(shell.arguments.timeout).is_err() {
        let problem =
            format!("nobody there has the session within {} ms", shell.arguments.timeout.as_millis());
        return Err(ToolError::Server { server: shell.server.clone(), problem });
    }
    let command = shell.arguments.command.clone();
    if !command.is_empty() {
        shell.obey(&command, terminal)?;
        terminal.out.flush()?;
    } else {
        if !shell.arguments.as_json {
            writeln!(terminal.out, "Welcome to ZooKeeper!")?;
            terminal.out.flush()?;
        }
        if std::io::stdin().is_terminal() && std::io::stdout().is_terminal() {
            let _ = connected.recv_timeout(FIRST_PROMPT);
            editor::edit(&mut shell, terminal)?;
        } else {
            let mut line = String::new();
            while terminal.input.read_line(&mut line)? > 0 {
                let flow = shell.line(line.trim_end_matches(['\n', '\r']), terminal)?;
                terminal.out.flush()?;
                if flow == Flow::Quit {
                    break;
                }
                line.clear();
            }
        }
    }
    Ok(shell.code)
}

/// Whether there is a next command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flow {
    Next,
    Quit,
}

/// A shell with its session.
struct Shell {
    arguments: Arguments,
    server: String,
    login: Option<Login>,
    session: Option<Session>,
    screen: Screen,
    history: Vec<String>,
    /// Of the last command.
    code: u8,
}

impl Shell {
    fn new(arguments: Arguments) -> Result<Self, ToolError> {
        let server = arguments.server.clone();
        let login = arguments.login()?;
        let screen = Screen::new(arguments.as_json);
        Ok(Self { arguments, server, login, session: None, screen, history: Vec::new(), code: 0 })
    }

    fn prompt(&self) -> String {
        let state = self.session.as_ref().map_or(SessionState::Closed, Session::state);
        format!("[zk: {}({state}) {}] ", self.server, self.history.len())
    }

    /// Ends the session, and opens one at these servers or at those from before. The first connection is told.
    fn connect_to(&mut self, server: Option<&str>) -> Result<mpsc::Receiver<()>, ToolError> {
        if let Some(session) = self.session.take() {
            session.close();
        }
        if let Some(server) = server {
            server.clone_into(&mut self.server);
        }
        let servers = ConnectString::parse(&self.server)
            .map_err(|error| ToolError::Usage(format!("{}: {error}", self.server)))?;
        let options = SessionOptions {
            servers,
            timeout: self.arguments.timeout,
            read_only: self.arguments.read_only,
            tls: self.arguments.tls()?,
            login: self.login.clone(),
        };
        let (connected, wait) = mpsc::channel();
        let screen = self.screen.clone();
        let session = Session::open(options, move |event| {
            screen.event(event);
            if event.kind == EventKind::None
                && matches!(event.state, EventState::SyncConnected | EventState::ConnectedReadOnly)
            {
                // Only the first is waited for.
                let _ = connected.send(());
            }
        })?;
        self.session = Some(session);
        Ok(wait)
    }

    /// Does what was typed.
    fn line(&mut self, line: &str, terminal: &mut Terminal<'_>) -> Result<Flow, ToolError> {
        if line.is_empty() {
            return Ok(Flow::Next);
        }
        self.history.push(line.to_owned());
        self.obey(&words::split(line), terminal)
    }

    /// What a command answers, in the form that is wanted.
    fn answer<'a, 't>(&self, terminal: &'a mut Terminal<'t>) -> Answer<'a, 't> {
        Answer::new(terminal, self.arguments.as_json)
    }

    /// Runs a command; what is wrong with it is said, and is the exit code.
    fn obey(&mut self, words: &[String], terminal: &mut Terminal<'_>) -> Result<Flow, ToolError> {
        match self.command(words, terminal) {
            Ok(Flow::Quit) => Ok(Flow::Quit),
            Ok(Flow::Next) => {
                self.code = 0;
                Ok(Flow::Next)
            }
            Err(Complaint::Output(error)) => Err(error.into()),
            Err(Complaint::Said { text, code, refused }) => {
                self.code = code;
                let reason = self.session.as_ref().and_then(Session::refusal);
                self.answer(terminal).fail(words.first(), &text, refused, reason)?;
                Ok(Flow::Next)
            }
        }
    }

    fn command(&mut self, words: &[String], terminal: &mut Terminal<'_>) -> Result<Flow, Complaint> {
        let Some(name) = words.first() else {
            return Err(Complaint::said("No command entered"));
        };
        match (name.as_str(), &words[1..]) {
            ("quit", _) => {
                if let Some(session) = &self.session {
                    session.close();
                }
                return Ok(Flow::Quit);
            }
            ("redo", [number, ..]) => return self.redo(number, terminal),
            ("redo", []) => {}
            ("history", _) => {
                let now = self.history.len().saturating_sub(1);
                let mut answer = self.answer(terminal);
                for (number, line) in self.history.iter().enumerate().skip(now.saturating_sub(SHOWN)) {
                    answer.say_each("lines", &format!("{number} - {line}"))?;
                }
                answer.end("history")?;
            }
            ("printwatches", []) => {
                let shown = if self.screen.shows_events() { "on" } else { "off" };
                let mut answer = self.answer(terminal);
                answer.say("printwatches", shown, format_args!("printwatches is {shown}"))?;
                answer.end("printwatches")?;
            }
            ("printwatches", [shown, ..]) => self.screen.show_events(shown == "on"),
            ("connect", words) => {
                let server = words.first().map(String::as_str);
                self.connect_to(server).map_err(|error| Complaint::said(error.to_string()))?;
            }
            (name, _) => {
                let Some(command) = commands::find(name) else {
                    if !self.arguments.as_json {
                        terminal.out.flush()?;
                        write!(terminal.err, "{}", commands::usage())?;
                    }
                    return Err(Complaint::not_found(name));
                };
                match self.session.as_ref().filter(|session| session.state().is_alive()) {
                    Some(session) => {
                        let mut answer = self.answer(terminal);
                        command.run(session, words, &mut answer)?;
                        answer.end(name)?;
                    }
                    None if self.arguments.as_json => return Err(Complaint::said("Not connected")),
                    None => writeln!(terminal.out, "Not connected")?,
                }
            }
        }
        Ok(Flow::Next)
    }

    /// Does once more what was typed earlier.
    fn redo(&mut self, number: &str, terminal: &mut Terminal<'_>) -> Result<Flow, Complaint> {
        let now = self.history.len().saturating_sub(1);
        let number: Option<usize> = number.parse().ok().filter(|&number| number < now);
        let Some(line) = number.and_then(|number| self.history.get(number)).cloned() else {
            return Err(Complaint::said("Command index out of range"));
        };
        let words = words::split(&line);
        if words.first().is_some_and(|name| name == "redo") {
            return Err(Complaint::said("No redoing redos"));
        }
        if let Some(last) = self.history.last_mut() {
            *last = line;
        }
        self.command(&words, terminal)
    }
}
