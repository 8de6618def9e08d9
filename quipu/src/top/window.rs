//! What of many lines is seen on a terminal that has few: the first one always, of the others those where somebody looks, and
//! how many are left out.

/// The lines that fit, from this one after the first on, or as near to it as there are lines; and which one that is.
pub(super) fn window(lines: &[String], height: usize, from: usize) -> (Vec<String>, usize) {
    if lines.len() <= height {
        return (lines.to_vec(), 0);
    }
    let Some((first, rest)) = lines.split_first().filter(|_| height > 2) else {
        return (lines.iter().take(height).cloned().collect(), 0);
    };
    let room = height - 2;
    let from = from.min(rest.len() - room);
    let below = rest.len() - room - from;
    let seen = rest.iter().skip(from).take(room);
    let shown = std::iter::once(first).chain(seen).cloned().chain([left_out(from, below)]);
    (shown.collect(), from)
}

fn left_out(above: usize, below: usize) -> String {
    let left = match (above, below) {
        (0, below) => format!("+{below} more below"),
        (above, 0) => format!("+{above} more above"),
        (above, below) => format!("+{below} more below, {above} above"),
    };
    format!("{left}: keys j and k; all that is not ok: quipu status")
}

/// How many characters of a line are looked at for each column: most take one column, some take none.
const LOOKED_AT: usize = 4;

/// A line in so many columns, as wide as `width` says that it is; it ends with `…` where some of it is cut. Whoever tells a line
/// decides how long it is, so that no more of it is measured than may be seen.
pub(super) fn fitted(line: &str, columns: usize, width: impl Fn(&str) -> usize) -> String {
    let starts = line.char_indices().map(|(at, _)| at).skip(1);
    let heads: Vec<_> = starts.take(columns.saturating_mul(LOOKED_AT)).collect();
    let is_all = heads.len() < columns.saturating_mul(LOOKED_AT);
    if is_all && width(line) <= columns {
        return line.to_owned();
    }
    let head = |end: usize| line.get(..end).unwrap_or_default();
    // A head is not narrower than a shorter one.
    let fitting = heads.partition_point(|end| width(head(*end)) < columns);
    let cut = fitting.checked_sub(1).and_then(|last| heads.get(last)).map_or("", |end| head(*end));
    if columns == 0 { String::new() } else { format!("{cut}…") }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use std::cell::Cell;

    use super::*;

    fn seen(count: usize, height: usize, from: usize) -> (String, usize) {
        let lines: Vec<_> = (0..count).map(|line| line.to_string()).collect();
        let (shown, from) = window(&lines, height, from);
        assert!(shown.len() <= height, "{shown:?}");
        (shown.join(" "), from)
    }

    #[test]
    fn what_does_not_fit_is_said() {
        let more = |text: &str| format!("{text}: keys j and k; all that is not ok: quipu status");
        assert_eq!(seen(5, 5, 3), ("0 1 2 3 4".to_owned(), 0));
        assert_eq!(seen(6, 5, 0), (more("0 1 2 3 +2 more below"), 0));
        assert_eq!(seen(9, 5, 2), (more("0 3 4 5 +3 more below, 2 above"), 2));
        assert_eq!(seen(9, 5, 100), (more("0 6 7 8 +5 more above"), 5), "the end is where it ends");
        assert_eq!(seen(9, 2, 3), ("0 1".to_owned(), 0));
        assert_eq!(seen(9, 0, 0), (String::new(), 0));
        assert_eq!(seen(0, 0, 0), (String::new(), 0));
    }

    #[test]
    fn a_line_that_is_cut_shows_it() {
        let width = |text: &str| text.chars().count();
        assert_eq!(fitted("abc", 3, width), "abc");
        assert_eq!(fitted("äbcd", 3, width), "äb…");
        assert_eq!(fitted("abcd", 1, width), "…");
        assert_eq!(fitted("abcd", 0, width), "");
        assert_eq!(fitted("", 0, width), "");
    }

    #[test]
    fn a_line_without_an_end_takes_no_longer_than_what_is_seen_of_it() {
        let measured = Cell::new(0);
        let width = |text: &str| {
            measured.set(measured.get() + text.len());
            text.chars().filter(|character| *character != '\u{200b}').count()
        };
        for line in ["x".repeat(1 << 20), "\u{200b}".repeat(1 << 20)] {
            let shown = fitted(&line, 80, width);
            assert!(shown.ends_with('…') && shown.chars().count() <= 80 * LOOKED_AT + 1);
        }
        assert!(measured.get() < 100_000, "{} bytes were measured", measured.get());
    }
}
