//! The commands that need a session, each with its usage (`CommandFactory`).

mod reads;
mod watches;
mod writes;

use super::{
    answer::Answer,
    complaint::Complaint,
    options::{self, Given, Opt},
    quota,
};
use crate::client::Session;

/// A command.
pub(super) struct Command {
    name: &'static str,
    /// Its options and words.
    usage: &'static str,
    /// Its options with what they do, where the official shell says that.
    help: &'static str,
    options: &'static [Opt],
    /// So many words it needs, itself among them.
    words: usize,
    act: fn(&Session, &Given, &mut Answer<'_, '_>) -> Result<(), Complaint>,
}

impl Command {
    const fn new(
        name: &'static str,
        usage: &'static str,
        options: &'static [Opt],
        words: usize,
        act: fn(&Session, &Given, &mut Answer<'_, '_>) -> Result<(), Complaint>,
    ) -> Self {
        Self { name, usage, help: "", options, words, act }
    }

    const fn with_help(self, help: &'static str) -> Self {
        Self { help, ..self }
    }

    /// Understands the words, and does it.
    pub(super) fn run(
        &self,
        session: &Session,
        words: &[String],
        answer: &mut Answer<'_, '_>,
    ) -> Result<(), Complaint> {
        let given = options::parse(words, self.options).map_err(Complaint::said)?;
        if given.words.len() < self.words {
            return Err(self.misused());
        }
        match (self.act)(session, &given, answer) {
            // A command that finds its words wrong says no more than that.
            Err(Complaint::Said { text, .. }) if text.is_empty() => Err(self.misused()),
            result => result,
        }
    }

    fn misused(&self) -> Complaint {
        let Self { name, usage, help, .. } = self;
        Complaint::said(format!("{name} {usage}{help}"))
    }
}

/// The words of a command are wrong: its usage is said.
fn misused() -> Complaint {
    Complaint::said("")
}

/// Those of the shell itself.
const OWN: [(&str, &str); 5] =
    [("connect", "host:port"), ("history", ""), ("printwatches", "on|off"), ("quit", ""), ("redo", "cmdno")];

static COMMANDS: &[Command] = &[
    Command::new("addWatch", watches::ADD_USAGE, watches::ADD, 2, watches::add),
    Command::new("addauth", "scheme auth", &[], 2, writes::add_auth),
    Command::new("close", "", &[], 0, writes::close),
    Command::new("config", "[-c] [-w] [-s]", reads::CONFIG, 1, reads::config),
    Command::new("create", "[-s] [-e] [-c] [-t ttl] path [data] [acl]", writes::CREATE, 2, writes::create),
    Command::new("delete", "[-v version] path", writes::DELETE, 2, writes::delete),
    Command::new("deleteall", "path [-b batch size]", writes::DELETE_ALL, 2, writes::delete_all),
    Command::new("delquota", "[-n|-b|-N|-B] path", quota::DELETE, 2, quota::delete),
    Command::new("get", "[-s] [-w] [-b] [-x] path", reads::GET, 2, reads::get).with_help(reads::GET_HELP),
    Command::new("getAcl", "[-s] path", reads::GET_ACL, 2, reads::get_acl),
    Command::new("getAllChildrenNumber", "path", &[], 2, reads::all_children_number),
    Command::new("getEphemerals", "path", &[], 0, reads::ephemerals),
    Command::new("listquota", "path", &[], 2, quota::list),
    Command::new("ls", "[-s] [-w] [-R] path", reads::LS, 2, reads::ls),
    Command::new("reconfig", writes::RECONFIG_USAGE, writes::RECONFIG, 1, writes::reconfig),
    Command::new("removewatches", "path [-c|-d|-a] [-l]", watches::REMOVE, 2, watches::remove),
    Command::new("set", "path data [-s] [-v version] [-b]", writes::SET, 3, writes::set)
        .with_help(writes::SET_HELP),
    Command::new("setAcl", "[-s] [-v version] [-R] path acl", writes::SET_ACL, 3, writes::set_acl),
    Command::new("setquota", quota::SET_USAGE, quota::SET, 1, quota::set),
    Command::new("stat", "[-w] path", reads::STAT, 2, reads::stat),
    Command::new("sync", "path", &[], 2, reads::sync),
    Command::new("version", "", &[], 1, reads::version),
    Command::new("whoami", "", &[], 0, reads::who_am_i),
];

/// The command of that name.
pub(super) fn find(name: &str) -> Option<&'static Command> {
    COMMANDS.iter().find(|command| command.name == name)
}

/// All names, sorted.
pub(super) fn names() -> Vec<&'static str> {
    all().into_iter().map(|(name, _)| name).collect()
}

/// What the official shell says of all commands when it does not know one.
pub(super) fn usage() -> String {
    let lines = all().into_iter().map(|(name, usage)| format!("\t{name} {usage}\n"));
    std::iter::once("ZooKeeper -server host:port -client-configuration properties-file cmd args\n".to_owned())
        .chain(lines)
        .collect()
}

fn all() -> Vec<(&'static str, &'static str)> {
    let commands = COMMANDS.iter().map(|command| (command.name, command.usage));
    let mut all: Vec<_> = commands.chain(OWN).collect();
    all.sort_unstable();
    all
}

/// A version behind `-v`; -1 for any.
fn version(given: &Given) -> Result<i32, Complaint> {
    let number =
        |text: &str| text.parse().map_err(|_| Complaint::said(format!("-v: {text:?} is not a version")));
    given.value("v").map_or(Ok(-1), number)
}
