//! How values look to a person: aligned tables, times, durations, excerpts of data.

use std::time::{Duration, UNIX_EPOCH};

/// So many processes, in words.
pub fn processes(count: u64) -> String {
    if count == 1 { "1 process".to_owned() } else { format!("{} processes", thousands(count)) }
}

/// Rows of a name and a value under headings, the values aligned.
#[derive(Debug, Default)]
pub struct TextTable {
    rows: Vec<Row>,
}

#[derive(Debug)]
enum Row {
    Heading(String),
    Value(String, String),
}

impl TextTable {
    /// Starts a group of rows.
    pub fn heading(&mut self, text: impl Into<String>) {
        self.rows.push(Row::Heading(text.into()));
    }

    /// Adds a row.
    pub fn row(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.rows.push(Row::Value(name.into(), value.into()));
    }

    /// The table as text, a line feed after each row.
    pub fn render(&self) -> String {
        let width = |row: &Row| match row {
            Row::Heading(_) => 0,
            Row::Value(name, _) => name.chars().count(),
        };
        let widest = self.rows.iter().map(width).max().unwrap_or(0);
        let line = |row: &Row| match row {
            Row::Heading(text) => format!("{text}\n"),
            Row::Value(name, value) => format!("  {name:widest$}  {value}\n"),
        };
        self.rows.iter().map(line).collect()
    }
}

/// Rows of cells below a heading for each column, all columns aligned.
#[derive(Debug)]
pub struct Columns {
    aligned: Vec<Align>,
    rows: Vec<Vec<String>>,
}

/// On which side the cells of a column stand in line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Align {
    /// Text.
    Left,
    /// Numbers.
    Right,
}

impl Columns {
    /// Columns with these headings.
    pub fn new(headings: impl IntoIterator<Item = (impl Into<String>, Align)>) -> Self {
        let (headings, aligned) = headings.into_iter().map(|(text, align)| (text.into(), align)).unzip();
        Self { aligned, rows: vec![headings] }
    }

    /// Adds a row, with a cell for each column.
    pub fn row(&mut self, cells: impl Into<Vec<String>>) {
        self.rows.push(cells.into());
    }

    /// Each line of the table, the headings first; none ends with a space.
    pub fn lines(&self) -> impl Iterator<Item = String> + '_ {
        let mut widths = vec![0_usize; self.aligned.len()];
        for row in &self.rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        self.rows.iter().map(move |row| {
            let cells =
                row.iter().zip(&widths).zip(&self.aligned).map(|((cell, width), align)| match align {
                    Align::Left => format!("{cell:<width$}"),
                    Align::Right => format!("{cell:>width$}"),
                });
            cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
        })
    }
}

/// A number of bytes, in the largest unit of which there is one.
pub fn bytes(count: u64) -> String {
    const UNITS: [(u64, &str); 3] = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    match UNITS.into_iter().find(|(least, _)| count >= *least) {
        Some((least, unit)) => format!("{:.1} {unit}", count as f64 / least as f64),
        None => format!("{count} B"),
    }
}

/// How long something takes or took, in its two largest units.
pub fn duration(seconds: f64) -> String {
    // Times of a node are neither negative nor beyond what fits.
    let whole = seconds.max(0.0) as u64;
    let (days, hours, minutes) = (whole / 86_400, whole / 3_600 % 24, whole / 60 % 60);
    match whole {
        0..10 => format!("{:.1} s", seconds.max(0.0)),
        10..60 => format!("{whole} s"),
        60..3_600 => format!("{minutes} min {} s", whole % 60),
        3_600..86_400 => format!("{hours} h {minutes} min"),
        _ => format!("{} d {hours} h", thousands(days)),
    }
}

/// Milliseconds since 1970 as RFC 3339 in UTC; as the bare number where that is beyond the year 9999.
pub fn time(ms: u64) -> String {
    const END_MS: u64 = 253_402_300_800_000;
    if ms >= END_MS {
        return ms.to_string();
    }
    humantime::format_rfc3339_millis(UNIX_EPOCH + Duration::from_millis(ms)).to_string()
}

/// Whether a character is not seen, or turns the order of those around it: by what Unicode says of each, but for what says how
/// the character before is drawn.
fn is_hidden(character: char) -> bool {
    matches!(character,
        '\u{ad}' | '\u{34f}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}' | '\u{890}'..='\u{891}' | '\u{8e2}'
        | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{e000}'..='\u{f8ff}' | '\u{fe00}'..='\u{fe0d}'
        | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{110bd}' | '\u{110cd}' | '\u{13430}'..='\u{1343f}'
        | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..)
}

