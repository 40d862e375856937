//! Lines of the log on their way to standard error, which may be slow, stand still, be full, or have nobody at its end.
//!
//! Promise: whoever logs leaves a line in memory and goes on; one thread, which does nothing else, writes. A line that
//! finds no room, or that cannot be written, is lost and counted; as soon as one can be written again, a line says how
//! many were. What waits at the end of the process is written for as long as [`PATIENCE`] says.
//!
//! Invariants: logging waits for no reader and panics for no error; at most [`ROOM_BYTES`] wait, and as many are being
//! written.

use crate::{
    line_queue::{LineQueue, Taken},
    topics,
};
use rustix::event::{PollFd, PollFlags, poll};
use std::{
    io::{self, Write},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tracing_subscriber::fmt::{
    format::Writer,
    time::{FormatTime, SystemTime},
};

/// The form of log lines.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// Lines for people.
    #[default]
    Human,
    /// One JSON object a line.
    Json,
}

/// Bytes that may wait.
const ROOM_BYTES: usize = 1 << 20;
/// How long the end of the process waits for what is left to be written.
const PATIENCE: Duration = Duration::from_secs(1);
/// How often the thread tries to tell of lost lines while nothing else is to be written.
const RETRY: Duration = Duration::from_secs(1);

/// Lines that wait.
#[derive(Debug)]
pub(super) struct Lines {
    format: LogFormat,
    waiting: LineQueue,
    /// Whether there is a thread that writes.
    attended: AtomicBool,
}

impl Lines {
    const fn new(format: LogFormat) -> Self {
        Self { format, waiting: LineQueue::new(ROOM_BYTES), attended: AtomicBool::new(false) }
    }

    /// Lines for standard error, and the thread that writes them. Where there can be no thread, they wait for the end.
    pub(super) fn to_stderr(format: LogFormat) -> Arc<Self> {
        let lines = Arc::new(Self::new(format));
        let run = {
            let lines = Arc::clone(&lines);
            move || lines.run(Out::new(StandardError, format))
        };
        let thread = std::thread::Builder::new().name("log".to_owned()).spawn(run);
        lines.attended.store(thread.is_ok(), Ordering::Relaxed);
        lines
    }

    /// Waits until everything is written or lost, for a short while at most.
    pub(super) fn flush(&self) {
        if self.attended.load(Ordering::Relaxed) {
            self.waiting.flush(PATIENCE);
        } else {
            let mut batch = Vec::new();
            self.waiting.take(&mut batch, Some(Duration::ZERO));
            Out::new(StandardError, self.format).write(&batch);
        }
    }

    /// The life of the thread that writes.
    fn run(&self, mut out: Out<impl Write>) {
        let mut batch = Vec::new();
        loop {
            let retry = (out.lost > 0).then_some(RETRY);
            let Taken { dropped, .. } = self.waiting.take(&mut batch, retry);
            out.tell_lost();
            out.write(&batch);
            if dropped > 0 {
                out.lost(dropped, "standard error does not take them quickly enough");
                out.tell_lost();
            }
        }
    }
}

/// What `tracing-subscriber` writes each line into.
#[derive(Debug, Clone)]
pub(super) struct Leaver(pub(super) Arc<Lines>);

