//! `SnapshotFormatter`, `SnapshotRecursiveSummary`, `SnapshotComparer`.

use super::{fail, parse};
use crate::tools::{
    Terminal, ToolError,
    snapshot::{
        Row, Snapshot, details,
        layers::{Layers, Thresholds},
        ncdu, subtree,
    },
};
use clap::Parser;
use std::{
    path::{Path, PathBuf},
    time::{Instant, SystemTime},
};

const FORMATTER_USAGE: &str = "\
USAGE: SnapshotFormatter [-d|-json] snapshot_file
       -d     the data of each znode, in base64
       -json  all znodes with the sizes of their data, as ncdu reads it";

pub(super) fn format(arguments: &[String], terminal: &mut Terminal<'_>) -> Result<u8, ToolError> {
    let Some((file, options)) = arguments.split_last() else { return fail(2, FORMATTER_USAGE, terminal) };
    let (with_data, as_json) = (options.iter().any(|it| it == "-d"), options.iter().any(|it| it == "-json"));
    if ["-d", "-json"].contains(&file.as_str())
        || options.iter().any(|it| !["-d", "-json"].contains(&it.as_str()))
    {
        return fail(2, FORMATTER_USAGE, terminal);
    }
    let file = Path::new(file);
    if !file.exists() {
        return fail(2, format_args!("File '{}' does not exist.", file.display()), terminal);
    }
    if file.is_dir() {
        return fail(2, format_args!("'{}' is a directory. it must be a file.", file.display()), terminal);
    }
    if with_data && as_json {
        let text = "Cannot specify both data dump (-d) and json mode (-json) in same call";
        return fail(2, text, terminal);
    }
    let snapshot = match Snapshot::load(file) {
        Ok(snapshot) => snapshot,
        Err(error) => return fail(1, error, terminal),
    };
    if as_json {
        let now = SystemTime::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_millis());
        ncdu::export(&snapshot, now, terminal)?;
    } else {
        details(&snapshot, with_data, terminal)?;
    }
    Ok(0)
}

const SUMMARY_USAGE: &str = "\
USAGE:

SnapshotRecursiveSummary  <snapshot_file>  <starting_node>  <max_depth>

snapshot_file:    a snapshot
starting_node:    the znode whose subtree is summed up
max_depth:        so many levels below it are printed; 0: all. The sums are always those of all levels.";

pub(super) fn summary(arguments: &[String], terminal: &mut Terminal<'_>) -> Result<u8, ToolError> {
    let [file, start, depth] = arguments else { return fail(2, SUMMARY_USAGE, terminal) };
    let Ok(depth) = depth.parse::<i32>() else { return fail(2, SUMMARY_USAGE, terminal) };
    let snapshot = match Snapshot::load(Path::new(file)) {
        Ok(snapshot) => snapshot,
        Err(error) => return fail(1, error, terminal),
    };
    let Some(rows) = subtree(&snapshot, start) else {
        return fail(1, format_args!("{file}: holds no znode {start}"), terminal);
    };
    let is_shown = |level: usize| depth == 0 || i64::try_from(level).is_ok_and(|level| level <= depth.into());
    for Row { znode, level, sum } in rows.filter(|row| row.sum.below > 0 && is_shown(row.level)) {
        let tab = "--".repeat(level);
        writeln!(terminal.out, "{tab} {}\n{tab}   children: {}", znode.path, sum.below)?;
        writeln!(terminal.out, "{tab}   data: {}", sum.bytes)?;
    }
    writeln!(terminal.out)?;
    Ok(0)
}

#[derive(Parser)]
#[command(disable_help_flag = true)]
struct Comparison {
    #[arg(short, long)]
    left: Option<PathBuf>,
    #[arg(short, long)]
    right: Option<PathBuf>,
    #[arg(short, long, allow_hyphen_values = true)]
    bytes: Option<String>,
    #[arg(short, long, allow_hyphen_values = true)]
    nodes: Option<String>,
    #[arg(short, long)]
    debug: bool,
    #[arg(short, long)]
    interactive: bool,
    others: Vec<String>,
}

const COMPARER_USAGE: &str = "\
usage: java -cp <classPath> org.apache.zookeeper.server.SnapshotComparer
 -b,--bytes <BYTETHRESHOLD>   (Required) Subtrees that differ by more bytes than this are printed.
 -d,--debug                   Print each comparison, too.
 -i,--interactive             Ask which level or subtree to compare.
 -l,--left <LEFT>             (Required) The one snapshot.
 -n,--nodes <NODETHRESHOLD>   (Required) Subtrees that differ by more znodes than this are printed.
 -r,--right <RIGHT>           (Required) The other one.
";

