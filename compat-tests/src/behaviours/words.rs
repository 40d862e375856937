//! Four-letter words (180 and four-letter-words.md).

use super::setups::{FRESH, PLAIN, WHITELIST};
use super::{Case, Ctx, case, ensure, same, wait_until};
use crate::client::{Client, OPEN, Outcome};
use crate::metrics::excused;
use crate::requests::{create_body, m_create};
use crate::wire::{Conn, Out, PATIENCE, word};
use std::fmt::Write as _;
use std::time::Duration;

pub(super) const CASES: &[Case] = &[
    case("words-in-pieces", &[180], &PLAIN, pieces),
    case("words-after-a-session", &[180], &PLAIN, after_session),
    case("words-whitelist", &[180], &WHITELIST, whitelist),
    case("words-small-answers", &[180], &PLAIN, small),
    case("words-srvr-and-stat", &[180], &FRESH, server_blocks),
    case("words-cons-and-dump", &[180], &FRESH, connections),
    case("words-watches", &[180], &FRESH, watches),
    case("words-conf-and-envi", &[180], &FRESH, environment),
    case("words-mntr", &[180], &FRESH, monitor),
    case("words-hash", &[180], &FRESH, digests),
];

const WORDS: [&str; 18] = [
    "ruok", "isro", "srvr", "stat", "conf", "cons", "crst", "srst", "dirs", "dump", "envi", "mntr", "wchs",
    "wchc", "wchp", "hash", "gtmk", "stmk",
];

/// Enough to be told from what a few words add to a counter.
const PINGS: u32 = 200;

fn ask(t: &Ctx<'_>, name: &str) -> Outcome<String> {
    Ok(String::from_utf8_lossy(&word(t.server.addr, name.as_bytes())?).into_owned())
}

/// Every number becomes N, decimal fractions too, hexadecimal ones 0xN.
fn numbers_hidden(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(|c: char| c.is_ascii_digit()) {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let hex = rest.strip_prefix("0x");
        let end = |s: &str, ok: fn(char) -> bool| s.find(|c: char| !ok(c)).unwrap_or(s.len());
        if let Some(digits) = hex {
            out.push_str("0xN");
            rest = &digits[end(digits, |c| c.is_ascii_hexdigit())..];
        } else {
            out.push('N');
            rest = &rest[end(rest, |c| c.is_ascii_digit())..];
            if let Some(fraction) =
                rest.strip_prefix('.').filter(|s| s.starts_with(|c: char| c.is_ascii_digit()))
            {
                rest = &fraction[end(fraction, |c| c.is_ascii_digit())..];
            }
        }
    }
    out + rest
}

/// Waits until a connection has counted as many answers as its client has read: the official server counts them after
/// they have gone out.
fn settle(t: &Ctx<'_>, client: &Client, answers: u32) -> Outcome {
    let (port, count) = (format!(":{}[", client.conn.local_port()), format!("sent={answers},sid="));
    let settled = |text: String| text.lines().any(|line| line.contains(&port) && line.contains(&count));
    wait_until("the counters", PATIENCE, || Ok(settled(ask(t, "cons")?)))
}

fn record(t: &Ctx<'_>, label: &str, text: &str) {
    t.note(label, format!("{:?}", text));
}

fn pieces(t: &mut Ctx<'_>) -> Outcome {
    for parts in
        [&["ru", "ok"][..], &["r", "u", "o", "k"], &["ruok\r\n"], &["ruok and more"], &["ruo", "kruok"]]
    {
        let mut conn = Conn::open(t.server.addr)?;
        for part in parts {
            conn.send(part.as_bytes());
            std::thread::sleep(Duration::from_millis(30));
        }
        let answer = conn.recv_to_end(PATIENCE)?;
        record(t, &format!("{parts:?}"), &String::from_utf8_lossy(&answer));
        same("answer", &answer[..], b"imok")?;
    }
    for unknown in [&b"abcd"[..], b"RUOK", b"\r\n\r\n", b"kill", b"reqs", &[0xFF, 0xF4, 0xFF, 0xFD]] {
        let answer = word(t.server.addr, unknown)?;
        record(t, &format!("{unknown:?}"), &String::from_utf8_lossy(&answer));
        same("answer", &answer[..], b"")?;
    }
    Ok(())
}

