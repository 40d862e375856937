//! Figures for monitoring, under the names of the official server (`ServerMetrics`).
//!
//! Promise: counting costs a few plain stores, no lock and no shared cache line: each thread writes a [`Sheet`] of
//! its own, and whoever wants to know adds the sheets up ([`report`]).
//!
//! Invariant: what [`catalog`] names is printed always, also while it is zero, as the official server does.

mod catalog;
mod namespaces;
mod report;
mod summary;

pub(super) use catalog::{Basic, Count, Detailed};
pub(super) use namespaces::{Namespaces, path_of, read_bytes};
pub(super) use report::{Entry, Value, gather};
pub(super) use summary::{Counter, Figures, Summary};

use summary::Detail;

/// The figures that one thread counts.
#[derive(Debug)]
pub(super) struct Sheet {
    counts: [Counter; Count::ALL.len()],
    basics: [Summary; Basic::ALL.len()],
    details: [Detail; Detailed::ALL.len()],
}

impl Default for Sheet {
    fn default() -> Self {
        Self {
            counts: std::array::from_fn(|_| Counter::default()),
            basics: std::array::from_fn(|_| Summary::default()),
            details: std::array::from_fn(|_| Detail::default()),
        }
    }
}

impl Sheet {
    /// A counter. Only the sheet's own thread may use `add`.
    pub(super) const fn count(&self, id: Count) -> &Counter {
        &self.counts[id as usize]
    }

    /// A summary. Only the sheet's own thread may use `record`.
    pub(super) const fn basic(&self, id: Basic) -> &Summary {
        &self.basics[id as usize]
    }

    /// A summary with percentiles. Only the sheet's own thread may record in it.
    pub(super) const fn detailed(&self, id: Detailed) -> &Detail {
        &self.details[id as usize]
    }

    /// All begin anew (`srst`). What another thread counts meanwhile may stay.
    pub(super) fn reset(&self) {
        self.counts.iter().for_each(Counter::reset);
        self.basics.iter().for_each(Summary::reset);
        self.details.iter().for_each(Detail::reset);
    }
}
