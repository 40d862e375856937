//! What the binary says of its own making: when it was built, and from which commit.

use std::process::Command;

const UNKNOWN: &str = "unknown";

fn main() {
    for place in ["src", "codec/src", "Cargo.toml", "Cargo.lock"] {
        println!("cargo::rerun-if-changed={place}");
    }
    // A commit changes no source, and is what is asked for all the same.
    for name in ["HEAD", "logs/HEAD"] {
        if let Some(path) =
            git(&["rev-parse", "--git-path", name]).filter(|path| std::path::Path::new(path).exists())
        {
            println!("cargo::rerun-if-changed={path}");
        }
    }
    println!("cargo::rerun-if-env-changed=SOURCE_DATE_EPOCH");
    println!("cargo::rustc-env=OXKEEPER_COMMIT={}", commit().unwrap_or_else(|| UNKNOWN.to_owned()));
    println!("cargo::rustc-env=OXKEEPER_BUILT={}", utc(built()));
}

/// The commit of the sources, with a `+` when they differ from it. Nothing in a source archive, also when that lies in
/// the repository of somebody else.
fn commit() -> Option<String> {
    let top = std::fs::canonicalize(git(&["rev-parse", "--show-toplevel"])?).ok()?;
    let here = std::fs::canonicalize(std::env::var_os("CARGO_MANIFEST_DIR")?).ok()?;
    if top != here {
        return None;
    }
    git(&["describe", "--always", "--exclude=*", "--abbrev=12", "--dirty=+"])
}

fn git(arguments: &[&str]) -> Option<String> {
    let output =
        Command::new("git").args(arguments).output().ok().filter(|output| output.status.success())?;
    let text = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    Some(text).filter(|text| !text.is_empty())
}

/// Seconds since 1970: now, or what whoever wants the same binary twice has set.
fn built() -> i64 {
    let set = std::env::var("SOURCE_DATE_EPOCH").ok().and_then(|text| text.trim().parse().ok());
    #[expect(clippy::disallowed_methods, reason = "a build happens at a time")]
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    set.unwrap_or_else(|| now.map_or(0, |now| i64::try_from(now.as_secs()).unwrap_or(0)))
}

/// As in the version line of the official server.
fn utc(seconds: i64) -> String {
    let (mut year, mut day) = (1970, seconds.div_euclid(86_400));
    let minute = seconds.rem_euclid(86_400) / 60;
    let leap = |year: i64| (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    while day >= 365 + i64::from(leap(year)) {
        day -= 365 + i64::from(leap(year));
        year += 1;
    }
    let mut month = 1;
    for days in [31, 28 + i64::from(leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if day < days {
            break;
        }
        day -= days;
        month += 1;
    }
    format!("{year}-{month:02}-{:02} {:02}:{:02} UTC", day + 1, minute / 60, minute % 60)
}
