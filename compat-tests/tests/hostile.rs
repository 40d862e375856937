//! Hostile input against the real server, beside a client that must not notice. Needs the release binary.

use oxkeeper_compat_tests::hostile::{ATTACKS, endure, raise_descriptors, server};

#[test]
fn nobody_else_notices() {
    let descriptors = raise_descriptors();
    let only = std::env::var("ONLY").unwrap_or_default();
    let mut server = server().expect("a server");
    let mut failed = 0;
    for attack in ATTACKS.iter().filter(|attack| attack.name.contains(&only)) {
        if attack.name.contains("5,000") && descriptors < 6000 {
            println!("skipped {}: only {descriptors} descriptors", attack.name);
            continue;
        }
        match endure(&mut server, attack) {
            Ok(cost) => println!("ok   {}: {cost:?}", attack.name),
            Err(problem) => {
                println!("FAIL {}: {problem}", attack.name);
                failed += 1;
            }
        }
    }
    assert_eq!(failed, 0, "of {} attacks", ATTACKS.len());
}
