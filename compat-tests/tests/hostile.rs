//! Hostile input against the real server, beside a client that must not notice. Needs the release binary.

use oxkeeper_compat_tests::harness::{self, Case};
use oxkeeper_compat_tests::hostile::{ATTACKS, endure, raise_descriptors, target};
use std::cell::RefCell;
use std::process::ExitCode;

/// Both ends of 5,000 connections do not share a process, but some more are needed.
const DESCRIPTORS: u64 = 6000;

fn main() -> ExitCode {
    let descriptors = raise_descriptors();
    let target = match target() {
        Ok(target) => RefCell::new(target),
        Err(problem) => {
            println!("FAIL     no server: {problem}");
            return ExitCode::FAILURE;
        }
    };
    let target = &target;
    let cases = ATTACKS.iter().map(|attack| {
        let run = move || endure(&mut target.borrow_mut(), attack).map(|cost| cost.to_string());
        Case::new(attack.name, run).needs(move || {
            if descriptors >= DESCRIPTORS || !attack.name.contains("5,000") {
                Ok(())
            } else {
                Err(format!("only {descriptors} descriptors"))
            }
        })
    });
    harness::run(cases.collect())
}
