//! Figures that one thread writes and any may read: counters, summaries, percentiles.
//!
//! Percentiles come from a histogram that is exact below 64 and within 3 % above, where the official server draws a
//! sample: so those of several threads can be added up.

use std::{
    collections::BTreeMap,
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

/// A figure that one thread writes and any may read.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    /// Adds to the figure. Only one thread may call this.
    pub(crate) fn add(&self, n: u64) {
        self.0.store(self.0.load(Relaxed).wrapping_add(n), Relaxed);
    }

    /// Takes from the figure. Only one thread may call this.
    pub(crate) fn subtract(&self, n: u64) {
        self.0.store(self.0.load(Relaxed).wrapping_sub(n), Relaxed);
    }

    /// Another figure. Only one thread may call this.
    pub(crate) fn set(&self, n: u64) {
        self.0.store(n, Relaxed);
    }

    /// The figure.
    pub(crate) fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }

    /// Back to zero.
    pub(crate) fn reset(&self) {
        self.set(0);
    }
}

/// Number, sum, least and greatest (`AvgMinMaxCounter`).
#[derive(Debug)]
pub(crate) struct Summary {
    count: Counter,
    sum: Counter,
    min: Counter,
    max: Counter,
}

impl Default for Summary {
    fn default() -> Self {
        let min = Counter(AtomicU64::new(u64::MAX));
        Self { count: Counter::default(), sum: Counter::default(), min, max: Counter::default() }
    }
}

impl Summary {
    /// Takes in one value. Only one thread may call this.
    pub(crate) fn record(&self, value: u64) {
        self.count.add(1);
        self.sum.add(value);
        if value < self.min.get() {
            self.min.set(value);
        }
        if value > self.max.get() {
            self.max.set(value);
        }
    }

    /// Takes in `count` values, which come to `sum` together and were as large as each other. Only one thread may call
    /// this.
    pub(crate) fn record_shared(&self, sum: u64, count: u64) {
        let Some(each) = sum.checked_div(count) else { return };
        self.record(each);
        self.count.add(count - 1);
        self.sum.add(sum - each);
    }

    /// Forgets all.
    pub(crate) fn reset(&self) {
        self.count.reset();
        self.sum.reset();
        self.min.set(u64::MAX);
        self.max.reset();
    }

    /// What it has seen.
    pub(crate) fn figures(&self) -> Figures {
        let (count, sum, max) = (self.count.get(), self.sum.get(), self.max.get());
        Figures { count, sum, min: if count == 0 { 0 } else { self.min.get() }, max }
    }
}

/// What a [`Summary`] has seen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Figures {
    /// How many.
    pub(crate) count: u64,
    /// All together.
    pub(crate) sum: u64,
    /// The least; 0 if there was none.
    pub(crate) min: u64,
    /// The greatest.
    pub(crate) max: u64,
}

impl Figures {
    /// Takes in one value.
    pub(crate) fn record(&mut self, value: u64) {
        *self = self.merge(Self { count: 1, sum: value, min: value, max: value });
    }

    /// Both together.
    #[must_use]
    pub(crate) fn merge(self, other: Self) -> Self {
        let min = match (self.count, other.count) {
            (0, _) => other.min,
            (_, 0) => self.min,
            _ => self.min.min(other.min),
        };
        Self {
            count: self.count + other.count,
            sum: self.sum.wrapping_add(other.sum),
            min,
            max: self.max.max(other.max),
        }
    }

    /// The mean, as the official server shows it: one to four decimals, rounded half up; 0.0 of nothing.
    pub(crate) fn average(self) -> String {
        let (sum, count) = (u128::from(self.sum), u128::from(self.count.max(1)));
        let ten_thousandths = (sum * 20_000 + count) / (count * 2);
        let text = format!("{}.{:04}", ten_thousandths / 10_000, ten_thousandths % 10_000);
        let short = text.trim_end_matches('0');
        if short.ends_with('.') { format!("{short}0") } else { short.to_owned() }
    }
}

