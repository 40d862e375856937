//! Replays the corpora of the fuzzers (`fuzz/corpus/<target>/`) on a stable compiler, and what is made of them by simple
//! changes. `FUZZ_SEEDS=1` writes the seeds anew.
#![allow(clippy::unwrap_used, reason = "all of it is a test")]

#[path = "../fuzz/src/seeds.rs"]
#[allow(unreachable_pub, reason = "shared with the fuzzers")]
mod seeds;
#[path = "../fuzz/src/targets.rs"]
#[allow(unreachable_pub, reason = "shared with the fuzzers")]
mod targets;

use std::{fs, path::PathBuf};

/// A target's folder.
fn corpus(target: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target)
}

/// The seeds of a target are what is checked in; every file is replayed, whole, cut and with changed bytes.
fn replay(target: &str, run: fn(&[u8])) {
    let dir = corpus(target);
    if std::env::var_os("FUZZ_SEEDS").is_some() {
        fs::create_dir_all(&dir).unwrap();
        for (index, seed) in seeds::of(target).iter().enumerate() {
            fs::write(dir.join(format!("seed-{index:02}")), seed).unwrap();
        }
    }
    for (index, seed) in seeds::of(target).iter().enumerate() {
        let written = fs::read(dir.join(format!("seed-{index:02}"))).expect("run once with FUZZ_SEEDS=1");
        assert_eq!(written, *seed, "seed {index} of {target}");
    }
    let mut files: Vec<_> = fs::read_dir(&dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    for file in files {
        let content = fs::read(&file).unwrap();
        println!("{}", file.display());
        run(&content);
        changed(&content, run);
    }
}

/// Some cuts, and some bytes set to what is often wrong.
fn changed(content: &[u8], run: fn(&[u8])) {
    let step = content.len().div_ceil(60).max(1);
    for at in (0..content.len()).step_by(step) {
        run(&content[..at]);
        for byte in [0, 1, 0x7f, 0xff] {
            let mut other = content.to_vec();
            other[at] = byte;
            run(&other);
        }
    }
}

macro_rules! replay {
    ($($target:ident)*) => {$(
        #[test]
        fn $target() {
            replay(stringify!($target), targets::$target);
        }
    )*};
}

replay! { handshake request txn multi frame quorum election log_file snapshot_file zoo_cfg membership node store jaas login }

#[test]
fn every_fuzzer_is_replayed() {
    let dir = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fuzz/fuzz_targets");
    let mut names: Vec<_> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned())
        .collect();
    names.sort();
    assert_eq!(
        names,
        [
            "election",
            "frame",
            "handshake",
            "jaas",
            "log_file",
            "login",
            "membership",
            "multi",
            "node",
            "quorum",
            "request",
            "snapshot_file",
            "store",
            "txn",
            "zoo_cfg"
        ]
    );
}

#[test]
fn files_of_the_official_server_are_good_inputs() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/storage_official");
    for release in fs::read_dir(root).unwrap() {
        for file in fs::read_dir(release.unwrap().path()).unwrap() {
            let path = file.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            let content = fs::read(&path).unwrap();
            let packing = if name.ends_with(".gz") { 1 } else { u8::from(name.ends_with(".snappy")) * 2 };
            match name.split('.').next() {
                Some("log") => targets::log_file(&content),
                Some("snapshot") => targets::snapshot_file(&[&[packing], &content[..]].concat()),
                _ => {}
            }
        }
    }
}