fn after_session(t: &mut Ctx<'_>) -> Outcome {
    let mut c = t.session()?;
    c.conn.send(b"ruok");
    c.closed("a word after a session")
}

fn whitelist(t: &mut Ctx<'_>) -> Outcome {
    for name in WORDS.iter().filter(|name| **name != "srvr") {
        let answer = ask(t, name)?;
        record(t, name, &answer);
        same("notice", answer, format!("{name} is not executed because it is not in the whitelist.\n"))?;
    }
    ensure(ask(t, "srvr")?.contains("Mode: standalone\n"), || "srvr is always there".to_owned())
}

fn small(t: &mut Ctx<'_>) -> Outcome {
    for name in ["ruok", "isro", "crst", "srst", "gtmk"] {
        record(t, name, &ask(t, name)?);
    }
    record(t, "dirs", &numbers_hidden(&ask(t, "dirs")?));
    let mask = |value: i64| Out::new().raw(b"stmk").long(value).done();
    for value in [7, 306] {
        let answer = word(t.server.addr, &mask(value))?;
        record(t, &format!("stmk {value}"), &String::from_utf8_lossy(&answer));
        record(t, "gtmk", &ask(t, "gtmk")?);
    }
    Ok(())
}

/// Whether the first line is `Zookeeper version: 1.2.3-..., built on 2026-01-01 00:00 UTC`.
fn version_line(line: &str) -> bool {
    let parts = line.strip_prefix("Zookeeper version: ").and_then(|rest| rest.split_once(", built on "));
    let dotted = |v: &str| {
        let (numbers, revision) = v.split_once('-').unwrap_or_default();
        numbers.split('.').filter(|part| part.parse::<u32>().is_ok()).count() == 3 && !revision.is_empty()
    };
    parts.is_some_and(|(version, date)| dotted(version) && numbers_hidden(date) == "N-N-N N:N UTC")
}

fn server_blocks(t: &mut Ctx<'_>) -> Outcome {
    let mut c = t.session()?;
    c.create("/a", 1)?.ok()?;
    t.mute(true);
    for _ in 0..PINGS {
        c.ping()?.ok()?;
    }
    t.mute(false);
    settle(t, &c, 2 + PINGS)?;
    ask(t, "srst")?;
    c.get("/a", false)?.ok()?;
    c.ping()?.ok()?;
    settle(t, &c, 4 + PINGS)?;
    for name in ["srvr", "stat"] {
        let answer = ask(t, name)?;
        let mut lines: Vec<String> = answer.lines().map(str::to_owned).collect();
        t.fact(&format!("{name}: the version line"), lines.first().is_some_and(|line| version_line(line)))?;
        let count = |label: &str| lines.iter().find_map(|line| line.strip_prefix(label)?.parse::<u32>().ok());
        let fresh = |seen: Option<u32>| seen.is_some_and(|seen| (2..PINGS).contains(&seen));
        t.fact("Received starts again at srst", fresh(count("Received: ")))?;
        t.fact("Sent starts again at srst", fresh(count("Sent: ")))?;
        for line in &mut lines {
            if line.starts_with("Latency ") || line.starts_with(" /") {
                *line = line.replace(&c.conn.local_port().to_string(), "PORT");
            }
            // The counters include the words asked before.
            if ["Latency ", "Received: ", "Sent: "].iter().any(|label| line.starts_with(label)) {
                *line = numbers_hidden(line);
            }
            if line.contains("[0]") {
                let (head, tail) = (line.find(':').unwrap_or(0), line.find('[').unwrap_or(0));
                line.replace_range(head + 1..tail, "OWN");
            }
        }
        let clients: Vec<usize> = (0..lines.len()).filter(|n| lines[*n].starts_with(" /")).collect();
        if let (Some(first), Some(last)) = (clients.first(), clients.last()) {
            lines[*first..=*last].sort();
        }
        lines[1..].iter().for_each(|line| record(t, name, line));
        t.note(&format!("{name} ends with a line feed"), if answer.ends_with('\n') { "yes" } else { "no" });
    }
    Ok(())
}

