//! The random pipelines.

use super::world::{Kind, Op, Request, World};
use proptest::prelude::*;

const PATHS: &[&str] = &[
    "/a",
    "/a",
    "/a/x",
    "/a/y",
    "/a/x/p",
    "/b",
    "/b/s-",
    "/a/s-",
    "/",
    "/zookeeper/quota",
    "/zookeeper/config",
    "/zookeeper/quota/a",
    "/zookeeper/quota/a/zookeeper_limits",
    "/zookeeper/quota/a/zookeeper_stats",
    "/zookeeper",
    "a",
    "",
    "/a/",
    "/a//x",
    "/b/.",
    "/b/\u{1}",
];
const PERMS: &[i32] = &[31, 31, 31, 31, 31, 31, 1, 6, 12, 27, -1];
const KINDS: &[Kind] = &[
    Kind::Persistent,
    Kind::Persistent,
    Kind::Ephemeral,
    Kind::Sequential,
    Kind::EphemeralSequential,
    Kind::Container,
    Kind::Ttl,
    Kind::TtlSequential,
];

fn path() -> impl Strategy<Value = &'static str> {
    // The first eight are those that lead somewhere.
    prop_oneof![6 => prop::sample::select(&PATHS[..8]), 1 => prop::sample::select(PATHS)]
}

fn data() -> impl Strategy<Value = Option<Vec<u8>>> {
    prop::option::weighted(0.8, prop::collection::vec(any::<u8>(), 0..4))
}

fn version() -> impl Strategy<Value = i32> {
    prop_oneof![2 => Just(-1), 2 => 0..3i32]
}

fn op() -> impl Strategy<Value = Op> {
    let perms = || prop::sample::select(PERMS);
    let kind = prop::sample::select(KINDS);
    prop_oneof![
        6 => (path(), data(), perms(), kind)
            .prop_map(|(path, data, perms, kind)| Op::Create { path, data, perms, kind }),
        3 => (path(), version()).prop_map(|(path, version)| Op::Delete { path, version }),
        3 => (path(), data(), version()).prop_map(|(path, data, version)| Op::SetData { path, data, version }),
        1 => (path(), perms(), version()).prop_map(|(path, perms, version)| Op::SetAcl { path, perms, version }),
    ]
}

fn multi() -> impl Strategy<Value = Vec<Op>> {
    let check = (path(), version()).prop_map(|(path, version)| Op::Check { path, version });
    // setACL is not taken by a multi.
    let allowed = op().prop_filter("not in a multi", |op| !matches!(op, Op::SetAcl { .. }));
    prop::collection::vec(prop_oneof![8 => allowed, 1 => check], 0..5)
}

#[derive(Debug, Clone)]
enum Step {
    Request(i64, Request),
    Apply(usize),
    BeginSnapshot,
    Slice(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let request = prop_oneof![
        8 => op().prop_map(Request::One),
        3 => multi().prop_map(Request::Multi),
        1 => Just(Request::Close),
    ];
    prop_oneof![
        8 => (1..4i64, request).prop_map(|(session, request)| Step::Request(session, request)),
        4 => (0..4usize).prop_map(Step::Apply),
        1 => Just(Step::BeginSnapshot),
        3 => (0..200usize).prop_map(Step::Slice),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_pipeline_does_what_the_model_does_one_by_one(steps in prop::collection::vec(step(), 0..60)) {
        let mut world = World::new();
        for step in &steps {
            match step {
                Step::Request(session, request) => world.request(*session, request),
                Step::Apply(count) => (0..*count).for_each(|_| world.apply()),
                Step::BeginSnapshot => world.begin_snapshot(),
                Step::Slice(budget) => world.slice(*budget),
            }
        }
        world.finish();
        let begun = steps.iter().any(|step| matches!(step, Step::BeginSnapshot));
        prop_assert_eq!(begun, world.snapshots_done > 0);
    }
}
