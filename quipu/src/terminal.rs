//! What is written to a terminal, and to people at all: whatever a node tells may be in it, and what a terminal would take for
//! an order, or nobody could see, is shown instead.

use std::fmt::Write as _;
use std::io::{self, IsTerminal, Stdout, Write, stdout};
use std::str::from_utf8;

/// A line with what would move the cursor, turn the order of what stands around it, or not be seen at all, made visible.
pub fn plain(line: &str) -> String {
    let mut shown = String::with_capacity(line.len());
    line.chars().for_each(|character| push_plain(&mut shown, character));
    shown
}

/// The same with line ends and tabs as they are.
fn plain_text(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\n' | '\t' => shown.push(character),
            other => push_plain(&mut shown, other),
        }
    }
    shown
}

fn push_plain(shown: &mut String, character: char) {
    if is_hidden(character) {
        shown.extend(character.escape_unicode());
    } else {
        shown.push(character);
    }
}

/// Whether a character is one that text is not made of: the standard library knows which those are when it escapes what follows
/// another character, as an accent may.
fn is_hidden(character: char) -> bool {
    match character {
        '\0'..='\u{7f}' => character.is_ascii_control(),
        // Spaces as wide as others, which people write.
        '\u{a0}' | '\u{3000}' => false,
        other => String::from_iter(['x', other]).escape_debug().nth(2).is_some(),
    }
}

/// Standard output: as it is for whoever reads it by a program, and without orders for a terminal.
pub enum StandardOutput {
    /// A file or a pipe.
    Plain(Stdout),
    /// A terminal.
    Terminal(TerminalOutput<Stdout>),
}

impl StandardOutput {
    /// That of this program.
    pub fn open() -> Self {
        let out = stdout();
        if out.is_terminal() { Self::Terminal(TerminalOutput::over(out)) } else { Self::Plain(out) }
    }
}

impl Write for StandardOutput {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(out) => out.write(bytes),
            Self::Terminal(out) => out.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(out) => out.flush(),
            Self::Terminal(out) => out.flush(),
        }
    }
}

/// A terminal that gets text alone.
pub struct TerminalOutput<W> {
    out: W,
    /// The beginning of a character of which the rest has not come.
    begun: Vec<u8>,
}

impl<W: Write> TerminalOutput<W> {
    fn over(out: W) -> Self {
        Self { out, begun: Vec::new() }
    }
}

impl<W: Write> Write for TerminalOutput<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut all = std::mem::take(&mut self.begun);
        all.extend_from_slice(bytes);
        let mut shown = String::with_capacity(all.len());
        let mut rest = all.as_slice();
        while !rest.is_empty() {
            match from_utf8(rest) {
                Ok(text) => {
                    shown += &plain_text(text);
                    rest = &[];
                }
                Err(error) => {
                    let (valid, after) = rest.split_at(error.valid_up_to());
                    shown += &plain_text(from_utf8(valid).unwrap_or_default());
                    let Some(wrong) = error.error_len() else {
                        self.begun = after.to_vec();
                        break;
                    };
                    let (wrong, after) = after.split_at(wrong);
                    for byte in wrong {
                        // Writing to a string does not fail.
                        let _ = write!(shown, "\\x{byte:02x}");
                    }
                    rest = after;
                }
            }
        }
        self.out.write_all(shown.as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use super::*;

    #[test]
    fn what_a_terminal_would_obey_or_nobody_sees_is_made_visible() {
        for (line, shown) in [
            ("a\u{1b}[2J\n\u{202e}ü", "a\\u{1b}[2J\\u{a}\\u{202e}ü"),
            ("\u{9b}2J\u{7f}", "\\u{9b}2J\\u{7f}"),
            ("a\u{200b}b\u{2028}\u{feff}\u{ad}", "a\\u{200b}b\\u{2028}\\u{feff}\\u{ad}"),
            ("\u{e0041}", "\\u{e0041}"),
            // Text as people write it, with quotation marks and accents that are characters of their own.
            ("\"it's\" \\ e\u{301} 漢字 🙂 हिन्दी", "\"it's\" \\ e\u{301} 漢字 🙂 हिन्दी"),
        ] {
            assert_eq!(plain(line), shown);
        }
    }

    #[test]
    fn a_terminal_gets_text_however_it_comes() {
        let whole = "ab\tü\u{1b}]0;x\u{7}\n漢\u{202e}".as_bytes();
        let expected = "ab\tü\\u{1b}]0;x\\u{7}\n漢\\u{202e}\\xff!";
        for piece in 1..whole.len() {
            let mut out = TerminalOutput::over(Vec::new());
            whole.chunks(piece).for_each(|piece| out.write_all(piece).unwrap());
            out.write_all(b"\xff!").unwrap();
            assert_eq!(String::from_utf8(out.out).unwrap(), expected, "{piece}");
        }
    }
}