fn connections(t: &mut Ctx<'_>) -> Outcome {
    let mut c = t.session()?;
    let mut bare = t.session()?;
    let silent = t.connect()?;
    c.create("/a", 1)?.ok()?;
    c.create("/a", 1)?.err(-110)?;
    c.exists("/b", true)?.err(-101)?;
    bare.ping()?.ok()?;
    settle(t, &c, 4)?;
    settle(t, &bare, 2)?;
    for name in ["cons", "dump"] {
        let mut answer = ask(t, name)?;
        for (which, client) in [("C1", &c), ("C2", &bare), ("C3", &silent)] {
            answer = answer.replace(&format!("127.0.0.1:{}", client.conn.local_port()), which);
            if client.welcome.session != 0 {
                answer =
                    answer.replace(&format!("0x{:x}", client.welcome.session), &format!("SESSION-{which}"));
            }
        }
        let mut lines: Vec<String> = answer.lines().map(plain_line).collect();
        if name == "cons" {
            lines.sort();
        }
        lines.retain(|line| !line.is_empty() || name != "dump");
        // Which sessions share a bucket depends on the moment; the shape of the answer does not.
        if name == "dump" {
            lines.sort();
            lines.dedup();
        }
        lines.iter().for_each(|line| record(t, name, line));
        t.note(&format!("{name} ends with a line feed"), if answer.ends_with('\n') { "yes" } else { "no" });
    }
    ask(t, "crst")?;
    let own = format!("{}", c.conn.local_port());
    let answer = ask(t, "cons")?;
    let line = answer.lines().find(|line| line.contains(&own)).unwrap_or_default();
    let shown = line.split_once('[').map_or("", |(_, rest)| rest);
    record(t, "cons after crst", &plain_line(&shown.replace(&format!("{:x}", c.welcome.session), "SESSION")));
    Ok(())
}

/// A line of `cons` or `dump` without times, ports and bucket sizes.
fn plain_line(line: &str) -> String {
    if line.contains(" expire at ") {
        let (_, date) = line.split_once(" expire at ").unwrap_or_default();
        let words = numbers_hidden(date);
        let count = words.split(' ').count();
        return format!(
            "N expire at a date of {count} words, the last is {}",
            words.rsplit(' ').next().unwrap_or_default()
        );
    }
    if let Some((_, session)) = line.split_once("ip: /127.0.0.1:").and_then(|(_, rest)| rest.split_once(' '))
    {
        return format!("\tip: OWN {session}");
    }
    if line.contains("Sets (") {
        return numbers_hidden(line);
    }
    let timed = ["est=", "lresp=", "llat=", "minlat=", "avglat=", "maxlat="];
    let fields = line.split(',').map(|field| match timed.iter().find(|name| field.starts_with(**name)) {
        Some(_) => numbers_hidden(field),
        None => field.to_owned(),
    });
    let line = fields.collect::<Vec<String>>().join(",");
    match line.find("[0](") {
        Some(at) => format!(" OWN{}", &line[at..]),
        None => line,
    }
}

