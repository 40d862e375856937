//! The table of behaviours is complete, and both servers behave as it says.
//!
//! The second test starts servers: the official one (Java and, on first use, Maven) and oxkeeper
//! (`cargo build --release` first, or `SUT_OXKEEPER`).

use oxkeeper_compat_tests::behaviours::{DIFFERENCES, all};
use oxkeeper_compat_tests::runner::{Options, run};
use oxkeeper_compat_tests::table;
use std::collections::BTreeSet;

#[test]
fn every_behaviour_has_its_place() {
    let rows = table::load().expect("behaviours.tsv");
    let numbers: Vec<u16> = rows.iter().map(|row| row.number).collect();
    assert_eq!(numbers, (1..=191).collect::<Vec<u16>>());
    let cases = all();
    let names: BTreeSet<&str> = cases.iter().map(|case| case.name).collect();
    assert_eq!(names.len(), cases.len(), "names are unique");
    for row in rows {
        let proofs: Vec<&str> =
            cases.iter().filter(|case| case.numbers.contains(&row.number)).map(|case| case.name).collect();
        match row.kind.as_str() {
            "test" => assert_eq!(row.text, proofs.join(" "), "cases of {}", row.number),
            "ensemble" | "sasl/tls" | "internal" => {
                assert!(!row.text.is_empty(), "{} needs a reason", row.number)
            }
            other => panic!("{}: unknown kind {other}", row.number),
        }
    }
    for difference in DIFFERENCES {
        assert!(names.contains(difference.case), "{} is no case", difference.case);
    }
}

#[test]
fn both_servers_behave_as_recorded() {
    let tally = run(&Options::default());
    assert_eq!(tally.failed, 0, "{tally:?}");
    assert!(tally.passed > 0);
}
