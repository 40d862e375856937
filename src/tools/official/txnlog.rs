//! `TxnLogToolkit`.

use super::{fail, parse};
use crate::{
    storage::{RawEnd, RawEntry, RawStep},
    tools::{
        Terminal, ToolError,
        dates::Dates,
        txnlog::{ChopError, Chopped, Gap, Log, Repair, chop, chopped_name, fixed_name, save},
    },
};
use clap::Parser;
use oxkeeper_codec::{
    Zxid,
    file::{END_OF_ENTRY, LOG_MAGIC},
};
use std::path::{Path, PathBuf};

#[derive(Parser)]
#[command(disable_help_flag = true)]
struct Arguments {
    /// Print this text.
    #[arg(short, long)]
    help: bool,
    /// Write the log again, to FILE.fixed, with right checksums.
    #[arg(short, long)]
    recover: bool,
    /// With -r: print all transactions, not only those that are mended.
    #[arg(short, long)]
    verbose: bool,
    /// Print all transactions; done unless another mode is asked for.
    #[arg(short, long)]
    dump: bool,
    /// With -r: mend without asking.
    #[arg(short, long)]
    yes: bool,
    /// Write what the log holds up to a transaction, to FILE.choppedN.
    #[arg(short, long)]
    chop: bool,
    /// With -c: that transaction, as 0xHEX or in decimal.
    #[arg(short, long)]
    zxid: Option<String>,
    files: Vec<PathBuf>,
}

const USAGE: &str = "\
usage: TxnLogToolkit [-dhrvc] <txn_log_file_name> (-z <zxid>)
 -c,--chop         Write what the log holds up to a transaction, to FILE.choppedN.
 -d,--dump         Print all transactions; done unless another mode is asked for.
 -h,--help         Print this text.
 -r,--recover      Write the log again, to FILE.fixed, with right checksums.
 -v,--verbose      With -r: print all transactions, not only those that are mended.
 -y,--yes          With -r: mend without asking.
 -z,--zxid <arg>   With -c: that transaction, as 0xHEX or in decimal.
";

/// A log that was opened, and no way to go on.
enum End {
    /// With this exit code and this text on stderr.
    Fail(u8, String),
    Tool(ToolError),
}

impl<E: Into<ToolError>> From<E> for End {
    fn from(error: E) -> Self {
        Self::Tool(error.into())
    }
}

pub(super) fn run(arguments: &[String], terminal: &mut Terminal<'_>) -> Result<u8, ToolError> {
    let arguments: Arguments = match parse(arguments) {
        Ok(arguments) => arguments,
        Err(problem) => {
            writeln!(terminal.err, "{problem}\n")?;
            write!(terminal.out, "{USAGE}")?;
            return Ok(1);
        }
    };
    let file = match (arguments.help, arguments.files.first()) {
        (true, _) | (_, None) => {
            write!(terminal.out, "{USAGE}")?;
            return Ok(u8::from(!arguments.help));
        }
        (false, Some(file)) => file,
    };
    let Ok(log) = Log::open(file) else {
        return fail(1, format_args!("File doesn't exist or not readable: {}", file.display()), terminal);
    };
    let done = match arguments.zxid.as_deref().filter(|_| arguments.chop) {
        Some(zxid) => chopped(&log, zxid, terminal),
        None => dumped(&log, &arguments, terminal),
    };
    match done {
        Ok(()) => Ok(0),
        Err(End::Fail(code, text)) => fail(code, text, terminal),
        Err(End::Tool(error)) if error.is_broken_pipe() => Err(error),
        Err(End::Tool(error)) => fail(1, error, terminal),
    }
}

fn dumped(log: &Log, arguments: &Arguments, terminal: &mut Terminal<'_>) -> Result<(), End> {
    let dates = Dates::of_system();
    let fixed = fixed_name(&log.path);
    if arguments.recover && fixed.exists() {
        let text = format!("Recovery file {} already exists or not writable", fixed.display());
        return Err(End::Fail(1, text));
    }
    head(log, terminal)?;
    let mut repair = arguments.recover.then(|| Repair::begin(log, None)).transpose()?;
    let (mut entries, mut count) = (log.entries(), 0_u64);
    let end = loop {
        let entry = match entries.step() {
            RawStep::Entry(entry) => entry,
            RawStep::End(_, end) => break end,
        };
        let mut checksum = entry.stored;
        if !entry.is_sound() {
            let mends = repair.is_some() && arguments.yes;
            let line = line(&entry, &dates)?;
            write!(terminal.out, "CRC {} - {line}", if mends { "FIXED" } else { "ERROR" })?;
            if mends || repair.is_some() && shall_mend(terminal)? {
                checksum = entry.checksum();
            }
        }
        if repair.is_none() || arguments.verbose {
            write!(terminal.out, "{}", line(&entry, &dates)?)?;
        }
        if entry.mark != Some(END_OF_ENTRY) {
            return Err(End::Fail(1, "Last transaction was partial.".to_owned()));
        }
        if let Some(repair) = &mut repair {
            repair.write(&entry, checksum)?;
        }
        count += 1;
    };
    if let RawEnd::Length(len) = end {
        return Err(End::Fail(1, format!("java.io.IOException: Unreasonable length = {len}")));
    }
    writeln!(terminal.out, "EOF reached after {count} txns.")?;
    if let Some(repair) = repair {
        let (fixed, path) = repair.finish()?;
        writeln!(
            terminal.out,
            "Recovery file {} has been written with {fixed} fixed CRC error(s)",
            path.display()
        )?;
    }
    Ok(())
}