pub(super) fn compare(arguments: &[String], terminal: &mut Terminal<'_>) -> Result<u8, ToolError> {
    let wrong = |problem: String, terminal: &mut Terminal<'_>| {
        writeln!(terminal.err, "{problem}")?;
        write!(terminal.out, "{COMPARER_USAGE}")?;
        Ok(2)
    };
    let arguments: Comparison = match parse(arguments) {
        Ok(arguments) => arguments,
        Err(problem) => return wrong(problem, terminal),
    };
    let missing = missing(&arguments);
    let Comparison { left: Some(left), right: Some(right), bytes: Some(bytes), nodes: Some(nodes), .. } =
        &arguments
    else {
        let plural = if missing.len() == 1 { "" } else { "s" };
        return wrong(format!("Missing required option{plural}: {}", missing.join(", ")), terminal);
    };
    let (Ok(bytes), Ok(nodes)) = (bytes.parse(), nodes.parse()) else {
        return fail(1, format_args!("no numbers: {bytes}, {nodes}"), terminal);
    };
    let (debug, filtered) = (arguments.debug, arguments.debug || arguments.interactive);
    let thresholds = Thresholds { bytes, nodes, filtered, debug };
    writeln!(terminal.out, "Successfully parsed options!")?;
    let (left, right) = match layers(left, terminal).and_then(|left| Ok((left, layers(right, terminal)?))) {
        Ok(both) => both,
        Err(error) => return fail(1, error, terminal),
    };
    writeln!(terminal.out, "{left}\n{right}")?;
    if arguments.interactive {
        return interact(&left, &right, thresholds, terminal);
    }
    say_thresholds(thresholds, terminal)?;
    for depth in 0..left.depth().max(right.depth()) {
        say_level(&left, &right, depth, thresholds, terminal)?;
    }
    writeln!(terminal.out, "All layers compared.")?;
    Ok(0)
}

fn missing(arguments: &Comparison) -> Vec<&'static str> {
    let given = [
        ("l", arguments.left.is_some()),
        ("r", arguments.right.is_some()),
        ("b", arguments.bytes.is_some()),
        ("n", arguments.nodes.is_some()),
    ];
    given.into_iter().filter(|(_, given)| !given).map(|(name, _)| name).collect()
}

#[expect(clippy::disallowed_methods, reason = "the official tool says how long it took")]
fn layers(file: &Path, terminal: &mut Terminal<'_>) -> Result<Layers, ToolError> {
    let began = Instant::now();
    let snapshot = Snapshot::load(file)?;
    let read = began.elapsed();
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    writeln!(terminal.out, "Deserialized snapshot in {name} in {:.6} seconds", read.as_secs_f64())?;
    let layers = Layers::of(&snapshot);
    let processed = began.elapsed() - read;
    writeln!(terminal.out, "Processed data tree in {:.6} seconds", processed.as_secs_f64())?;
    Ok(layers)
}

fn say_thresholds(thresholds: Thresholds, terminal: &mut Terminal<'_>) -> Result<(), ToolError> {
    let Thresholds { bytes, nodes, .. } = thresholds;
    Ok(writeln!(
        terminal.out,
        "Printing analysis for nodes difference larger than {bytes} bytes or node count difference larger than {nodes}."
    )?)
}

fn say_level(
    left: &Layers,
    right: &Layers,
    depth: usize,
    thresholds: Thresholds,
    terminal: &mut Terminal<'_>,
) -> Result<(), ToolError> {
    writeln!(terminal.out, "Analysis for depth {depth}")?;
    for line in left.level(right, depth, thresholds) {
        writeln!(terminal.out, "{line}")?;
    }
    Ok(())
}

const QUESTION: &str = "\
- Press enter to move to print current depth layer;
- Type a number to jump to and print all nodes at a given depth;
- Enter an ABSOLUTE path to print the immediate subtree of a node. Path must start with '/'.";

fn interact(
    left: &Layers,
    right: &Layers,
    thresholds: Thresholds,
    terminal: &mut Terminal<'_>,
) -> Result<u8, ToolError> {
    let (max, mut depth) = (left.depth().max(right.depth()), 0);
    while depth < max {
        writeln!(terminal.out, "Current depth is {depth}\n{QUESTION}")?;
        terminal.out.flush()?;
        let mut line = String::new();
        if terminal.input.read_line(&mut line)? == 0 {
            return fail(1, "nobody answers", terminal);
        }
        let line = line.trim_end_matches(['\n', '\r']);
        say_thresholds(thresholds, terminal)?;
        let range = format!("Depth must be in range [0, {}]", max - 1);
        if line.is_empty() {
            say_level(left, right, depth, thresholds, terminal)?;
            depth += 1;
        } else if line.starts_with('/') {
            writeln!(terminal.out, "Analysis for node {line}")?;
            let path = format!("Path {line} is neither found in left tree nor right tree.");
            for line in left.children(right, line, thresholds).unwrap_or_else(|| vec![path]) {
                writeln!(terminal.out, "{line}")?;
            }
        } else if let Ok(level) = line.parse::<i32>() {
            let Some(level) = usize::try_from(level).ok().filter(|&level| level < max) else {
                writeln!(terminal.out, "{range}")?;
                continue;
            };
            depth = level;
            say_level(left, right, depth, thresholds, terminal)?;
        } else {
            let path = "Path must be an absolute path which starts with '/'.";
            writeln!(terminal.out, "Input {line} is not valid. {range}. {path}")?;
        }
        writeln!(terminal.out)?;
    }
    writeln!(terminal.out, "All layers compared.")?;
    Ok(0)
}
