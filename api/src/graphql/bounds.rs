//! What a GraphQL document may ask of the node, found in one pass over it.
//!
//! Everything that comes later follows fragments wherever they are used: a short document of fragments that use each
//! other would keep a core busy for years. Here each fragment is measured once.

use std::collections::HashMap;

use async_graphql::ServerError;
use async_graphql::parser::parse_query;
use async_graphql::parser::types::{ExecutableDocument, Selection, SelectionSet};

/// How many braces, brackets and parentheses may be opened: none can be nested deeper than that, and the parser calls
/// itself for each.
const OPENED_MAX: usize = 256;
/// How many words and quotation marks there may be: each word takes most of a kilobyte once it is read.
const WORDS_MAX: usize = 10_000;
/// How many fields may be asked for, with those of fragments wherever they are used.
const FIELDS_MAX: u64 = 2000;
/// How deep fields may be nested. The list itself is 5 deep; tools that ask for the schema need 15.
const DEPTH_MAX: usize = 16;
/// How often `fields` may be nested: each time multiplies what is told about the schema.
const LISTINGS_MAX: usize = 1;

/// Reads a document that is within the bounds.
pub(super) fn parse(text: &str) -> Result<ExecutableDocument, ServerError> {
    let refuse = |reason: String| ServerError::new(reason, None);
    let opened = text.bytes().filter(|byte| matches!(byte, b'{' | b'[' | b'(')).count();
    if opened > OPENED_MAX {
        return Err(refuse(format!(
            "the query has {opened} opening braces, brackets and parentheses, and at most {OPENED_MAX} are allowed: pass \
             long lists as variables"
        )));
    }
    let words = words(text);
    if words > WORDS_MAX {
        return Err(refuse(format!(
            "the query has {words} words and quotation marks, and at most {WORDS_MAX} are allowed: pass long lists as \
             variables"
        )));
    }
    let document = parse_query(text)?;
    let size = Measure { document: &document, known: HashMap::new() }.operations();
    for (what, found, max, unit) in [
        ("asks for more fields than are answered at once", size.fields, FIELDS_MAX, "fields"),
        ("is nested too deep", size.depth as u64, DEPTH_MAX as u64, "levels"),
        ("nests the fields of the schema too deep", size.listings as u64, LISTINGS_MAX as u64, "level"),
    ] {
        if found > max {
            return Err(refuse(format!("the query {what}; the limit is {max} {unit}")));
        }
    }
    Ok(document)
}

/// How many names, numbers and quotation marks there are, and some more in texts.
fn words(text: &str) -> usize {
    let mut is_within = false;
    let starts = text.bytes().filter(|byte| {
        let is_word = byte.is_ascii_alphanumeric() || *byte == b'_';
        let starts = (is_word && !is_within) || *byte == b'"';
        is_within = is_word;
        starts
    });
    starts.count()
}

/// How much is asked for.
#[derive(Clone, Copy, Default)]
struct Size {
    fields: u64,
    depth: usize,
    listings: usize,
}

impl Size {
    /// What stands for a fragment that uses itself: nothing takes it.
    const ENDLESS: Self = Self { fields: u64::MAX, depth: usize::MAX, listings: usize::MAX };

    fn beside(self, other: Self) -> Self {
        Self {
            fields: self.fields.saturating_add(other.fields),
            depth: self.depth.max(other.depth),
            listings: self.listings.max(other.listings),
        }
    }

    fn within(self, field: &str) -> Self {
        Self {
            fields: self.fields.saturating_add(1),
            depth: self.depth.saturating_add(1),
            listings: self.listings.saturating_add(usize::from(field == "fields")),
        }
    }
}

struct Measure<'d> {
    document: &'d ExecutableDocument,
    /// What is known of fragments; one that is being measured counts as endless.
    known: HashMap<&'d str, Size>,
}

impl<'d> Measure<'d> {
    fn operations(mut self) -> Size {
        let document = self.document;
        let sizes =
            document.operations.iter().map(|(_, operation)| self.set(&operation.node.selection_set.node));
        let asked = sizes.fold(Size::default(), Size::beside);
        // Those that are not used are looked at as well, by the rules of GraphQL.
        document.fragments.keys().map(|name| self.fragment(name)).fold(asked, |asked, unused| Size {
            fields: asked.fields.max(unused.fields),
            ..asked.beside(unused)
        })
    }

