//! What `server/sequence/turn.rs` promises: nothing that was left waits for nobody, and the thread looks when it was told to.

use crate::{
    sync::NOW,
    turn::{Left, Mail, Turn, Whose},
};
use loom::{sync::Arc, thread};
use std::time::{Duration, Instant};

/// What takes long.
const LONG: u32 = 100;

/// Adds up what was in the mailbox.
fn add_up(mail: &Mail<u32>, whose: Whose, sum: &mut u32) -> Left {
    let mut messages = Vec::new();
    mail.take(whose, &mut messages);
    assert!(whose == Whose::Thread || !messages.contains(&LONG), "that is the thread's");
    // The work takes a while.
    thread::yield_now();
    *sum += messages.iter().sum::<u32>();
    Left::Nothing
}

#[test]
fn what_was_left_while_another_had_the_turn_is_not_left_behind() {
    loom::model(|| {
        let shared = Arc::new((Mail::default(), Turn::new(0)));
        let leave = |message| {
            let shared = Arc::clone(&shared);
            move || {
                let (mail, turn) = &*shared;
                mail.leave(message);
                turn.take(mail, |sum| add_up(mail, Whose::Guest, sum));
            }
        };
        let other = thread::spawn(leave(1));
        leave(2)();
        other.join().unwrap();
        assert_eq!(*shared.1.wait(), 3, "nobody is left who could take it");
    });
}

#[test]
fn the_thread_is_woken_for_what_is_sent_to_it() {
    loom::model(|| {
        let shared = Arc::new((Mail::default(), Turn::new(0)));
        let others = Arc::clone(&shared);
        let other = thread::spawn(move || {
            let (mail, turn) = &*others;
            mail.leave(2);
            turn.take(mail, |sum| add_up(mail, Whose::Guest, sum));
            mail.send(1);
        });
        let (mail, turn) = &*shared;
        loop {
            mail.wait();
            let mut sum = turn.wait();
            add_up(mail, Whose::Thread, &mut sum);
            if *sum == 3 {
                break;
            }
        }
        other.join().unwrap();
    });
}

#[test]
fn the_thread_alone_takes_what_takes_long() {
    loom::model(|| {
        let shared = Arc::new((Mail::default(), Turn::new(0)));
        let others = Arc::clone(&shared);
        let other = thread::spawn(move || {
            let (mail, turn) = &*others;
            mail.send_long(LONG);
            mail.leave(1);
            turn.take(mail, |sum| add_up(mail, Whose::Guest, sum));
            mail.send(2);
        });
        let (mail, turn) = &*shared;
        loop {
            mail.wait();
            let mut sum = turn.wait();
            add_up(mail, Whose::Thread, &mut sum);
            if *sum == LONG + 3 {
                break;
            }
        }
        other.join().unwrap();
    });
}

/// A message tells when to look.
fn plan(mail: &Mail<Instant>, at: &mut Instant) -> Left {
    let mut messages = Vec::new();
    mail.take(Whose::Guest, &mut messages);
    *at = messages.pop().unwrap_or(*at);
    mail.look_at(*at);
    Left::Nothing
}

#[test]
fn the_thread_does_not_oversleep_what_another_turn_has_planned() {
    let soon = *NOW;
    let late = soon + Duration::from_secs(3600);
    loom::model(move || {
        let shared = Arc::new((Mail::default(), Turn::new(late)));
        let others = Arc::clone(&shared);
        let other = thread::spawn(move || {
            let (mail, turn) = &*others;
            mail.leave(soon);
            turn.take(mail, |at| plan(mail, at));
        });
        let (mail, turn) = &*shared;
        loop {
            mail.wait();
            let mut at = turn.wait();
            plan(mail, &mut at);
            if *at == soon {
                break;
            }
        }
        other.join().unwrap();
    });
}
