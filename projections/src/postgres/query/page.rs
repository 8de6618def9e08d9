//! Parts of a list: how many, in which order, from where on.

use ans104::base64url;

use super::entry::Gathered;
use super::error::QueryError;

/// The most entries of a page.
pub const LIMIT_MAX: u32 = 1000;
/// How many entries a page has when nobody says.
pub const LIMIT_USUAL: u32 = 100;

/// The first byte of a cursor; another one is another form.
const VERSION: u8 = 1;

/// In which order of the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ListOrder {
    /// The oldest first.
    Ascending,
    /// The newest first.
    #[default]
    Descending,
}

/// Which part of a list is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListPage {
    pub(super) limit: u32,
    pub(super) order: ListOrder,
    /// What was last seen; the page begins behind it.
    pub(super) after: Option<i64>,
}

/// A part of a list, and where it goes on.
#[derive(Clone, Debug)]
pub struct QueryList<T> {
    /// The entries.
    pub items: Vec<T>,
    /// The cursor of the next page; none at the end.
    pub next: Option<String>,
}

impl Default for ListPage {
    fn default() -> Self {
        Self { limit: LIMIT_USUAL, order: ListOrder::default(), after: None }
    }
}

impl ListPage {
    /// A page of so many entries behind the cursor.
    ///
    /// # Errors
    /// When the limit is not from 1 to [`LIMIT_MAX`], or the cursor not one of a list in this order.
    pub fn new(limit: u64, order: ListOrder, cursor: Option<&str>) -> Result<Self, QueryError> {
        let fits = u32::try_from(limit).ok().filter(|limit| (1..=LIMIT_MAX).contains(limit));
        let limit = fits.ok_or(QueryError::Limit { found: limit, max: LIMIT_MAX })?;
        let after = cursor.map(|cursor| read(cursor, order)).transpose()?;
        Ok(Self { limit, order, after })
    }

    /// The cursor of an entry in a list of this order.
    pub fn cursor(&self, sequence: u64) -> String {
        let mut bytes = vec![VERSION, self.order.byte()];
        bytes.extend(sequence.to_be_bytes());
        base64url::encode(&bytes)
    }

    /// How many rows tell whether there is a next page: one more than asked for.
    pub(super) fn rows(&self) -> i64 {
        i64::from(self.limit) + 1
    }

    pub(super) fn list<T>(&self, gathered: Gathered<T>, sequence: impl Fn(&T) -> u64) -> QueryList<T> {
        let Gathered { entries: mut items, is_cut } = gathered;
        let limit = self.limit as usize;
        let more = is_cut || items.len() > limit;
        items.truncate(limit);
        let next = items.last().filter(|_| more).map(|last| self.cursor(sequence(last)));
        QueryList { items, next }
    }
}

impl ListOrder {
    fn byte(self) -> u8 {
        match self {
            Self::Ascending => 0,
            Self::Descending => 1,
        }
    }

    pub(super) fn sql(self) -> &'static str {
        match self {
            Self::Ascending => "asc",
            Self::Descending => "desc",
        }
    }

    /// What holds between the sequence of an entry and that of one before it in the list.
    pub(super) fn behind(self) -> &'static str {
        match self {
            Self::Ascending => ">",
            Self::Descending => "<",
        }
    }
}

fn read(cursor: &str, expected: ListOrder) -> Result<i64, QueryError> {
    let foreign = QueryError::Cursor("it is not one of this software");
    let Ok(bytes) = base64url::decode(cursor) else { return Err(foreign) };
    let [version, order, sequence @ ..] = bytes.as_slice() else { return Err(foreign) };
    let Ok(sequence) = <[u8; 8]>::try_from(sequence) else { return Err(foreign) };
    if *version != VERSION {
        return Err(QueryError::Cursor("it is of another version of this software"));
    }
    if *order != expected.byte() {
        return Err(QueryError::Cursor("it is of a list in the other order"));
    }
    i64::try_from(u64::from_be_bytes(sequence)).map_err(|_| foreign)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn foreign_cursors_are_told_apart() {
        let page =
            |cursor: &str| ListPage::new(10, ListOrder::Descending, Some(cursor)).unwrap_err().to_string();
        let other = ListPage::new(10, ListOrder::Ascending, None).unwrap().cursor(7);
        assert!(page(&other).contains("other order"));
        let mut bytes = base64url::decode(&other).unwrap();
        bytes[0] = 9;
        assert!(page(&base64url::encode(&bytes)).contains("another version"));
        for text in ["", "x", "AQ", "!!", "AQEAAAAAAAAA", "12345678901234567890", "AQH__________w"] {
            assert!(page(text).contains("not one of this software"), "{text}: {}", page(text));
        }
    }

    #[test]
    fn limits_are_bounded() {
        for limit in [0, 1001, u64::MAX] {
            let refused = ListPage::new(limit, ListOrder::Ascending, None).unwrap_err().to_string();
            assert_eq!(refused, format!("expected a limit from 1 to 1000, found {limit}"));
        }
    }

    proptest! {
        #[test]
        fn a_cursor_says_where_it_was_made(sequence in 0..i64::MAX as u64, ascending: bool) {
            let order = if ascending { ListOrder::Ascending } else { ListOrder::Descending };
            let cursor = ListPage::new(1, order, None).unwrap().cursor(sequence);
            let page = ListPage::new(1, order, Some(&cursor)).unwrap();
            prop_assert_eq!(page.after, Some(sequence as i64));
        }

        #[test]
        fn no_text_makes_a_cursor_panic(text: String) {
            let _ = ListPage::new(1, ListOrder::Ascending, Some(&text));
        }
    }
}
