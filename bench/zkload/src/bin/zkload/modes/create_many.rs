//! `create-many`: `--count` znodes below `--parents` parents, each created once, as fast as possible. At the
//! end each parent must have its exact share.

use crate::final_check;
use crate::generator::Workload;
use crate::options::Options;
use crate::report::{die, finish};
use crate::run::{self, End};
use crate::setup;
use crate::violations::Class;
use zkload::args::Args;

pub(crate) fn run(a: &Args) {
    let mut options = Options::read(a);
    if options.count == 0 {
        die("create-many needs --count");
    }
    options.znodes = 0;
    options.warmup = 0.0;
    let limit = a.num("limit", 600.0);
    setup::parents(&options).unwrap_or_else(|e| die(&e));
    let mut totals = run::run(&options, Workload::CreateMany, End::Limit(limit));
    let (ops, count) = (totals.ops, options.count);
    if ops != count {
        totals.violations.add(Class::Lost, || format!("{ops} of {count} creates acknowledged"));
    }
    let mut o = totals.report("create-many", &options);
    if !a.flag("no-final-check") {
        match final_check::bulk(&options) {
            Ok(()) => {
                o.bool("final_check", true);
            }
            Err(e) => totals.violations.add(Class::Lost, || e),
        }
    }
    finish(o, &totals.violations, a)
}
