//! Observers that take their time (`observer.reconnectDelayMs`, `observer.election.DelayMs`).

use super::*;
use crate::zab::Role;

const PAUSES: ObserverPauses = ObserverPauses { election_ms: 400, reconnect_ms: 300 };

/// Server 3 leads, and server `me` hears so.
fn hears_of_a_leader(me: i64) -> Script {
    let mut script = Script::with(me, stored(1, 1, zxid(1, 5)), |options| options.observer_pauses = PAUSES);
    script.hears_vote(3, PeerState::Leading, 3, zxid(1, 5), 1);
    script.hears_vote(2, PeerState::Following, 3, zxid(1, 5), 1);
    script
}

/// How long (ms) it does nothing before it does this.
fn waits_before(script: &mut Script, is_wanted: impl Fn(&Action) -> bool) -> i64 {
    let since_ms = script.now_ms;
    while !script.done().iter().any(&is_wanted) {
        let due_ms = script.zab.deadline_ms().expect("something is due");
        script.wait(due_ms - script.now_ms);
    }
    script.now_ms - since_ms
}

#[test]
fn an_observer_waits_before_it_dials_and_before_it_elects_again() {
    let mut script = hears_of_a_leader(4);
    let waited_ms = waits_before(&mut script, |action| *action == Action::Dial(ServerId(3)));
    assert!((1..PAUSES.reconnect_ms.cast_signed()).contains(&waited_ms), "{waited_ms}");
    script.tell(Event::NotDialled(ServerId(3)));
    assert_eq!(script.zab.role(), Role::Looking);
    assert!(!script.done().contains(&Action::Look), "it does not ask yet");
    let waited_ms = waits_before(&mut script, |action| *action == Action::Look);
    assert!((1..PAUSES.election_ms.cast_signed()).contains(&waited_ms), "{waited_ms}");
}

#[test]
fn the_leader_is_given_its_time_after_the_pause() {
    let mut script = hears_of_a_leader(4);
    waits_before(&mut script, |action| *action == Action::Dial(ServerId(3)));
    script.wait(1999);
    assert_eq!(script.zab.role(), Role::Learning(ServerId(3), false));
}

#[test]
fn a_follower_does_not_wait() {
    let mut script = hears_of_a_leader(1);
    assert!(script.done().contains(&Action::Dial(ServerId(3))));
    script.tell(Event::NotDialled(ServerId(3)));
    assert!(script.done().contains(&Action::Look));
}
