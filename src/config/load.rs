//! The one place of this module that reads files: `zoo.cfg`, the dynamic file it names, and `myid`.

use std::path::Path;

use super::error::{ConfigError, Origin, Refusal};
use super::settings::Settings;
use super::{Check, Config, DynamicFiles, build, secrets, table};
use crate::membership::Membership;
use crate::properties;

/// Reads a configuration. `overrides` are keys and values from the command line, which win over the file.
pub(super) fn load(path: &Path, overrides: &[(String, String)]) -> Result<Config, Refusal> {
    let (settings, text) = gather(path, overrides)?;
    finish(path, settings, &text)
}

/// What a configuration means, without a server: every setting that counts, and what is to be said about them.
pub(super) fn check(path: &Path, overrides: &[(String, String)]) -> Check {
    match gather(path, overrides) {
        Ok((settings, text)) => {
            let effective = settings.effective();
            Check {
                settings: effective,
                outcome: finish(path, settings, &text).map(|config| config.warnings),
            }
        }
        Err(refusal) => Check { settings: Vec::new(), outcome: Err(refusal) },
    }
}

/// All that was written, and the text of the file.
fn gather(path: &Path, overrides: &[(String, String)]) -> Result<(Settings, String), Refusal> {
    let mut settings = Settings::default();
    let text = read(path, "configuration file")?;
    settings.add_file(&path.display().to_string(), &text)?;
    settings.add_all(overrides.iter().map(|(key, value)| (&**key, &**value)), &Origin::CommandLine);
    if let Some(dynamic) = settings.given(&table::ensemble::DYNAMIC_CONFIG_FILE)?
        && let Err(error) = add_dynamic_file(&mut settings, Path::new(&dynamic))
    {
        // Who the members are is not known then, and so not what would be missing.
        settings.errors.push(error);
        return Err(settings.refusal());
    }
    Ok((settings, text))
}

/// The configuration that they make, with what belongs to it.
fn finish(path: &Path, mut settings: Settings, text: &str) -> Result<Config, Refusal> {
    // Without a data directory there is no number; that is an error of its own.
    let my_id = build::data_dir(&settings).map_or(Ok(None), |dir| my_id(&dir.join("myid")));
    let my_id = my_id.unwrap_or_else(|error| {
        settings.errors.push(error);
        None
    });
    let mut config = build::build(settings, my_id)?;
    config.operator.written.file = secrets::without_secrets(text);
    if let Some(ensemble) = &mut config.ensemble {
        let files = DynamicFiles::beside(path);
        if ensemble.dynamic_file.is_some() {
            ensemble.last_seen = next_membership(&files.next())?;
        }
        ensemble.files = Some(files);
    }
    Ok(config)
}

/// What stands beside `zoo.cfg` while a change is under way. As officially, one that cannot be read does not count, and
/// one that makes no sense is refused.
fn next_membership(path: &Path) -> Result<Option<Membership>, ConfigError> {
    let Ok(text) = read(path, "next dynamic configuration file") else { return Ok(None) };
    let origin = Origin::File { file: path.display().to_string().into(), line: 1 };
    let membership = Membership::parse(&text);
    membership.map(Some).map_err(|error| ConfigError::Syntax { origin, problem: error.to_string() })
}

fn add_dynamic_file(settings: &mut Settings, path: &Path) -> Result<(), ConfigError> {
    settings.add_dynamic_file(&path.display().to_string(), &read(path, "dynamic configuration file")?)
}

fn read(path: &Path, what: &'static str) -> Result<String, ConfigError> {
    let unreadable = |source| ConfigError::Unreadable { what, path: path.to_owned(), source };
    std::fs::read(path).map(|bytes| properties::decode_latin1(&bytes)).map_err(unreadable)
}

