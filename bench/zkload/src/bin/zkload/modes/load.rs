//! `load`: operations drawn from a mix on `--znodes` znodes. At the end the versions of all znodes must sum
//! to the acknowledged sets.

use crate::final_check::sum_versions;
use crate::generator::Workload;
use crate::options::Options;
use crate::report::{die, finish};
use crate::run::{self, End};
use crate::setup;
use crate::violations::Class;
use zkload::args::Args;

pub(crate) fn run(a: &Args) {
    let options = Options::read(a);
    let limit = a.num("limit", options.duration + options.warmup + 60.0);
    let setup = !a.flag("no-setup");
    if setup && options.znodes > 0 {
        setup::znodes(&options).unwrap_or_else(|e| die(&format!("setup: {e}")));
    }
    let end = if options.ops > 0 { End::Limit(limit) } else { End::Measured(options.duration) };
    let mut totals = run::run(&options, Workload::Mix, end);
    let mut o = totals.report("load", &options);
    let acked = totals.acked_sets;
    if acked > 0 && setup && !a.flag("no-final-check") {
        match sum_versions(&options) {
            Ok(sum) if sum == acked => {
                o.bool("final_check", true);
            }
            Ok(sum) => totals
                .violations
                .add(Class::Lost, || format!("versions sum to {sum}, {acked} sets were acknowledged")),
            Err(e) => totals.violations.add(Class::Lost, || format!("final check: {e}")),
        }
    }
    finish(o, &totals.violations, a)
}