fn watches(t: &mut Ctx<'_>) -> Outcome {
    for name in ["wchs", "wchc", "wchp"] {
        record(t, &format!("{name} of nothing"), &ask(t, name)?);
    }
    let mut c = t.session()?;
    let mut other = t.session()?;
    c.exists("/none", true)?.err(-101)?;
    c.get("/", true)?.ok()?;
    other.get("/", true)?.ok()?;
    other.children("/zookeeper", true)?.ok()?;
    c.add_watch("/persistent", 0)?.ok()?;
    other.add_watch("/recursive", 1)?.ok()?;
    for name in ["wchs", "wchc", "wchp"] {
        let mut answer = ask(t, name)?;
        for (which, client) in [("S1", &c), ("S2", &other)] {
            answer = answer.replace(&format!("0x{:x}", client.welcome.session), which);
        }
        // Blocks of a head line and indented lines, both without an order.
        let mut blocks: Vec<Vec<&str>> = Vec::new();
        for line in answer.lines() {
            match blocks.last_mut() {
                Some(block) if line.starts_with('\t') => block.push(line),
                _ => blocks.push(vec![line]),
            }
        }
        blocks.iter_mut().for_each(|block| block[1..].sort_unstable());
        if name != "wchs" {
            blocks.sort();
        }
        blocks.iter().for_each(|block| record(t, name, &block.join("\n")));
        t.note(&format!("{name} ends with a line feed"), if answer.ends_with('\n') { "yes" } else { "no" });
    }
    Ok(())
}

fn environment(t: &mut Ctx<'_>) -> Outcome {
    let directory = t.server.data_dir().display().to_string();
    let conf = ask(t, "conf")?.replace(&directory, "DIR").replace(&t.server.addr.port().to_string(), "PORT");
    for line in conf.lines() {
        let shown = if line.contains("Size=") { numbers_hidden(line) } else { line.to_owned() };
        record(t, "conf", &shown);
    }
    t.note("conf ends with a line feed", if conf.ends_with('\n') { "yes" } else { "no" });
    let envi = ask(t, "envi")?;
    let keys = envi.lines().map(|line| line.split('=').next().unwrap_or_default());
    for key in keys.filter(|key| !key.starts_with("java.")) {
        record(t, "envi", key);
    }
    Ok(())
}

fn monitor(t: &mut Ctx<'_>) -> Outcome {
    let mut c = t.session()?;
    c.create("/a", 0)?.ok()?;
    c.get("/a", false)?.ok()?;
    let answer = ask(t, "mntr")?;
    let mut lines = Vec::new();
    let left_out = excused()?;
    for line in answer.lines() {
        let (key, value) = line.split_once('\t').ok_or_else(|| format!("no tab in {line:?}"))?;
        if left_out.iter().any(|metric| key.contains(metric.as_str())) {
            continue;
        }
        let exact = ["zk_server_state", "zk_znode_count", "zk_ephemerals_count", "zk_num_alive_connections"];
        let mut shown = key.to_owned();
        if exact.contains(&key) {
            let _ = write!(shown, " = {value}");
        } else if key != "zk_version" {
            let number = value.parse::<f64>().is_ok();
            ensure(number, || format!("not a number: {line:?}"))?;
        }
        lines.push(shown);
    }
    t.fact("the first line is the version", answer.starts_with("zk_version\t"))?;
    lines.sort();
    lines.iter().for_each(|line| record(t, "mntr", line));
    Ok(())
}

fn digests(t: &mut Ctx<'_>) -> Outcome {
    record(t, "hash of a new server", &numbers_hidden(&ask(t, "hash")?));
    let mut c = t.session()?;
    c.multi("of one", &[m_create("/a", 0)])?.ok()?;
    t.mute(true);
    for n in 0..300 {
        c.call("create", 1, &create_body(format!("/a/{n}"), None, Some(OPEN), 0))?.ok()?;
    }
    let answer = ask(t, "hash")?;
    for line in answer.lines() {
        let (zxid, digest) = line.split_once(": ").ok_or_else(|| format!("no colon in {line:?}"))?;
        ensure(digest.parse::<i64>().is_ok() || digest.parse::<u64>().is_ok(), || line.to_owned())?;
        record(t, "hash", zxid);
    }
    Ok(())
}
