//! What a start of the real server makes of damaged files. Needs the release binary.

use oxkeeper_compat_tests::damage::{ROWS, check, good};
use oxkeeper_compat_tests::harness::{self, Case};
use std::process::ExitCode;

fn main() -> ExitCode {
    let good = match good() {
        Ok(good) => good,
        Err(problem) => {
            println!("FAIL     no good directory: {problem}");
            return ExitCode::FAILURE;
        }
    };
    let case = |row| Case::new(row_name(row), || check(&good, row).map(|()| String::new()));
    harness::run(ROWS.iter().map(case).collect())
}

const fn row_name(row: &oxkeeper_compat_tests::damage::Row) -> &'static str {
    row.name
}
