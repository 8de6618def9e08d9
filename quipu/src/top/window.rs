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

/// A line in so many columns, as wide as `width` says that it is; it ends with `…` where some of it is cut.
pub(super) fn fitted(line: &str, columns: usize, width: impl Fn(&str) -> usize) -> String {
    if width(line) <= columns {
        return line.to_owned();
    }
    let mut cut = line.to_owned();
    while cut.pop().is_some() {
        if width(&cut) < columns {
            cut.push('…');
            break;
        }
    }
    cut
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

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
    }
}
