//! A member's own clock: it runs faster or slower than others, and jumps ahead.

/// See the module. It never goes back, as the clock of a system since its start.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    /// A true time, and what the clock shows then, both in ms.
    true_ms: i64,
    shows_ms: i64,
    /// So many ms it goes on in a second.
    per_mille: i64,
}

impl Clock {
    pub(crate) const RIGHT: Self = Self { true_ms: 0, shows_ms: 0, per_mille: 1000 };

    /// What it shows, in ms.
    pub(crate) const fn shows(&self, now_ms: i64) -> i64 {
        self.shows_ms + (now_ms - self.true_ms) * self.per_mille / 1000
    }

    /// The first time at which it shows this or more, in ms.
    pub(crate) const fn when(&self, shows_ms: i64) -> i64 {
        let ahead = (shows_ms - self.shows_ms) * 1000;
        self.true_ms + ahead.div_euclid(self.per_mille) + (ahead.rem_euclid(self.per_mille) != 0) as i64
    }

    pub(crate) const fn jump(&mut self, now_ms: i64, by_ms: i64) {
        *self = Self { true_ms: now_ms, shows_ms: self.shows(now_ms) + by_ms, per_mille: self.per_mille };
    }

    pub(crate) const fn drift(&mut self, now_ms: i64, per_mille: i64) {
        *self = Self { true_ms: now_ms, shows_ms: self.shows(now_ms), per_mille };
    }
}

#[test]
fn it_shows_a_time_when_it_is_said_to() {
    let mut clock = Clock::RIGHT;
    for (now_ms, per_mille) in [(10, 800), (1003, 1249), (5000, 999)] {
        clock.drift(now_ms, per_mille);
        for ahead_ms in 0..50 {
            let shows_ms = clock.shows(now_ms) + ahead_ms;
            let when_ms = clock.when(shows_ms);
            assert!(
                clock.shows(when_ms) >= shows_ms && (ahead_ms == 0 || clock.shows(when_ms - 1) < shows_ms)
            );
        }
    }
}
