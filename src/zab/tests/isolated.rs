//! A member without a leader that serves those who only read.

use super::*;
use crate::zab::Role;

fn alone(stored: Stored) -> Script {
    Script::with(1, stored, |options| options.read_only_after_ms = Some(2000))
}

#[test]
fn it_serves_after_a_while_and_until_there_may_be_a_leader() {
    let mut script = alone(stored(1, 1, zxid(1, 1)));
    script.wait(1999);
    assert_eq!(script.zab.role(), Role::Looking);
    script.wait(1);
    assert!(script.done().contains(&Action::ServeReadOnly));
    assert_eq!(script.zab.role(), Role::ReadOnly);
    script.wait(60_000);
    assert!(!script.done().contains(&Action::ServeReadOnly), "once");
    script.tell(Event::Unreachable(ServerId(3)));
    script.hears_vote(2, PeerState::Looking, 2, zxid(1, 1), 1);
    let done = script.done();
    let place = |wanted: &Action| done.iter().position(|action| action == wanted);
    let ends = place(&Action::EndReadOnly).expect("it ends");
    assert!(ends < place(&Action::Dial(ServerId(2))).expect("it follows"), "{done:?}");
    assert_eq!(script.zab.role(), Role::Learning(ServerId(2), false));
}

#[test]
fn it_serves_nobody_while_it_does_not_know_what_it_has() {
    let mut script = alone(stored(1, 1, zxid(1, 1)));
    script.wait(2000);
    script.tell(Event::DiskFailed);
    assert!(script.done().contains(&Action::EndReadOnly));
    script.wait(60_000);
    assert_eq!(script.zab.role(), Role::Looking);
    script.tell(Event::DiskRecovered);
    script.wait(2000);
    assert_eq!(script.zab.role(), Role::ReadOnly);
}

#[test]
fn it_has_nothing_to_show_that_never_had_anything_from_a_leader() {
    let mut script = alone(stored(0, 0, Zxid::ZERO));
    script.wait(60_000);
    assert_eq!(script.zab.role(), Role::Looking);
}
