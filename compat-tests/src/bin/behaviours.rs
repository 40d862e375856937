//! Runs the table of behaviours: `behaviours [--only N,name,..] [--against official|oxkeeper|both] [--record] [--verbose]`.

use oxkeeper_compat_tests::runner::{Options, run};
use oxkeeper_compat_tests::sut::Kind;
use std::process::ExitCode;

const USAGE: &str = "behaviours [--only N,name,..] [--against official|oxkeeper|both] [--record] [--verbose]\n\
     SUT_OXKEEPER: the oxkeeper executable; ZKV: the official version; KEEP_SCRATCH: leave the directories";

fn main() -> ExitCode {
    match parse(std::env::args().skip(1)) {
        Ok(options) if run(&options).failed == 0 => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(problem) => {
            eprintln!("{problem}\n{USAGE}");
            ExitCode::from(2)
        }
    }
}

fn parse(mut words: impl Iterator<Item = String>) -> Result<Options, String> {
    let mut options = Options::default();
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or_else(|| format!("{word} needs a value"));
        match word.as_str() {
            "--only" => options.only = value()?.split(',').map(str::to_owned).collect(),
            "--against" => {
                options.kinds = match value()?.as_str() {
                    "official" => vec![Kind::Official],
                    "oxkeeper" => vec![Kind::Oxkeeper],
                    "both" => vec![Kind::Official, Kind::Oxkeeper],
                    other => return Err(format!("no such server: {other}")),
                }
            }
            "--record" => options.record = true,
            "--verbose" => options.verbose = true,
            other => return Err(format!("no such option: {other}")),
        }
    }
    Ok(options)
}