/// The server's own number. A standalone server needs none, but one that is there must be a number. What is wrong
/// with its directory is found when the data is looked for.
fn my_id(path: &Path) -> Result<Option<i64>, ConfigError> {
    if !path.is_file() {
        return Ok(None);
    }
    let unreadable = |source| ConfigError::Unreadable { what: "myid file", path: path.to_owned(), source };
    let text = std::fs::read_to_string(path).map_err(unreadable)?;
    let first = text.lines().next().unwrap_or_default().trim();
    match first.parse() {
        Ok(id) => Ok(Some(id)),
        Err(_) => Err(ConfigError::BadValue {
            key: "myid".to_owned(),
            origin: Origin::File { file: path.display().to_string().into(), line: 1 },
            value: first.to_owned(),
            allowed: "a whole number".to_owned(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Loads `zoo.cfg` from a folder with these files; `DIR` in a text stands for the folder.
    fn load_from(files: &[(&str, &str)]) -> Result<Config, String> {
        let dir = tempfile::tempdir().expect("a scratch folder");
        let path = dir.path().display().to_string();
        for (name, text) in files {
            std::fs::write(dir.path().join(name), text.replace("DIR", &path)).expect("a scratch file");
        }
        load(&dir.path().join("zoo.cfg"), &[]).map_err(|refusal| refusal.to_string().replace(&path, "DIR"))
    }

    fn check(files: &[(&str, &str)], expected: Result<u16, &str>) {
        let port = load_from(files).map(|config| config.client.port);
        assert_eq!(
            port.as_ref().map(|&port| port).map_err(String::as_str),
            expected.map(Some),
            "for {files:?}"
        );
    }

    #[test]
    fn a_plain_file() {
        check(&[("zoo.cfg", "dataDir=DIR\nclientPort=21")], Ok(21));
        check(&[], Err("cannot read configuration file DIR/zoo.cfg: No such file or directory (os error 2)"));
    }

    /// The container image of Apache writes its client port only into the server's own line.
    #[test]
    fn the_port_of_the_own_line() {
        let text = "dataDir=DIR\nserver.1=h:2888:3888;2181";
        check(&[("zoo.cfg", text), ("myid", "1\n")], Ok(2181));
        assert!(
            load_from(&[("zoo.cfg", text)])
                .is_err_and(|error| error.starts_with("DIR/zoo.cfg: clientPort is not set"))
        );
        assert!(load_from(&[("zoo.cfg", text), ("myid", "2")]).is_err());
        let both = format!("{text}\nclientPort=");
        check(&[("zoo.cfg", &format!("{both}2181")), ("myid", "1")], Ok(2181));
        let differs =
            "DIR/zoo.cfg:3: clientPort: differs from the client address in this server's server.N line";
        check(&[("zoo.cfg", &format!("{both}2182")), ("myid", "1")], Err(differs));
        check(&[("zoo.cfg", &format!("{both}2182"))], Ok(2182));
    }

    #[test]
    fn myid_is_a_number() {
        let bad = "DIR/myid:1: myid: bad value \"one\"; allowed: a whole number";
        check(&[("zoo.cfg", "dataDir=DIR\nclientPort=21"), ("myid", "one")], Err(bad));
    }

    #[test]
    fn a_data_directory_that_is_a_file_has_no_myid() {
        check(&[("zoo.cfg", "dataDir=DIR/f\nclientPort=21"), ("f", "")], Ok(21));
    }

    #[test]
    fn a_dynamic_file() {
        let zoo = ("zoo.cfg", "dataDir=DIR\ndynamicConfigFile=DIR/zoo.cfg.dynamic.100");
        let name = "zoo.cfg.dynamic.100";
        check(&[zoo, (name, "server.1=h:1:2;3"), ("myid", "1")], Ok(3));
        let only = "DIR/zoo.cfg.dynamic.100:1: clientPort: a dynamic configuration file has server, group and \
                    weight lines only";
        check(&[zoo, (name, "clientPort=3")], Err(only));
        let static_member = ("zoo.cfg", "dataDir=DIR\ndynamicConfigFile=DIR/d\nserver.1=h:1:2;3");
        let moved = "DIR/zoo.cfg:3: server.1: must be in the dynamic configuration file, since there is one";
        check(&[static_member, ("d", "")], Err(moved));
        let missing = "cannot read dynamic configuration file DIR/zoo.cfg.dynamic.100: No such file or directory \
                       (os error 2)";
        check(&[zoo], Err(missing));
    }
}