/// Values below this have a bucket each.
const EXACT: u64 = 64;
/// Buckets of each doubling above.
const STEPS: u64 = 32;
/// Greater values count as this one.
const GREATEST: u64 = (1 << 31) - 1;
const BUCKETS: usize = (EXACT + 25 * STEPS) as usize;

/// The bucket of a value.
const fn bucket(value: u64) -> usize {
    let value = if value > GREATEST { GREATEST } else { value };
    if value < EXACT {
        return value as usize;
    }
    let doublings = (value.ilog2() - EXACT.ilog2()) as u64;
    let step = (value >> (doublings + 1)) - STEPS;
    (EXACT + doublings * STEPS + step) as usize
}

/// The middle of a bucket.
const fn value_of(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    if bucket < EXACT {
        return bucket;
    }
    let (doublings, step) = ((bucket - EXACT) / STEPS, (bucket - EXACT) % STEPS);
    let width = 1 << (doublings + 1);
    (step + STEPS) * width + width / 2
}

/// A summary with percentiles (`AvgMinMaxPercentileCounter`).
#[derive(Debug, Default)]
pub(crate) struct Detail {
    summary: Summary,
    /// Made with the first value: most threads record few of all there are.
    buckets: OnceLock<Box<[Counter]>>,
}

impl Detail {
    /// Takes in one value. Only one thread may call this.
    pub(crate) fn record(&self, value: u64) {
        self.record_times(value, 1);
    }

    /// Takes in the same value so many times. Only one thread may call this.
    pub(crate) fn record_times(&self, value: u64, times: u64) {
        if times > 0 {
            self.summary.record_shared(value * times, times);
            self.buckets()[bucket(value)].add(times);
        }
    }

    fn buckets(&self) -> &[Counter] {
        self.buckets.get_or_init(|| std::iter::repeat_with(Counter::default).take(BUCKETS).collect())
    }

    /// Takes in `count` values, which come to `sum` together and were as large as each other. Only one thread may call
    /// this.
    pub(crate) fn record_shared(&self, sum: u64, count: u64) {
        let Some(each) = sum.checked_div(count) else { return };
        self.summary.record_shared(sum, count);
        self.buckets()[bucket(each)].add(count);
    }

    /// Forgets all.
    pub(crate) fn reset(&self) {
        self.summary.reset();
        self.buckets.get().into_iter().flatten().for_each(Counter::reset);
    }

    /// What it has seen, but for percentiles.
    pub(crate) fn figures(&self) -> Figures {
        self.summary.figures()
    }
}

/// Details, added up: how many values are in each bucket that has some, in order.
#[derive(Debug, Clone, Default)]
pub(crate) struct Histogram(Vec<(usize, u64)>);