/// Prints the first line, if this is a log.
fn head(log: &Log, terminal: &mut Terminal<'_>) -> Result<(), End> {
    let Some(header) = log.header() else { return Err(End::Fail(1, "java.io.EOFException".to_owned())) };
    if header.magic != LOG_MAGIC {
        let name = log.path.file_name().unwrap_or_default().to_string_lossy();
        return Err(End::Fail(2, format!("Invalid magic number for {name}")));
    }
    let (dbid, version) = (header.dbid, header.version);
    Ok(writeln!(
        terminal.out,
        "ZooKeeper Transactional Log File with dbid {dbid} txnlog format version {version}"
    )?)
}

fn line(entry: &RawEntry<'_>, dates: &Dates) -> Result<String, End> {
    let line = Log::line(entry, dates)
        .map_err(|error| End::Fail(1, format!("at offset {}: no transaction: {error}", entry.offset)))?;
    Ok(if line.ends_with('\n') { line } else { line + "\n" })
}

/// Asks whether to mend the entry that was printed.
fn shall_mend(terminal: &mut Terminal<'_>) -> Result<bool, End> {
    loop {
        write!(terminal.out, "Would you like to fix it (Yes/No/Abort) ? ")?;
        terminal.out.flush()?;
        let mut answer = String::new();
        if terminal.input.read_line(&mut answer)? == 0 {
            return Err(End::Fail(1, "nobody answers".to_owned()));
        }
        match answer.trim_start().chars().next().map(|c| c.to_ascii_uppercase()) {
            Some('Y') => return Ok(true),
            Some('N') => return Ok(false),
            Some('A') => return Err(End::Fail(0, "Recovery aborted.".to_owned())),
            _ => {}
        }
    }
}

fn chopped(log: &Log, zxid: &str, terminal: &mut Terminal<'_>) -> Result<(), End> {
    let Some(number) = decode_long(zxid) else {
        return Err(End::Fail(1, format!("no zxid: {zxid}")));
    };
    let name = log.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let failed = format!("Failed to chop {name}");
    let problem = match log.header() {
        None => "null".to_owned(),
        Some(header) if header.magic != LOG_MAGIC => {
            writeln!(terminal.err, "Invalid magic number in txn log file")?;
            failed
        }
        Some(_) => {
            head(log, terminal)?;
            match chop(log, Zxid(number), &mut |gap| tell_gap(gap, terminal)) {
                Ok(chopped) => return made(log, number, &chopped, terminal),
                Err(error) => explain(error, failed, terminal)?,
            }
        }
    };
    Ok(writeln!(terminal.out, "Got exception: {problem}")?)
}

fn tell_gap(Gap(last, next): Gap, terminal: &mut Terminal<'_>) -> Result<(), ToolError> {
    let kind = if last.epoch() == next.epoch() { "intra" } else { "inter" };
    Ok(writeln!(terminal.out, "There is {kind}-epoch gap between {:x} and {:x}", last.0, next.0)?)
}

fn made(log: &Log, zxid: i64, chopped: &Chopped, terminal: &mut Terminal<'_>) -> Result<(), End> {
    let path = chopped_name(Path::new(&log.path), Zxid(zxid));
    // As officially, an older one of that name goes.
    drop(std::fs::remove_file(&path));
    save(log, chopped, &path)?;
    Ok(writeln!(terminal.out, "Chopping at {zxid:x} new log has {} records", chopped.entries)?)
}

fn explain(error: ChopError, failed: String, terminal: &mut Terminal<'_>) -> Result<String, ToolError> {
    Ok(match error {
        ChopError::NothingBehind(count) => {
            writeln!(terminal.out, "EOF reached after {count} txns.")?;
            failed
        }
        ChopError::NotThere(zxid) => {
            writeln!(terminal.out, "This log does not contain zxid {:x}", zxid.0)?;
            failed
        }
        ChopError::Checksum { stored, right, .. } => format!("CRC doesn't match {stored} vs {right}"),
        ChopError::Partial(_) => {
            writeln!(terminal.out, "Last transaction was partial.")?;
            "Last transaction was partial.".to_owned()
        }
        ChopError::Tool(error) => return Err(error),
        error @ ChopError::Content(..) => error.to_string(),
    })
}

/// A number as Java writes it in programs: decimal, 0x or # hex, 0 octal (`Long.decode`); none below zero.
pub(crate) fn decode_long(text: &str) -> Option<i64> {
    let (digits, radix) = match text {
        "0" => (text, 10),
        _ => match text
            .strip_prefix("0x")
            .or_else(|| text.strip_prefix("0X"))
            .or_else(|| text.strip_prefix('#'))
        {
            Some(hex) => (hex, 16),
            None => text.strip_prefix('0').map_or((text, 10), |octal| (octal, 8)),
        },
    };
    i64::from_str_radix(digits, radix).ok().filter(|&number| number >= 0)
}
