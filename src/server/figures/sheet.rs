//! The figures of one thread, which it alone counts.

use super::{
    catalog::{Basic, Count, Detailed},
    summary::{Counter, Detail},
};

/// The figures that one thread counts.
#[derive(Debug)]
pub(crate) struct Sheet {
    counts: [Counter; Count::ALL.len()],
    basics: [Detail; Basic::ALL.len()],
    details: [Detail; Detailed::ALL.len()],
}

impl Default for Sheet {
    fn default() -> Self {
        Self {
            counts: std::array::from_fn(|_| Counter::default()),
            basics: std::array::from_fn(|_| Detail::default()),
            details: std::array::from_fn(|_| Detail::default()),
        }
    }
}

impl Sheet {
    /// A counter. Only the sheet's own thread may use `add`.
    pub(crate) const fn count(&self, id: Count) -> &Counter {
        &self.counts[id as usize]
    }

    /// A summary. Only the sheet's own thread may use `record`.
    pub(crate) const fn basic(&self, id: Basic) -> &Detail {
        &self.basics[id as usize]
    }

    /// A summary with percentiles. Only the sheet's own thread may record in it.
    pub(crate) const fn detailed(&self, id: Detailed) -> &Detail {
        &self.details[id as usize]
    }

    /// All begin anew (`srst`). What another thread counts meanwhile may stay.
    pub(crate) fn reset(&self) {
        self.counts.iter().for_each(Counter::reset);
        self.basics.iter().for_each(Detail::reset);
        self.details.iter().for_each(Detail::reset);
    }
}
