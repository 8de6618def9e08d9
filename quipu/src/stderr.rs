//! Standard error, as something that nobody waits for for ever and that fails nobody.
//!
//! It may be a pipe whose reader has gone or reads nothing, or a file on a full disk. What is said there goes to a thread
//! of its own that writes it; what cannot be written, or is too much to keep, is dropped, and counted.

use std::collections::VecDeque;
use std::fmt::Display;
use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::Duration;

use tracing::warn;

use crate::terminal::plain;

/// What is kept of what is not written yet; more is dropped.
const WAITING_BYTES_MAX: usize = 4 << 20;
/// How long one who says something, and the end of the program, wait until it is written.
const PATIENCE: Duration = Duration::from_secs(1);

/// Says something in a line of its own, which is written when this returns if it can be written at all.
pub fn say(text: impl Display) {
    put(format!("{}\n", plain(&text.to_string())).as_bytes());
    flush();
}

/// Waits until everything is written that was said, but not for ever.
pub fn flush() {
    if let Some(lines) = lines() {
        lines.wait(PATIENCE);
    }
}

/// Waits, when it is dropped, until everything is written that was said.
#[derive(Debug, Default)]
pub struct FlushedStderr;

impl Drop for FlushedStderr {
    fn drop(&mut self) {
        flush();
    }
}

/// Where the lines of a log go.
#[derive(Debug)]
pub struct LogWriter;

impl Write for LogWriter {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        put(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn put(line: &[u8]) {
    match lines() {
        Some(lines) => lines.put(line),
        // The system gives no thread; that the line cannot be written is nobody's failure here either.
        None => drop(io::stderr().write_all(line)),
    }
}

/// Those of the program.
fn lines() -> Option<&'static Arc<Lines>> {
    static LINES: OnceLock<Option<Arc<Lines>>> = OnceLock::new();
    LINES.get_or_init(|| Lines::over(io::stderr()).ok()).as_ref()
}

/// Lines on their way to something that may not take them.
#[derive(Debug, Default)]
struct Lines {
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Waiting {
    lines: VecDeque<Vec<u8>>,
    /// How much all of it is, with the line that is being written.
    bytes: usize,
    /// Lines that were dropped since one was written.
    lost: u64,
}

impl Lines {
    fn over(sink: impl Write + Send + 'static) -> io::Result<Arc<Self>> {
        let lines = Arc::new(Self::default());
        let written = Arc::clone(&lines);
        thread::Builder::new().name("stderr".to_owned()).spawn(move || written.write_to(sink))?;
        Ok(lines)
    }

    fn put(&self, line: &[u8]) {
        let mut waiting = self.waiting();
        if waiting.bytes.saturating_add(line.len()) > WAITING_BYTES_MAX {
            waiting.lost += 1;
            return;
        }
        waiting.bytes += line.len();
        waiting.lines.push_back(line.to_vec());
        self.changed.notify_all();
    }

    /// Waits until all of it is written or dropped, or the time is over.
    fn wait(&self, within: Duration) {
        let is_left = |waiting: &mut Waiting| waiting.bytes > 0;
        drop(self.changed.wait_timeout_while(self.waiting(), within, is_left));
    }

    fn write_to(&self, mut sink: impl Write) {
        loop {
            let line = self.next();
            let is_written = sink.write_all(&line).and_then(|()| sink.flush()).is_ok();
            let lost = self.done(&line, is_written);
            if lost > 0 {
                warn!(lost, "lines of the log are lost: standard error did not take them");
            }
        }
    }

    fn next(&self) -> Vec<u8> {
        let mut waiting = self.waiting();
        loop {
            if let Some(line) = waiting.lines.pop_front() {
                return line;
            }
            waiting = self.changed.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Forgets a line; how many were lost before, if this one was written.
    fn done(&self, line: &[u8], is_written: bool) -> u64 {
        let mut waiting = self.waiting();
        waiting.bytes -= line.len();
        self.changed.notify_all();
        if is_written {
            return std::mem::take(&mut waiting.lost);
        }
        waiting.lost += 1;
        0
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    /// Takes a line for each permit; a permit that is none makes it fail.
    struct Sink {
        permits: Receiver<bool>,
        taken: Sender<Vec<u8>>,
    }

    impl Write for Sink {
        fn write(&mut self, line: &[u8]) -> io::Result<usize> {
            if !self.permits.recv().unwrap_or(false) {
                return Err(io::ErrorKind::StorageFull.into());
            }
            let _ = self.taken.send(line.to_vec());
            Ok(line.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn sink() -> (Arc<Lines>, Sender<bool>, Receiver<Vec<u8>>) {
        let ((permit, permits), (taken, written)) = (channel(), channel());
        (Lines::over(Sink { permits, taken }).unwrap(), permit, written)
    }

    #[test]
    fn what_cannot_be_written_is_dropped_and_counted() {
        let (lines, permit, written) = sink();
        for can_write in [false, false, true] {
            lines.put(b"line\n");
            permit.send(can_write).unwrap();
        }
        lines.wait(LONG);
        assert_eq!(written.recv().unwrap(), b"line\n");
        assert!(written.try_recv().is_err());
        lines.put(b"next\n");
        permit.send(false).unwrap();
        lines.wait(LONG);
        assert_eq!(lines.waiting().lost, 1, "those before were told");
    }

    #[test]
    fn nobody_waits_for_one_who_reads_nothing() {
        let (lines, permit, written) = sink();
        let line = vec![b'x'; WAITING_BYTES_MAX / 8];
        (0..10).for_each(|_| lines.put(&line));
        lines.wait(Duration::ZERO);
        assert_eq!(lines.waiting().lost, 2);
        assert_eq!(lines.waiting().bytes, WAITING_BYTES_MAX);
        (0..8).for_each(|_| permit.send(true).unwrap());
        lines.wait(LONG);
        assert_eq!((lines.waiting().bytes, written.try_iter().count()), (0, 8));
    }
}
