//! `mntr` against the official server's, after the same load. Starts both: Java and, on first use, Maven; oxkeeper's
//! release binary, or `SUT_OXKEEPER`.

use oxkeeper_compat_tests::metrics::{Figures, excused, figures, load, missing, start};
use oxkeeper_compat_tests::sut::Kind;
use oxkeeper_compat_tests::wire;

/// Figures after the load, and again after `srst`.
fn measure(kind: Kind) -> Result<[Figures; 2], String> {
    let server = start(kind)?;
    load(server.addr).map_err(|problem| format!("{}: {problem}\n{}", kind.name(), server.log_tail()))?;
    let after_load = figures(server.addr)?;
    wire::word(server.addr, b"srst")?;
    Ok([after_load, figures(server.addr)?])
}

#[test]
fn what_the_official_server_counts_is_counted_or_excused() {
    let [theirs, theirs_reset] = measure(Kind::Official).expect("the official server's figures");
    let [ours, ours_reset] = measure(Kind::Oxkeeper).expect("this server's figures");
    let excused = excused().expect("the table");
    let missing = missing(&theirs, &ours, &excused);
    assert!(missing.is_empty(), "{missing:#?}");
    let keys = |figures: &Figures| figures.keys().cloned().collect::<Vec<_>>();
    // What it does not have here, and what is not to be had there.
    let is_excused = |key: &String| excused.iter().any(|name| key.ends_with(name.as_str()));
    for (theirs, ours) in [(theirs, ours), (theirs_reset, ours_reset)] {
        let absent: Vec<_> = keys(&theirs).into_iter().filter(|key| !ours.contains_key(key)).collect();
        let absent: Vec<_> = absent.iter().filter(|key| !is_excused(key)).collect();
        assert!(absent.is_empty(), "not in mntr: {absent:?}");
        let new: Vec<_> = keys(&ours).into_iter().filter(|key| !theirs.contains_key(key)).collect();
        assert!(new.is_empty(), "only in this server's mntr: {new:?}");
    }
}
