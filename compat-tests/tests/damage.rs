//! What a start of the real server makes of damaged files. Needs the release binary.

use oxkeeper_compat_tests::damage::{ROWS, check, good};

#[test]
fn each_damage_comes_to_what_the_table_says() {
    let good = good().expect("a good directory");
    let mut failed = 0;
    for row in ROWS {
        match check(&good, row) {
            Ok(()) => println!("ok   {}", row.name),
            Err(problem) => {
                println!("FAIL {}: {problem}", row.name);
                failed += 1;
            }
        }
    }
    assert_eq!(failed, 0, "of {} rows", ROWS.len());
}
