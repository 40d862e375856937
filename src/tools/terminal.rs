//! Where a tool reads and writes.

use std::io::{BufRead, Write};

/// The three streams of a tool.
pub struct Terminal<'t> {
    /// What is answered to questions.
    pub input: &'t mut dyn BufRead,
    /// Results.
    pub out: &'t mut dyn Write,
    /// Complaints.
    pub err: &'t mut dyn Write,
}
