//! Points in time as the official tools print them, in the system's time zone and in English.

use jiff::{Timestamp, tz::TimeZone};

/// Dates of one time zone.
#[derive(Debug, Clone)]
pub(super) struct Dates {
    zone: TimeZone,
}

impl Dates {
    pub(super) fn of_system() -> Self {
        Self { zone: TimeZone::try_system().unwrap_or(TimeZone::UTC) }
    }

    /// `11/27/26, 10:34:50 PM UTC`: a transaction (`DateFormat.SHORT`, `DateFormat.LONG`).
    pub(super) fn of_transaction(&self, ms: i64) -> String {
        self.format("%-m/%-d/%y, %-I:%M:%S %p %Z", ms)
    }

    /// `Thu Nov 26 22:34:50 UTC 2026`: a znode (`Date.toString`).
    pub(super) fn of_znode(&self, ms: i64) -> String {
        self.format("%a %b %d %H:%M:%S %Z %Y", ms)
    }

    /// `Nov 27, 2026, 10:38:38 PM`: a file (`DateFormat.getDateTimeInstance`).
    pub(super) fn of_file(&self, ms: i64) -> String {
        self.format("%b %-d, %Y, %-I:%M:%S %p", ms)
    }

    /// `2026-11-26T22:34:50.123Z`, in UTC: for programs. Times that are none in this calendar are left as numbers.
    pub(super) fn iso(ms: i64) -> String {
        Timestamp::from_millisecond(ms).map_or_else(|_| ms.to_string(), |at| format!("{at:.3}"))
    }

    fn format(&self, pattern: &str, ms: i64) -> String {
        let Ok(at) = Timestamp::from_millisecond(ms) else { return ms.to_string() };
        at.to_zoned(self.zone.clone()).strftime(pattern).to_string()
    }
}
