//! A terminal that is drawn over and gives each key at once, and is as it was when this is dropped.

use std::io::{self, Read, Write, stdin, stdout};
use std::thread;

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};
use tokio::sync::mpsc;

use super::{TopOrder, WIDE};

/// Another screen than that of the shell, without a cursor; and back.
const ENTER: &str = "\x1b[?1049h\x1b[?25l";
const LEAVE: &str = "\x1b[?25h\x1b[?1049l";
/// To the first place; what is right of the cursor gone; what is below it gone.
const HOME: &str = "\x1b[H";
const REST_OF_LINE: &str = "\x1b[K";
const BELOW: &str = "\x1b[J";
/// What Ctrl-C and Ctrl-D are where a terminal makes no signals of them.
const INTERRUPT: u8 = 3;
const END: u8 = 4;

/// What a key asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key {
    End,
    Again,
    Sort(TopOrder),
    Other,
}

impl Key {
    fn of(byte: u8) -> Self {
        match byte {
            b'q' | INTERRUPT | END => Self::End,
            b' ' => Self::Again,
            b'l' => Self::Sort(TopOrder::Lag),
            b'n' => Self::Sort(TopOrder::Name),
            _ => Self::Other,
        }
    }
}

/// The terminal of this process.
pub(super) struct RawTerminal {
    before: Termios,
    keys: mpsc::Receiver<Key>,
}

impl RawTerminal {
    pub(super) fn open() -> io::Result<Self> {
        let before = tcgetattr(stdin())?;
        let mut raw = before.clone();
        raw.local_modes -= LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG;
        tcsetattr(stdin(), OptionalActions::Now, &raw)?;
        let (tell, keys) = mpsc::channel(16);
        // It ends with the process: nothing else ends a read from a terminal.
        thread::spawn(move || {
            for byte in stdin().lock().bytes() {
                let Ok(byte) = byte else { return };
                if tell.blocking_send(Key::of(byte)).is_err() {
                    return;
                }
            }
        });
        let terminal = Self { before, keys };
        write(ENTER)?;
        Ok(terminal)
    }

    /// The next key; none when there will be no more.
    pub(super) async fn key(&mut self) -> Option<Key> {
        self.keys.recv().await
    }

    /// Draws these lines over what was there, as many and as much of each as fits.
    pub(super) fn draw(&self, lines: impl Iterator<Item = String>) -> io::Result<()> {
        let size = tcgetwinsize(stdout())?;
        let (rows, width) = (usize::from(size.ws_row), usize::from(size.ws_col));
        // A terminal that does not know its size says 0.
        let (rows, width) =
            (if rows == 0 { usize::MAX } else { rows }, if width == 0 { WIDE } else { width });
        let mut drawn = HOME.to_owned();
        for (place, line) in lines.take(rows).enumerate() {
            if place > 0 {
                drawn.push_str("\r\n");
            }
            drawn.extend(line.chars().take(width));
            drawn.push_str(REST_OF_LINE);
        }
        drawn.push_str(BELOW);
        write(&drawn)
    }
}

impl Drop for RawTerminal {
    fn drop(&mut self) {
        // A terminal that is gone needs nothing put back.
        let _ = write(LEAVE);
        let _ = tcsetattr(stdin(), OptionalActions::Now, &self.before);
    }
}

fn write(text: &str) -> io::Result<()> {
    let mut out = stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use super::*;

    #[test]
    fn keys_are_known() {
        for (byte, expected) in [
            (b'q', Key::End),
            (3, Key::End),
            (b' ', Key::Again),
            (b'n', Key::Sort(TopOrder::Name)),
            (b'x', Key::Other),
        ] {
            assert_eq!(Key::of(byte), expected, "{byte}");
        }
    }
}
