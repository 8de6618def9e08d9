//! What the node has counted since its start, read from its own metrics: they are there once, and everybody is told the
//! same.

use std::collections::BTreeMap;

use crate::metrics::READ;

/// All that series are made of, at one time.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Sample {
    pub(super) scheduled: u64,
    pub(super) requests: u64,
    pub(super) confirmed: u64,
    /// What was refused, by code; there are few codes.
    pub(super) refused: BTreeMap<String, u64>,
    pub(super) answer: Buckets,
    pub(super) sign: Buckets,
    pub(super) sync: Buckets,
}

/// How many values were at most so great, by ascending bound; the last bound is infinite.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Buckets(Vec<(f64, u64)>);

impl Sample {
    /// What the text of the metrics says; what is not in it counts as none.
    pub(crate) fn parse(text: &str) -> Self {
        let mut sample = Self::default();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            if let Some((name, labels, value)) = parts(line) {
                sample.take(name, labels, value);
            }
        }
        sample
    }

    fn take(&mut self, name: &str, labels: &str, value: f64) {
        // Counts are whole and not negative.
        let count = value as u64;
        let buckets =
            [(READ.answer, &mut self.answer), (READ.sign, &mut self.sign), (READ.sync, &mut self.sync)];
        if name == READ.scheduled {
            self.scheduled += count;
        } else if name == READ.requests {
            self.requests += count;
        } else if name == READ.confirmed {
            self.confirmed += count;
        } else if name == READ.refused {
            *self.refused.entry(label(labels, "code").to_owned()).or_default() += count;
        } else if let Some(of) = name.strip_suffix("_bucket")
            && let Some((_, buckets)) = buckets.into_iter().find(|(name, _)| *name == of)
            && let Some(bound) = bound(label(labels, "le"))
        {
            buckets.0.push((bound, count));
        }
    }
}

/// Name, labels and value of a line.
fn parts(line: &str) -> Option<(&str, &str, f64)> {
    let (head, value) = line.rsplit_once(' ')?;
    let (name, labels) = head.split_once('{').unwrap_or((head, ""));
    Some((name, labels.trim_end_matches('}'), value.parse().ok()?))
}

/// The value of a label; ours have no quotation marks in them.
fn label<'a>(labels: &'a str, name: &str) -> &'a str {
    let found = labels.split(',').find_map(|label| label.strip_prefix(name)?.strip_prefix('='));
    found.unwrap_or_default().trim_matches('"')
}

fn bound(text: &str) -> Option<f64> {
    if text == "+Inf" { Some(f64::INFINITY) } else { text.parse().ok() }
}

impl Buckets {
    /// What a part of the values that came since `before` was not above: 0.99 for that of which 1 in 100 was slower. None
    /// where none came.
    pub(super) fn quantile(&self, before: &Self, part: f64) -> Option<f64> {
        let earlier: BTreeMap<u64, u64> =
            before.0.iter().map(|(bound, count)| (bound.to_bits(), *count)).collect();
        let since = |(bound, count): &(f64, u64)| {
            let before = earlier.get(&bound.to_bits()).copied().unwrap_or(0);
            // A recorder that began anew has counted fewer.
            (*bound, if *count < before { *count } else { count - before })
        };
        let counts: Vec<_> = self.0.iter().map(since).collect();
        let total = counts.last().map(|(_, count)| *count).filter(|total| *total > 0)?;
        let wanted = part * total as f64;
        let (mut below, mut counted) = (0.0, 0);
        for (bound, count) in counts {
            if count as f64 >= wanted && count > counted {
                let inside = (wanted - counted as f64) / (count - counted) as f64;
                return Some(if bound.is_finite() {
                    below + (bound - below) * inside.max(0.0)
                } else {
                    below
                });
            }
            counted = counted.max(count);
            if bound.is_finite() {
                below = bound;
            }
        }
        Some(below)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use super::*;

    fn buckets(counts: [u64; 3]) -> Buckets {
        Buckets([0.01, 0.1, f64::INFINITY].into_iter().zip(counts).collect())
    }

    #[test]
    fn metrics_are_read() {
        let text = format!(
            "# HELP x y\n# TYPE x counter\n{} 12\n{}{{code=\"too_large\"}} 3\n{}{{route=\"/a\",status=\"200\"}} 4\n\
             {}{{route=\"/b\",status=\"200\"}} 5\n{}_bucket{{le=\"0.01\"}} 1\n{}_bucket{{le=\"+Inf\"}} 2\n{}_sum 7\nodd\n",
            READ.scheduled, READ.refused, READ.requests, READ.requests, READ.answer, READ.answer, READ.answer
        );
        let sample = Sample::parse(&text);
        assert_eq!((sample.scheduled, sample.requests), (12, 9));
        assert_eq!(sample.refused, BTreeMap::from([("too_large".to_owned(), 3)]));
        assert_eq!(sample.answer, Buckets(vec![(0.01, 1), (f64::INFINITY, 2)]));
        assert_eq!(Sample::parse(""), Sample::default());
    }

    #[test]
    fn a_quantile_is_that_of_what_came_since() {
        let none = buckets([0, 0, 0]);
        assert_eq!(none.quantile(&none, 0.5), None);
        assert_eq!(buckets([10, 10, 10]).quantile(&buckets([10, 10, 10]), 0.5), None, "nothing came");
        assert_eq!(buckets([10, 10, 10]).quantile(&none, 0.5), Some(0.005));
        // All that came since were between the first and the second bound.
        let found = buckets([10, 20, 20]).quantile(&buckets([10, 10, 10]), 0.5).unwrap();
        assert!((found - 0.055).abs() < 1e-9, "{found}");
        // Beyond all bounds it is the last of them.
        assert_eq!(buckets([0, 0, 5]).quantile(&none, 0.99), Some(0.1));
        assert_eq!(buckets([1, 1, 1]).quantile(&buckets([10, 10, 10]), 0.5), Some(0.005), "it began anew");
    }
}
