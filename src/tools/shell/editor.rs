//! Lines that are typed: editing, history, and completion of commands and paths.

use super::{Flow, Shell, commands};
use crate::{
    client::Session,
    tools::{Terminal, ToolError},
};
use rustyline::{
    CompletionType, Config, Context, Editor, Helper, Highlighter, Hinter, Validator,
    completion::Completer,
    error::ReadlineError,
    history::{FileHistory, History},
};
use std::{cell::RefCell, io, path::PathBuf, rc::Rc};

/// So many lines are kept for the next shell.
const KEPT: usize = 1000;

/// Takes lines until there are no more, or `quit`.
pub(super) fn edit(shell: &mut Shell, terminal: &mut Terminal<'_>) -> Result<(), ToolError> {
    let config = Config::builder()
        .completion_type(CompletionType::List)
        .max_history_size(KEPT)
        .map_err(failed)?
        .history_ignore_dups(true)
        .map_err(failed)?
        .build();
    let mut editor = Editor::<Completion, FileHistory>::with_config(config).map_err(failed)?;
    // The editor has it while a line is typed, the shell while a command runs.
    let session: Rc<RefCell<Option<Session>>> = Rc::default();
    editor.set_helper(Some(Completion { session: Rc::clone(&session) }));
    let kept = history_file();
    if let Some(kept) = &kept {
        drop(editor.load_history(kept));
    }
    loop {
        let prompt = shell.prompt();
        session.replace(shell.session.take());
        shell.screen.is_typed_at(true);
        let line = editor.readline(&prompt);
        shell.screen.is_typed_at(false);
        shell.session = session.take();
        match line {
            Ok(line) => {
                // Who is identified how is nobody's business afterwards.
                if !line.trim().is_empty() && !line.trim_start().starts_with("addauth") {
                    drop(editor.add_history_entry(line.as_str()));
                }
                let flow = shell.line(line.trim(), terminal)?;
                terminal.out.flush()?;
                if flow == Flow::Quit {
                    break;
                }
            }
            // As in other shells: the line is given up.
            Err(ReadlineError::Interrupted) => {}
            Err(ReadlineError::Eof) => break,
            Err(error) => return Err(failed(error)),
        }
    }
    if let Some(kept) = kept
        && !editor.history().is_empty()
    {
        drop(editor.save_history(&kept));
    }
    Ok(())
}

fn failed(error: ReadlineError) -> ToolError {
    ToolError::Output(io::Error::other(error))
}

/// `~/.oxkeeper_history`, or what `OXKEEPER_HISTORY` names; empty for none.
fn history_file() -> Option<PathBuf> {
    match std::env::var_os("OXKEEPER_HISTORY") {
        Some(name) => (!name.is_empty()).then(|| PathBuf::from(name)),
        None => Some(PathBuf::from(std::env::var_os("HOME")?).join(".oxkeeper_history")),
    }
}

/// Completes the name of a command, and the path of a znode.
#[derive(Helper, Hinter, Highlighter, Validator)]
struct Completion {
    session: Rc<RefCell<Option<Session>>>,
}

impl Completer for Completion {
    type Candidate = String;

    fn complete(
        &self,
        line: &str,
        pos: usize,
        _ctx: &Context<'_>,
    ) -> rustyline::Result<(usize, Vec<String>)> {
        let before = &line[..pos];
        let at = before.rfind(char::is_whitespace).map_or(0, |at| at + 1);
        let word = &before[at..];
        if !word.starts_with('/') {
            let is_command = before[..at].trim().is_empty();
            let names = commands::names().into_iter().filter(|name| is_command && name.starts_with(word));
            return Ok((at, names.map(|name| format!("{name} ")).collect()));
        }
        let session = self.session.borrow();
        let Some(session) = session.as_ref().filter(|session| session.state().is_alive()) else {
            return Ok((at, Vec::new()));
        };
        let (parent, name) = word.rsplit_once('/').unwrap_or(("", word));
        let children = session.get_children(if parent.is_empty() { "/" } else { parent }, false);
        let names = children.map_or_else(|_| Vec::new(), |(children, _)| children);
        let names = names.into_iter().filter(|child| child.starts_with(name));
        Ok((at, names.map(|child| format!("{parent}/{child}")).collect()))
    }
}