    fn set(&mut self, set: &'d SelectionSet) -> Size {
        let sizes = set.items.iter().map(|item| match &item.node {
            Selection::Field(field) => self.set(&field.node.selection_set.node).within(&field.node.name.node),
            Selection::InlineFragment(fragment) => self.set(&fragment.node.selection_set.node),
            Selection::FragmentSpread(spread) => self.fragment(&spread.node.fragment_name.node),
        });
        sizes.fold(Size::default(), Size::beside)
    }

    fn fragment(&mut self, name: &'d str) -> Size {
        if let Some(known) = self.known.get(name) {
            return *known;
        }
        // One that is not there is refused later; until then it is looked for wherever it is used.
        let Some(fragment) = self.document.fragments.get(name) else { return Size::default().within(name) };
        self.known.insert(name, Size::ENDLESS);
        let size = self.set(&fragment.node.selection_set.node);
        self.known.insert(name, size);
        size
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use std::fmt::Write;
    use std::time::{Duration, Instant};

    use super::*;

    fn refusal(text: &str) -> String {
        let started = Instant::now();
        let refusal = parse(text).map(drop).unwrap_err().message;
        assert!(started.elapsed() < Duration::from_secs(10), "{refusal}");
        refusal
    }

    /// Each fragment uses the next one twice.
    fn doubling(fragments: usize) -> String {
        let mut text = "{ ...F0 }".to_owned();
        for number in 0..fragments {
            let next = number + 1;
            write!(text, " fragment F{number} on Query {{ ...F{next} ...F{next} }}").unwrap();
        }
        text + &format!(" fragment F{fragments} on Query {{ __typename }}")
    }

    #[test]
    fn what_would_take_for_ever_is_refused_at_once() {
        assert!(parse(&doubling(5)).is_ok());
        assert!(refusal(&doubling(60)).contains("more fields"));
        let endless = "{ ...A } fragment A on Query { ...B } fragment B on Query { ...A }";
        assert!(refusal(endless).contains("more fields"));
        let chain: String =
            (0..100).map(|n| format!("fragment F{n} on Query {{ a {{ ...F{} }} }} ", n + 1)).collect();
        assert!(refusal(&format!("{{ ...F0 }} {chain} fragment F100 on Query {{ a }}")).contains("too deep"));
        let schema = "{ __schema { types { fields { type { fields { name } } } } } }";
        assert!(refusal(schema).contains("schema"));
        assert!(refusal(&format!("{{ {} }}", "a ".repeat(3000))).contains("more fields"));
        for long in ["a ".repeat(130_000), format!("a(b: [{}])", "\"\" ".repeat(80_000))] {
            assert!(refusal(&format!("{{ {long} }}")).contains("at most 10000 are allowed"));
        }
    }

    #[test]
    fn nesting_does_not_exhaust_the_stack() {
        for deep in [OPENED_MAX, 100_000] {
            for (open, close) in [("{a", "}"), ("{a(b:[", "]){c}}"), ("{a(b:{c:", "}){c}}")] {
                let times = deep / open.matches(['{', '[', '(']).count();
                let text = open.repeat(times) + &close.repeat(times);
                // Half of what the threads of the executor have.
                let reading =
                    std::thread::Builder::new().stack_size(1 << 20).spawn(move || parse(&text).is_err());
                assert!(reading.unwrap().join().unwrap());
            }
        }
        assert!(
            parse(&format!("{{ a(b: {}{}) }}", "[".repeat(OPENED_MAX - 2), "]".repeat(OPENED_MAX - 2)))
                .is_ok()
        );
    }

    #[test]
    fn the_whole_of_a_list_is_within_the_bounds() {
        let text = "query ($a: [ID!]!) { transactions(ids: $a) { ...T } } fragment T on TransactionConnection \
                    { edges { cursor node { id owner { address key } tags { name value } } } pageInfo { hasNextPage } }";
        let document = parse(text).unwrap();
        let size = Measure { document: &document, known: HashMap::new() }.operations();
        assert_eq!((size.fields, size.depth), (13, 5));
    }
}
