//! The command line of the binary: what it prints, and how it ends, when no server comes of it.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::process::{Command, Output};

fn run(arguments: &[&str]) -> Output {
    // What is no mistake would serve for ever: nothing here may come to that.
    Command::new(env!("CARGO_BIN_EXE_oxkeeper")).args(arguments).env_remove("RUST_LOG").output().unwrap()
}

#[test]
fn wrong_usage_is_told_in_three_lines() {
    for (arguments, problem) in [
        (&["start"][..], "unknown command start"),
        (&["server", "--quick"], "unknown option --quick"),
        (&["server", "1", "2", "3", "4", "5"], "unexpected argument 5"),
        (&["-D", "server"], "-D needs KEY=VALUE"),
    ] {
        let output = run(arguments);
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{text}");
        assert!(text.starts_with(&format!("oxkeeper: {problem}")), "{text}");
        assert_eq!(text.lines().count(), 3, "{text}");
    }
}

#[test]
fn settings_and_version_are_printed() {
    let settings = run(&["settings", "zookeeper.snapCount"]);
    let text = String::from_utf8(settings.stdout).unwrap();
    assert!(settings.status.success() && text.starts_with("  snapCount = 100000\n"), "{text}");
    let unknown = run(&["settings", "snapcount"]);
    assert_eq!(unknown.status.code(), Some(2));
    assert!(String::from_utf8(unknown.stderr).unwrap().contains("did you mean snapCount?"));
    let version = String::from_utf8(run(&["--version"]).stdout).unwrap();
    assert!(version.starts_with(concat!("oxkeeper ", env!("CARGO_PKG_VERSION"), "-")), "{version}");
}

#[test]
fn a_refusal_names_all_that_is_wrong_whatever_the_level() {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("my.cfg");
    std::fs::write(&config, "datadir=/d\nclientPort=0\ntickTime=abc\ninitLimit=ten\n").unwrap();
    let config = config.display().to_string();
    for (level, warned) in [("info", true), ("warning", true), ("error", false), ("tokio=info", false)] {
        let output = Command::new(env!("CARGO_BIN_EXE_oxkeeper"))
            .args(["-Xmx1g", "-Dsun.x=1", &config])
            .env("RUST_LOG", level)
            .output()
            .unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{level}: {text}");
        let errors = [":3: tickTime: bad value", ":4: initLimit: bad value", "is datadir meant for it"];
        let warnings = ["did you mean dataDir?", "-Xmx1g: for the JVM only", "sun.x: no effect"];
        assert!(errors.iter().all(|words| text.contains(words)), "{level}: {text}");
        assert_eq!(warnings.iter().all(|words| text.contains(words)), warned, "{level}: {text}");
        assert_eq!(text.contains("RUST_LOG"), level == "warning", "{text}");
    }
}

#[test]
fn a_configuration_is_checked_without_a_server() {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("zoo.cfg");
    let path = config.display().to_string();
    std::fs::write(&config, "dataDir=/d\nclientPort=2181\nssl.keyStore.password=secret\nsnapCount=7\n")
        .unwrap();
    let good = run(&["check-config", "-Dzookeeper.tickTime=50", &path]);
    let text = String::from_utf8(good.stdout).unwrap();
    assert_eq!(good.status.code(), Some(0), "{text}");
    for line in [
        format!("snapCount = 7  <- {path}:4"),
        "tickTime = 50  <- command line".to_owned(),
        format!("ssl.keyStore.password = ********  <- {path}:3"),
        "maxClientCnxns = 60".to_owned(),
    ] {
        assert!(text.lines().any(|it| it == line), "{line} is not in {text}");
    }
    assert!(
        text.ends_with("warnings: a server starts with it\n") && !dir.path().join("d").exists(),
        "{text}"
    );

    std::fs::write(&config, "dataDir=/d\nclientPort=many\nsnapcount=7\n").unwrap();
    let bad = run(&["check-config", "--json", &path]);
    assert_eq!(bad.status.code(), Some(2));
    let told: serde_json::Value = serde_json::from_slice(&bad.stdout).unwrap();
    assert!(told["errors"][0].as_str().unwrap().contains("clientPort: bad value"), "{told}");
    assert!(told["warnings"][0].as_str().unwrap().contains("did you mean snapCount?"), "{told}");
    assert_eq!(run(&["check-config", "/nowhere/zoo.cfg"]).status.code(), Some(2));
}
