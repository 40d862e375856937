//! The start of a container: the environment variables that two images have made known become a `zoo.cfg`, and the server is started.
//!
//! One dialect is that of the official image (`zookeeper`), the other that of Bitnami's. Which one is spoken tell the variables that
//! only one of them has.

mod bitnami;
mod official;

use super::{Terminal, ToolError, new_file::NewFile};
use std::{
    collections::BTreeMap,
    fs,
    io::Write,
    os::unix::{fs::OpenOptionsExt, process::CommandExt},
    path::{Path, PathBuf},
    process::Command,
};

/// The environment.
#[derive(Debug, Clone, Default)]
pub(super) struct Env(BTreeMap<String, String>);

impl Env {
    fn of_process() -> Self {
        let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        };
        Self(std::env::vars_os().filter_map(text).collect())
    }

    /// A variable that is set, and not to nothing.
    fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    fn or<'e>(&'e self, name: &str, default: &'e str) -> &'e str {
        self.get(name).unwrap_or(default)
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter(|(_, value)| !value.is_empty()).map(|(name, _)| name.as_str())
    }
}

/// What the variables ask for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Plan {
    /// Where `zoo.cfg` is, or is to be.
    conf_dir: PathBuf,
    data_dir: PathBuf,
    /// Directories that have to be there.
    dirs: Vec<PathBuf>,
    /// Of `zoo.cfg`, in order.
    lines: Vec<(String, String)>,
    my_id: String,
    /// `zoo_jaas.conf`.
    jaas: Option<String>,
    /// Options of a JVM: settings among them count.
    jvm_flags: Vec<String>,
    /// `RUST_LOG`, unless it is set.
    log_level: Option<String>,
    warnings: Vec<String>,
}

impl Plan {
    /// Sets a line, in its place if it is there.
    fn set(&mut self, key: impl Into<String>, value: impl Into<String>) {
        let (key, value) = (key.into(), value.into());
        match self.lines.iter_mut().find(|(there, _)| *there == key) {
            Some(line) => line.1 = value,
            None => self.lines.push((key, value)),
        }
    }

    fn text(&self) -> String {
        self.lines.iter().map(|(key, value)| format!("{key}={value}\n")).collect()
    }
}

/// Understands the variables.
fn plan(env: &Env) -> Result<Plan, String> {
    let (of_official, of_bitnami) = (official::only(env), bitnami::only(env));
    let Some(of_bitnami) = of_bitnami else { return official::plan(env) };
    let mut plan = bitnami::plan(env)?;
    if let Some(name) = of_official {
        plan.warnings.push(format!(
            "{name} has no effect: {of_bitnami} is of Bitnami's image, and this of the official one"
        ));
    }
    Ok(plan)
}

/// Makes the files that are not there yet, then becomes the server, or what `arguments` name. `print`: only tells.
pub(super) fn run(arguments: &[String], print: bool, terminal: &mut Terminal<'_>) -> Result<u8, ToolError> {
    let env = Env::of_process();
    let rest = match arguments {
        [] => &[],
        [first, rest @ ..] if is_server(first) => match rest {
            [start, rest @ ..] if start == "start-foreground" => rest,
            rest => rest,
        },
        [first, rest @ ..] if base(first) == "zkCli.sh" => {
            return become_another(own()?.arg("cli").args(rest));
        }
        [first, rest @ ..] => return become_another(Command::new(first).args(rest)),
    };
    let plan = plan(&env).map_err(ToolError::Usage)?;
    for warning in &plan.warnings {
        writeln!(terminal.err, "oxkeeper: {warning}")?;
    }
    if print {
        write!(terminal.out, "{}", plan.text())?;
        return Ok(0);
    }
    let config = write(&plan, terminal)?;
    let mut server = own()?;
    server.arg("server").args(&plan.jvm_flags);
    if plan.jaas.is_some() {
        server.arg(format!("-Djava.security.auth.login.config={}", config.with_file_name(JAAS).display()));
    }
    server.arg(&config).args(rest);
    if let Some(level) = plan.log_level.filter(|_| env.get("RUST_LOG").is_none()) {
        server.env("RUST_LOG", level);
    }
    become_another(&mut server)
}

/// The commands of the two images.
fn is_server(command: &str) -> bool {
    base(command) == "zkServer.sh" || ["/opt/bitnami/scripts/zookeeper/run.sh", "/run.sh"].contains(&command)
}

fn base(command: &str) -> &str {
    command.rsplit('/').next().unwrap_or(command)
}

fn own() -> Result<Command, ToolError> {
    let path =
        std::env::current_exe().map_err(|source| ToolError::file("find", Path::new("oxkeeper"), source))?;
    Ok(Command::new(path))
}

fn become_another(command: &mut Command) -> Result<u8, ToolError> {
    let error = command.exec();
    Err(ToolError::file("run", Path::new(command.get_program()), error))
}

/// The file of users and passwords.
const JAAS: &str = "zoo_jaas.conf";

/// Makes the files. A `zoo.cfg` that is there is somebody's own, and stays; where that directory cannot be written (a root that is
/// read-only), the files are made in the data directory, each time anew.
fn write(plan: &Plan, terminal: &mut Terminal<'_>) -> Result<PathBuf, ToolError> {
    let create =
        |dir: &Path| fs::create_dir_all(dir).map_err(|source| ToolError::file("create", dir, source));
    plan.dirs.iter().try_for_each(|dir| create(dir))?;
    let my_id = plan.data_dir.join("myid");
    if !my_id.exists() {
        save(&my_id, &format!("{}\n", plan.my_id))?;
    }
    let config = plan.conf_dir.join("zoo.cfg");
    if config.exists() {
        writeln!(
            terminal.err,
            "oxkeeper: {} is there: variables of the environment have no effect on it",
            config.display()
        )?;
        return Ok(config);
    }
    let dir = if create(&plan.conf_dir).is_ok() && configure(plan, &plan.conf_dir).is_ok() {
        plan.conf_dir.clone()
    } else {
        let dir = plan.data_dir.join("conf");
        create(&dir)?;
        configure(plan, &dir)?;
        writeln!(
            terminal.err,
            "oxkeeper: {} cannot be written; the configuration is in {}",
            plan.conf_dir.display(),
            dir.display()
        )?;
        dir
    };
    Ok(dir.join("zoo.cfg"))
}

/// Writes the files of the configuration. `zoo.cfg` is the last: with it, nothing is missing.
fn configure(plan: &Plan, dir: &Path) -> Result<(), ToolError> {
    if let Some(jaas) = &plan.jaas {
        let path = dir.join(JAAS);
        let write = || {
            // Nobody else may read it, from its beginning on.
            drop(fs::remove_file(&path));
            let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o400).open(&path)?;
            file.write_all(jaas.as_bytes())?;
            file.sync_all()
        };
        write().map_err(|source| ToolError::file("write", &path, source))?;
    }
    save(&dir.join("zoo.cfg"), &plan.text())
}

fn save(path: &Path, text: &str) -> Result<(), ToolError> {
    let mut file = NewFile::replace(path)?;
    file.write(text.as_bytes())?;
    file.finish(0)
}

#[cfg(test)]
mod tests;