impl Histogram {
    /// Those of all these.
    pub(crate) fn of<'d>(details: impl Iterator<Item = &'d Detail>) -> Self {
        let mut sums = vec![0; BUCKETS];
        for detail in details {
            let buckets = detail.buckets.get().into_iter().flatten();
            sums.iter_mut().zip(buckets).for_each(|(sum, bucket)| *sum += bucket.get());
        }
        Self(sums.into_iter().enumerate().filter(|&(_, count)| count > 0).collect())
    }

    /// Whether there is no value.
    pub(crate) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What has come since this one; all, if figures have begun anew meanwhile.
    #[must_use]
    pub(crate) fn since(&self, before: &Self) -> Self {
        let now: BTreeMap<usize, u64> = self.0.iter().copied().collect();
        let then: BTreeMap<usize, u64> = before.0.iter().copied().collect();
        if then.iter().any(|(bucket, count)| now.get(bucket).is_none_or(|now| now < count)) {
            return self.clone();
        }
        let left = now.into_iter().map(|(bucket, count)| (bucket, count - then.get(&bucket).unwrap_or(&0)));
        Self(left.filter(|&(_, count)| count > 0).collect())
    }

    /// The value that so many thousandths of all do not exceed; between two values, the way from one to the other
    /// (`UniformSnapshot.getValue`).
    pub(crate) fn per_mille(&self, thousandths: u64) -> u64 {
        let count: u64 = self.0.iter().map(|(_, count)| count).sum();
        if count == 0 {
            return 0;
        }
        let place = thousandths * (count + 1);
        let (rank, rest) = (place / 1000, place % 1000);
        if rank < 1 {
            return self.at(1);
        }
        if rank >= count {
            return self.at(count);
        }
        let (low, high) = (self.at(rank), self.at(rank + 1));
        low + ((high - low) * rest + 500) / 1000
    }

    /// The value with this rank, counted from 1.
    fn at(&self, rank: u64) -> u64 {
        let mut seen = 0;
        let found = self.0.iter().find(|(_, count)| {
            seen += count;
            seen >= rank
        });
        found.map_or(0, |&(bucket, _)| value_of(bucket))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_done_together_counts_once_for_each() {
        let summary = Summary::default();
        summary.record_shared(7, 3);
        summary.record_shared(1, 0);
        summary.record_shared(0, 2);
        assert_eq!(summary.figures(), Figures { count: 5, sum: 7, min: 0, max: 2 });
        let detail = Detail::default();
        detail.record_times(4, 3);
        detail.record_times(9, 0);
        assert_eq!(detail.figures(), Figures { count: 3, sum: 12, min: 4, max: 4 });
        assert_eq!(Histogram::of(std::iter::once(&detail)).per_mille(999), 4);
    }

    #[test]
    fn a_summary_keeps_the_extremes() {
        let summary = Summary::default();
        assert_eq!(summary.figures(), Figures::default());
        [5, 0, 3].into_iter().for_each(|value| summary.record(value));
        assert_eq!(summary.figures(), Figures { count: 3, sum: 8, min: 0, max: 5 });
        let other = Figures { count: 1, sum: 9, min: 9, max: 9 };
        assert_eq!(summary.figures().merge(other), Figures { count: 4, sum: 17, min: 0, max: 9 });
        assert_eq!(Figures::default().merge(other), other);
        summary.reset();
        assert_eq!(summary.figures(), Figures::default());
    }

    #[test]
    fn averages_have_one_to_four_decimals() {
        for (sum, count, shown) in [
            (0, 0, "0.0"),
            (12, 1, "12.0"),
            (1, 2, "0.5"),
            (1, 3, "0.3333"),
            (2, 3, "0.6667"),
            (1, 20_000, "0.0001"),
            (1, 20_001, "0.0"),
        ] {
            assert_eq!(Figures { count, sum, ..Figures::default() }.average(), shown, "{sum}/{count}");
        }
    }

    #[test]
    fn buckets_are_narrow_and_in_order() {
        let mut last = 0;
        for value in (0..5000).chain([1 << 20, (1 << 31) - 1, 1 << 31, u64::MAX]) {
            let bucket = bucket(value);
            assert!(bucket < BUCKETS && bucket >= last, "{value}");
            last = bucket;
            let shown = value_of(bucket);
            let value = value.min(GREATEST);
            assert!(shown.abs_diff(value) <= value / 32, "{value} is shown as {shown}");
        }
    }

    #[test]
    fn percentiles_are_those_of_the_official_server() {
        let detail = Detail::default();
        assert_eq!(Histogram::of([&detail].into_iter()).per_mille(500), 0);
        (1..=10).for_each(|value| detail.record(value));
        let histogram = Histogram::of([&detail].into_iter());
        // The median of 1 to 10 is 5.5, which is rounded up.
        let shown = [500, 950, 990, 999].map(|thousandths| histogram.per_mille(thousandths));
        assert_eq!(shown, [6, 10, 10, 10]);
    }
}
