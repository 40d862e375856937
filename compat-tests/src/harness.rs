//! A runner for tests that cannot run everywhere: it tells what passed from what was skipped, and why.
//!
//! libtest knows no test that finds out at run time that it is not possible here, and would count it as passed.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::time::Instant;

/// One test.
pub struct Case<'a> {
    /// Its name.
    pub name: &'a str,
    /// Why it cannot run here, if so.
    pub needs: Box<dyn Fn() -> Result<(), String> + 'a>,
    /// The test; what it gives is shown.
    pub run: Box<dyn FnMut() -> Result<String, String> + 'a>,
}

impl std::fmt::Debug for Case<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

impl<'a> Case<'a> {
    /// One that runs everywhere.
    pub fn new(name: &'a str, run: impl FnMut() -> Result<String, String> + 'a) -> Self {
        Self { name, needs: Box::new(|| Ok(())), run: Box::new(run) }
    }

    /// One that needs something of the machine.
    #[must_use]
    pub fn needs(mut self, needs: impl Fn() -> Result<(), String> + 'a) -> Self {
        self.needs = Box::new(needs);
        self
    }
}

/// Runs the cases whose names contain one of the words on the command line, all if there is none. Options of libtest
/// are taken and not looked at.
#[must_use]
pub fn run(cases: Vec<Case<'_>>) -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let (mut passed, mut failed, mut skipped) = (0, 0, 0);
    for mut case in cases {
        if !words.is_empty() && !words.iter().any(|word| case.name.contains(word.as_str())) {
            continue;
        }
        if let Err(reason) = (case.needs)() {
            println!("skipped  {}: not possible here: {reason}", case.name);
            skipped += 1;
            continue;
        }
        let began = Instant::now();
        let outcome = catch_unwind(AssertUnwindSafe(&mut case.run));
        let outcome = outcome.unwrap_or_else(|_| Err("it panicked".to_owned()));
        let seconds = began.elapsed().as_secs_f32();
        match outcome {
            Ok(more) => {
                println!("ok       {} ({seconds:.1} s) {more}", case.name);
                passed += 1;
            }
            Err(problem) => {
                println!("FAIL     {} ({seconds:.1} s) {problem}", case.name);
                failed += 1;
            }
        }
    }
    println!("{passed} passed, {failed} failed, {skipped} skipped");
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