/// The first characters of a text in one line: those that control or are not seen escaped, `…` where it was cut.
pub fn excerpt(text: &str, max_chars: usize) -> String {
    let mut shown = String::new();
    let mut chars = text.chars();
    for character in chars.by_ref().take(max_chars) {
        if character.is_control() || is_hidden(character) {
            shown.extend(character.escape_default());
        } else {
            shown.push(character);
        }
    }
    if chars.next().is_some() {
        shown.push('…');
    }
    shown
}

/// A whole number with its thousands apart.
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut shown = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown
}

/// How many there are of something that makes its plural with an s, or with es behind one.
pub fn counted(number: u64, what: &str) -> String {
    let plural = match (number, what.ends_with('s')) {
        (1, _) => "",
        (_, true) => "es",
        (_, false) => "s",
    };
    format!("{} {what}{plural}", thousands(number))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use super::*;

    #[test]
    fn tables_are_aligned() {
        let mut table = TextTable::default();
        table.heading("first");
        table.row("a", "1");
        table.row("longer", "2");
        assert_eq!(table.render(), "first\n  a       1\n  longer  2\n");
        assert_eq!(TextTable::default().render(), "");
    }

    #[test]
    fn columns_are_aligned() {
        let mut columns = Columns::new([("NAME", Align::Left), ("LAG", Align::Right), ("WHY", Align::Left)]);
        columns.row(["index".to_owned(), "1,000".to_owned(), "-".to_owned()]);
        columns.row(["ü".to_owned(), "0".to_owned(), String::new()]);
        let lines: Vec<_> = columns.lines().collect();
        assert_eq!(lines, ["NAME     LAG  WHY", "index  1,000  -", "ü          0"]);
    }

    #[test]
    fn durations_have_two_units_at_most() {
        for (seconds, expected) in [
            (-1.0, "0.0 s"),
            (0.25, "0.2 s"),
            (9.96, "10.0 s"),
            (59.9, "59 s"),
            (61.25, "1 min 1 s"),
            (7_265.0, "2 h 1 min"),
            (86_400.0, "1 d 0 h"),
            (1_000.0 * 86_400.0 + 3_600.0, "1,000 d 1 h"),
        ] {
            assert_eq!(duration(seconds), expected, "{seconds}");
        }
    }

    #[test]
    fn bytes_have_one_unit() {
        for (count, expected) in
            [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (5 << 20, "5.0 MiB"), (3 << 30, "3.0 GiB")]
        {
            assert_eq!(bytes(count), expected);
        }
    }

    #[test]
    fn times_are_utc_with_milliseconds() {
        assert_eq!(time(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(time(1_700_000_000_123), "2023-11-14T22:13:20.123Z");
        assert_eq!(time(253_402_300_799_999), "9999-12-31T23:59:59.999Z");
        assert_eq!(time(253_402_300_800_000), "253402300800000");
        assert_eq!(time(u64::MAX), u64::MAX.to_string());
    }

    #[test]
    fn excerpts_stay_in_one_line() {
        for (text, max, expected) in [
            ("", 3, ""),
            ("abc", 3, "abc"),
            ("abcd", 3, "abc…"),
            ("a\nb\u{1b}[0m", 10, "a\\nb\\u{1b}[0m"),
            ("äöü€", 3, "äöü…"),
            ("a\u{202e}b\u{200b}\u{2066}\u{e0041}", 10, "a\\u{202e}b\\u{200b}\\u{2066}\\u{e0041}"),
            ("שלום 中文 ❤\u{fe0f} é", 20, "שלום 中文 ❤\u{fe0f} é"),
        ] {
            assert_eq!(excerpt(text, max), expected);
        }
    }

    #[test]
    fn one_is_no_plural() {
        for (number, expected) in [(0, "0 faults"), (1, "1 fault"), (2, "2 faults"), (1000, "1,000 faults")] {
            assert_eq!(counted(number, "fault"), expected);
        }
    }

    #[test]
    fn thousands_are_apart() {
        for (number, expected) in
            [(0, "0"), (999, "999"), (1000, "1,000"), (20_000, "20,000"), (1_234_567, "1,234,567")]
        {
            assert_eq!(thousands(number), expected);
        }
    }
}
