//! How a run ends: one JSON object on standard output, and an exit status.
//!
//! 0: every check passed, 1: one failed or the run could not be made. (2, for a command line that is not
//! understood, is given where it is read.)

use crate::options::Options;
use crate::violations::Violations;
use zkload::args::Args;
use zkload::json::{Obj, esc};
use zkload::os::now;
use zkload::sut::Sample;

/// A moment of a run: what had been used when.
#[derive(Clone)]
pub(crate) struct Mark {
    pub(crate) sample: Sample,
    pub(crate) at: u64,
}

impl Mark {
    pub(crate) fn now(options: &Options) -> Self {
        Self { sample: options.sample(), at: now() }
    }
}

/// The head of every report.
pub(crate) fn head(mode: &str, options: &Options) -> Obj {
    let mut o = Obj::new();
    o.str("mode", mode).str("label", &options.label);
    o
}

/// Adds the violations, prints the report and ends the process.
pub(crate) fn finish(mut o: Obj, violations: &Violations, a: &Args) -> ! {
    o.raw("violations", &violations.json());
    o.emit(a.get("out"));
    if violations.none() {
        std::process::exit(0)
    }
    let first = violations.first().unwrap_or("?");
    eprintln!("zkload: {} violations; first: {first}", violations.total());
    std::process::exit(1)
}

/// Ends a run that could not be made.
pub(crate) fn die(reason: &str) -> ! {
    eprintln!("zkload: {reason}");
    println!("{{\"failed\":{}}}", esc(reason));
    std::process::exit(1)
}