impl Write for Leaver {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.waiting.leave(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Where lines go, and what did not get there.
struct Out<W> {
    to: W,
    format: LogFormat,
    /// The last line was written in part.
    is_cut: bool,
    /// Lines that were not written, and nobody was told of.
    lost: u64,
    /// Why the last of them was not.
    why: String,
}

impl<W: Write> Out<W> {
    const fn new(to: W, format: LogFormat) -> Self {
        Self { to, format, is_cut: false, lost: 0, why: String::new() }
    }

    fn lost(&mut self, lines: u64, why: impl ToString) {
        self.lost += lines;
        self.why = why.to_string();
    }

    /// Writes lines. Those that cannot be are lost.
    fn write(&mut self, lines: &[u8]) {
        if let Err((left, error)) = self.try_write(lines) {
            let left = left.iter().filter(|&&byte| byte == b'\n').count();
            self.lost(u64::try_from(left).unwrap_or(u64::MAX), error);
        }
    }

    /// Writes lines; the error is with what is left.
    fn try_write<'l>(&mut self, lines: &'l [u8]) -> Result<(), (&'l [u8], io::Error)> {
        if self.is_cut && !lines.is_empty() {
            self.to.write_all(b"\n").map_err(|error| (lines, error))?;
            self.is_cut = false;
        }
        let mut left = lines;
        while !left.is_empty() {
            match self.to.write(left) {
                Ok(written) if written > 0 => {
                    self.is_cut = left[written - 1] != b'\n';
                    left = &left[written..];
                }
                Ok(_) => return Err((left, io::ErrorKind::WriteZero.into())),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err((left, error)),
            }
        }
        Ok(())
    }

    /// Says how many lines were lost, if some were and it can be said.
    fn tell_lost(&mut self) {
        if self.lost > 0 && self.try_write(note(self.format, self.lost, &self.why).as_bytes()).is_ok() {
            self.lost = 0;
        }
    }
}

/// The line that says how many were lost, in the form of the others.
fn note(format: LogFormat, lost: u64, why: &str) -> String {
    let mut time = String::new();
    // A clock that cannot be read leaves the line without a time.
    _ = SystemTime.format_time(&mut Writer::new(&mut time));
    let (message, target) = ("lines of this log were lost", topics::LOG);
    match format {
        LogFormat::Human => format!("{time}  WARN {target}: {message} lost={lost} why={why}\n"),
        // A text of the system, in quotes as Rust has them, is one of JSON.
        LogFormat::Json => format!(
            "{{\"timestamp\":\"{time}\",\"level\":\"WARN\",\"fields\":{{\"message\":\"{message}\",\"lost\":{lost},\
             \"why\":{why:?}}},\"target\":\"{target}\"}}\n"
        ),
    }
}

/// Standard error without Rust's lock and buffers; waits where it was made not to block.
#[derive(Debug)]
struct StandardError;

impl Write for StandardError {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let stderr = io::stderr();
        loop {
            match rustix::io::write(&stderr, bytes) {
                Err(rustix::io::Errno::AGAIN) => {
                    poll(&mut [PollFd::new(&stderr, PollFlags::OUT)], None)?;
                }
                result => return Ok(result?),
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use parking_lot::Mutex;

    /// Takes so many bytes, then none until it is told how many more.
    #[derive(Clone, Default)]
    struct Disk(Arc<Mutex<(Vec<u8>, usize)>>);

    impl Disk {
        fn has_room_for(self, bytes: usize) -> Self {
            self.0.lock().1 = bytes;
            self
        }

        fn text(&self) -> String {
            String::from_utf8(self.0.lock().0.clone()).expect("text")
        }
    }

    impl Write for Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let (text, room) = &mut *self.0.lock();
            let taken = bytes.len().min(*room);
            *room -= taken;
            text.extend_from_slice(&bytes[..taken]);
            if taken > 0 { Ok(taken) } else { Err(io::ErrorKind::StorageFull.into()) }
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_is_lost_is_counted_and_told_on_a_line_of_its_own() {
        for (room, begun, lost) in
            [(0, "", 3), (2, "a\n", 2), (3, "a\nb", 2), (4, "a\nbb", 2), (5, "a\nbb\n", 1)]
        {
            let disk = Disk::default().has_room_for(room);
            let mut out = Out::new(disk.clone(), LogFormat::Human);
            out.write(b"a\nbb\nccc\n");
            out.tell_lost();
            assert_eq!((disk.text().as_str(), out.lost), (begun, lost));
            disk.clone().has_room_for(1000);
            out.tell_lost();
            out.write(b"d\n");
            let text = disk.text();
            let told = format!(" WARN oxkeeper::log: lines of this log were lost lost={lost} why=");
            let lines: Vec<&str> = text.strip_prefix(begun).expect(begun).trim_start().lines().collect();
            assert!(lines.len() == 2 && lines[0].contains(&told) && lines[1] == "d", "{text:?}");
            assert_eq!(text.lines().count(), begun.lines().count() + 2);
        }
    }

    #[test]
    fn what_finds_no_room_is_counted() {
        let lines = Arc::new(Lines::new(LogFormat::Human));
        let line = [vec![b'x'; 1023], vec![b'\n']].concat();
        for _ in 0..2 * ROOM_BYTES / line.len() {
            Leaver(Arc::clone(&lines)).write_all(&line).expect("it never fails");
        }
        let mut batch = Vec::new();
        let Taken { dropped, .. } = lines.waiting.take(&mut batch, None);
        assert_eq!((batch.len(), dropped), (ROOM_BYTES, 1024));
    }

    #[test]
    fn the_note_of_a_json_log_is_an_object() {
        let text = note(LogFormat::Json, 7, "the \"disk\" is full");
        let object: serde_json::Value = serde_json::from_str(&text).expect("an object");
        assert_eq!(object["fields"]["lost"], 7);
        assert_eq!(object["fields"]["why"], "the \"disk\" is full");
        assert!(object["timestamp"].as_str().is_some_and(|time| time.ends_with('Z')), "{text}");
    }
}
