//! The tools of the binary, on files that official servers wrote.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use oxkeeper::testing::Reserved;
use serde_json::Value;
use std::{
    fs,
    io::{Read, Write},
    net::{Ipv4Addr, TcpStream},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

/// Output and exit code.
fn run(arguments: &[&str]) -> (String, Option<i32>) {
    let output = Command::new(env!("CARGO_BIN_EXE_oxkeeper")).args(arguments).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
    (text, output.status.code())
}

/// The same, where it is good; one JSON object on each line.
fn objects(arguments: &[&str]) -> Vec<Value> {
    let (text, code) = run(arguments);
    assert_eq!(code, Some(0), "{text}");
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn written(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/storage_official/3.9.5").join(name)
}

/// A copy of a file, changed, in a directory of its own.
fn changed(name: &str, change: impl FnOnce(&mut Vec<u8>)) -> (tempfile::TempDir, String) {
    let dir = tempfile::tempdir().unwrap();
    let mut content = fs::read(written(name)).unwrap();
    change(&mut content);
    let path = dir.path().join(name);
    fs::write(&path, content).unwrap();
    let path = path.display().to_string();
    (dir, path)
}

#[test]
fn a_log_is_dumped_verified_mended_and_chopped() {
    let (_dir, log) = changed("log.1", |_| {});
    let dumped = objects(&["txnlog", "dump", "--json", &log]);
    let verified = objects(&["txnlog", "verify", "--json", &log]);
    assert_eq!(verified[0]["entries"], dumped.len());
    assert_eq!(
        (&verified[0]["first"], &verified[0]["problems"]),
        (&dumped[0]["zxid"], &Value::Array(vec![]))
    );
    let create = dumped.iter().find(|object| object["type"] == "create" && object["path"] == "/a").unwrap();
    assert_eq!(create["acl"][0]["scheme"], "world", "{create}");

    let cut = dumped[5]["zxid"].as_str().unwrap();
    let (text, code) = run(&["txnlog", "chop", "--zxid", cut, &log, "-o", &format!("{log}.cut")]);
    assert_eq!(
        (code, text.ends_with(&format!("6 transactions, the last is {cut}\n"))),
        (Some(0), true),
        "{text}"
    );
    assert_eq!(objects(&["txnlog", "dump", "--json", &format!("{log}.cut")]), dumped[..6]);
    let (text, code) = run(&["txnlog", "chop", "--zxid", "0xffff", &log]);
    assert_eq!((code, text.contains("nothing to chop")), (Some(1), true), "{text}");
}

#[test]
fn a_log_with_a_wrong_checksum_is_told_and_mended() {
    let (_dir, log) = changed("log.1", |content| content[16 + 7] ^= 1);
    let (text, code) = run(&["txnlog", "verify", &log]);
    assert_eq!((code, text.contains("at offset 16: ")), (Some(1), true), "{text}");
    let (text, code) = run(&["txnlog", "dump", &log]);
    assert_eq!((code, text.starts_with("[at offset 16: its checksum is ")), (Some(1), true), "{text}");
    let (text, code) = run(&["txnlog", "repair", &log]);
    assert_eq!((code, text.ends_with("1 checksums set\n")), (Some(0), true), "{text}");
    let (fixed, whole) = (fs::read(format!("{log}.fixed")).unwrap(), fs::read(written("log.1")).unwrap());
    let len =
        objects(&["txnlog", "verify", "--json", &written("log.1").display().to_string()])[0]["end"].clone();
    let len = usize::try_from(len.as_u64().unwrap()).unwrap();
    assert_eq!(fixed[..len], whole[..len]);
    assert!(fixed[len..].iter().all(|&byte| byte == 0), "what follows is room");
    assert_eq!(run(&["txnlog", "repair", &log]).1, Some(1), "the file is there already");
}

#[test]
fn transactions_that_are_missing_in_a_log_are_told() {
    let (_dir, log) = changed("log.1", |content| {
        let len = usize::try_from(i32::from_be_bytes(content[24..28].try_into().unwrap())).unwrap();
        // The second entry.
        let start = 16 + 12 + len + 1;
        let len =
            usize::try_from(i32::from_be_bytes(content[start + 8..start + 12].try_into().unwrap())).unwrap();
        content.drain(start..start + 12 + len + 1);
    });
    let (text, code) = run(&["txnlog", "verify", &log]);
    assert_eq!((code, text.contains("what lies between 0x1 and 0x3 is missing")), (Some(1), true), "{text}");
}

#[test]
fn snapshots_are_shown_compared_and_verified() {
    let (left, right) =
        (written("snapshot.21").display().to_string(), written("snapshot.55").display().to_string());
    let shown = objects(&["snapshot", "show", "--json", "--data", &left]);
    assert_eq!(shown[0]["path"], "/");
    let (text, code) = run(&["snapshot", "verify", &left, &right]);
    assert_eq!(
        (code, text.lines().filter(|line| line.contains(": good, znodes ")).count()),
        (Some(0), 2),
        "{text}"
    );
    assert_eq!(run(&["snapshot", "compare", &left, &left]), ("0 differences\n".to_owned(), Some(0)));
    let (text, code) = run(&["snapshot", "compare", &left, &right]);
    assert_eq!(code, Some(1), "{text}");
    let count = |mark: &str| text.lines().filter(|line| line.starts_with(mark)).count();
    let znodes =
        |file: &str| objects(&["snapshot", "verify", "--json", file])[0]["holds"]["znodes"].as_u64().unwrap();
    assert_eq!(znodes(&left) + count("+ ") as u64 - count("- ") as u64, znodes(&right), "{text}");
    let sums = objects(&["snapshot", "summary", "--json", &right]);
    assert_eq!(
        (&sums[0]["path"], sums[0]["descendants"].as_u64()),
        (&Value::from("/"), Some(znodes(&right) - 1))
    );
    let below = objects(&["snapshot", "summary", "--json", "--depth", "1", &right]);
    assert!(below.len() < sums.len() && below.iter().all(|row| sums.contains(row)));

    let (_dir, damaged) = changed("snapshot.55", |content| content.truncate(content.len() - 30));
    let (text, code) = run(&["snapshot", "verify", &damaged]);
    assert_eq!((code, text.contains("damaged")), (Some(1), true), "{text}");
}

#[test]
fn a_data_directory_is_made_and_purged() {
    let dir = tempfile::tempdir().unwrap();
    let (config, data) = (dir.path().join("zoo.cfg"), dir.path().join("data"));
    fs::write(&config, format!("dataDir = {}\n", data.display())).unwrap();
    let config = config.display().to_string();
    let made = objects(&["init", "--json", "--myid", "7", &config]);
    assert_eq!(made[0]["dataDir"], data.display().to_string());
    assert_eq!(fs::read_to_string(data.join("myid")).unwrap(), "7\n");
    assert_eq!(run(&["init", &config]).1, Some(1), "it is there");
    for name in
        ["snapshot.0", "snapshot.21", "snapshot.3f", "snapshot.55", "log.1", "log.23", "log.41", "log.57"]
    {
        fs::copy(written(name), data.join("version-2").join(name)).unwrap();
    }
    let old = data.join("version-2/snapshot.0");
    let planned = objects(&["purge", "--dry-run", "--json", &config]);
    assert_eq!(
        planned.iter().map(|it| it["path"].as_str().unwrap()).collect::<Vec<_>>(),
        [old.display().to_string()]
    );
    assert!(old.exists());
    assert_eq!(run(&["purge", &config]), (format!("removing {}\n", old.display()), Some(0)));
    assert!(!old.exists() && data.join("version-2/log.1").exists());
    assert_eq!(run(&["purge", "-n", "2", &config]).1, Some(2));
}

#[test]
fn every_tool_tells_its_usage() {
    for tool in [
        "status",
        "clients",
        "init",
        "purge",
        "txnlog",
        "snapshot",
        "txnlog dump",
        "txnlog verify",
        "txnlog repair",
        "txnlog chop",
        "snapshot show",
        "snapshot summary",
        "snapshot compare",
        "snapshot verify",
    ] {
        let words: Vec<&str> = tool.split(' ').collect();
        let (text, code) = run(&[&words[..], &["--help"]].concat());
        assert_eq!((code, text.contains("Usage: oxkeeper")), (Some(0), true), "{text}");
        let (text, code) = run(&[&words[..], &["--nonsense"]].concat());
        assert_eq!((code, text.contains("--nonsense")), (Some(2), true), "{text}");
    }
    let (text, code) = run(&["txnlog", "verify", "/nowhere/log.1"]);
    assert_eq!((code, text.starts_with("oxkeeper: cannot read /nowhere/log.1: ")), (Some(1), true), "{text}");
}

#[test]
fn every_command_has_a_man_page_and_is_completed() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(run(&["man", dir.path().to_str().unwrap()]).1, Some(0));
    let page = |name: &str| fs::read_to_string(dir.path().join(name)).unwrap();
    // What is taken without clap is there as well.
    for command in ["server", "settings", "check-config", "txnlog", "cli"] {
        assert!(
            page("oxkeeper.1").contains(&format!("oxkeeper\\-{}(1)", command.replace('-', "\\-"))),
            "{command}"
        );
        assert!(page(&format!("oxkeeper-{command}.1")).contains("SYNOPSIS"), "{command}");
    }
    assert!(
        page("oxkeeper-txnlog-dump.1").contains("json") && !dir.path().join("oxkeeper-official.1").exists()
    );
    let words = |shell| run(&["completions", shell]).0;
    assert!(words("bash").contains("complete -F _oxkeeper"));
    assert!(words("zsh").starts_with("#compdef oxkeeper"));
    assert!(words("fish").contains("check-config"));
    assert_eq!(run(&["completions", "sh"]).1, Some(2));
}

#[test]
fn what_is_wrong_with_tls_is_named() {
    let tools: [(&[&str], i32); 2] = [
        (&["status", "--tls", "--server", "localhost:1"], 1),
        (&["cli", "-tls", "-server", "localhost:1"], 2),
    ];
    for (tool, code) in tools {
        let (text, ended) = run(&[tool, &["-Dssl.trustStore.location=/nowhere.pem"]].concat());
        assert!(
            ended == Some(code) && text.contains("ssl.trustStore.location=/nowhere.pem: cannot read it"),
            "{text}"
        );
        let (text, ended) = run(tool);
        assert!(
            ended == Some(code) && text.contains("ssl.trustStore.location is not set: it says which servers"),
            "{text}"
        );
    }
}

#[test]
fn a_backup_is_taken_continued_verified_and_restored() {
    let dir = tempfile::tempdir().unwrap();
    let name = |name: &str| dir.path().join(name).display().to_string();
    let (data, backups, into) = (name("data"), name("backups"), name("into"));
    let files = dir.path().join("data/version-2");
    fs::create_dir_all(&files).unwrap();
    // The files of an official server, at first without the end of its last log.
    let mut logs = Vec::new();
    for file in
        fs::read_dir(written("log.1").parent().unwrap()).unwrap().map(|file| file.unwrap().file_name())
    {
        let file = file.into_string().unwrap();
        if file.starts_with("log.") || file == "snapshot.0" {
            fs::copy(written(&file), files.join(&file)).unwrap();
        }
        logs.extend(file.strip_prefix("log.").map(|zxid| i64::from_str_radix(zxid, 16).unwrap()));
    }
    logs.sort_unstable();
    let last = format!("log.{:x}", logs.last().unwrap());
    let all = objects(&["txnlog", "dump", "--json", &written(&last).display().to_string()]);
    let middle = all[all.len() / 2]["zxid"].as_str().unwrap();
    let cut = files.join(&last).display().to_string();
    assert_eq!(run(&["txnlog", "chop", "--zxid", middle, &cut, "-o", &name("cut")]).1, Some(0));
    fs::rename(name("cut"), &cut).unwrap();
    let taken = &objects(&["backup", "take", "--json", &data, &backups])[0];
    assert_eq!((&taken["new"], &taken["last"]), (&Value::Bool(true), &Value::from(middle)));
    fs::copy(written(&last), &cut).unwrap();
    let taken = &objects(&["backup", "take", "--json", &data, &backups])[0];
    let end = all.last().unwrap()["zxid"].clone();
    assert_eq!(
        (&taken["new"], &taken["transactions"], &taken["last"]),
        (&Value::Bool(false), &Value::from(all.len() - all.len() / 2 - 1), &end)
    );
    let verified = &objects(&["backup", "verify", "--json", &backups])[0];
    assert_eq!((&verified["problem"], &verified["last"]), (&Value::Null, &end));
    let restored = &objects(&["restore", "--json", "--zxid", middle, &backups, &into])[0];
    assert_eq!(restored["last"], middle);
    let (text, code) = run(&["restore", &backups, &into]);
    assert_eq!((code, text.contains("is not empty")), (Some(1), true), "{text}");
}

#[test]
fn a_container_is_started_by_the_variables_of_the_official_image() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name).display().to_string();
    let ports: [Reserved; 3] = std::array::from_fn(|_| Reserved::any().unwrap());
    let [client, quorum, election] = ports.each_ref().map(Reserved::port);
    let mut command = Command::new(env!("CARGO_BIN_EXE_oxkeeper"));
    command
        .args(["container", "zkServer.sh", "start-foreground"])
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    for (name, value) in [
        ("ZOO_CONF_DIR", at("conf")),
        ("ZOO_DATA_DIR", at("data")),
        ("ZOO_DATA_LOG_DIR", at("datalog")),
        ("ZOO_ADMINSERVER_ENABLED", "false".to_owned()),
        ("ZOO_SERVERS", format!("server.3=127.0.0.1:{quorum}:{election};127.0.0.1:{client}")),
        ("ZOO_MY_ID", "3".to_owned()),
        ("JVMFLAGS", "-Xmx1g -Dzookeeper.4lw.commands.whitelist=conf".to_owned()),
    ] {
        command.env(name, value);
    }
    let mut server = command.spawn().unwrap();
    let asked = || {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, client)).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
        stream.write_all(b"conf").ok()?;
        let mut text = String::new();
        stream.read_to_string(&mut text).ok()?;
        Some(text).filter(|text| text.contains("tickTime"))
    };
    let told = (0..1000).find_map(|_| {
        std::thread::sleep(Duration::from_millis(10));
        asked()
    });
    server.kill().unwrap();
    server.wait().unwrap();
    let told = told.expect("it serves within ten seconds");
    assert!(
        told.contains(&format!("dataLogDir={}", at("datalog"))) && told.contains("maxClientCnxns=60"),
        "{told}"
    );
    assert_eq!(fs::read_to_string(at("data/myid")).unwrap(), "3\n");
    assert!(fs::read_to_string(at("conf/zoo.cfg")).unwrap().contains("tickTime=2000\n"));
}
