//! What nodes answer.

use bytes::Bytes;
use reqwest::header::HeaderMap;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// An answer, whatever it is.
#[derive(Debug)]
pub struct Answer {
    /// The status of HTTP.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

impl Answer {
    /// The body as text, for whom an answer is shown to.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON of this form.
    ///
    /// # Panics
    /// When it is something else, or not the answer to a call that went well.
    pub fn json<T: DeserializeOwned>(&self) -> T {
        assert_eq!(self.status, 200, "refused: {}", self.text());
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error} in {}", self.text()))
    }

    /// The code of a proper refusal.
    ///
    /// # Panics
    /// When it is none: not this status, or not JSON with a text and a code.
    pub fn refusal(&self, status: u16) -> String {
        let shown = format!("{} {}", self.status, self.text());
        let body: Value = serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("not JSON: {shown}"));
        assert_eq!(self.status, status, "{shown}");
        assert!(body["error"].as_str().is_some_and(|text| text.len() > 5), "it does not say why: {shown}");
        body["code"].as_str().unwrap_or_else(|| panic!("no code: {shown}")).to_owned()
    }

    /// Whether it refuses what is to be sent again in a moment, and was not taken.
    pub fn is_to_be_sent_again(&self) -> bool {
        let is_known = !self.text().contains("not known whether");
        self.status == 503 && self.header("retry-after").is_some() && is_known
    }

    /// A header, if it is there and text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// What a client is told when its item is scheduled.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the names are those of the protocol")]
pub struct Scheduled {
    pub id: String,
    pub timestamp: u64,
}

/// A page of a schedule.
#[derive(Clone, Debug, Deserialize)]
#[expect(missing_docs, reason = "the names are those of the protocol")]
pub struct Page {
    pub page_info: PageInfo,
    pub edges: Vec<Edge>,
}

/// Whether there is more.
#[derive(Clone, Debug, Deserialize)]
pub struct PageInfo {
    pub has_next_page: bool,
}

/// One entry of a page.
#[derive(Clone, Debug, Deserialize)]
#[expect(missing_docs, reason = "the names are those of the protocol")]
pub struct Edge {
    pub node: Entry,
    pub cursor: String,
}

/// A message and its assignment.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[expect(missing_docs, reason = "the names are those of the protocol")]
pub struct Entry {
    pub message: Option<ItemJson>,
    pub assignment: Option<ItemJson>,
}

/// An item as it is shown.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[expect(missing_docs, reason = "the names are those of the protocol")]
pub struct ItemJson {
    pub id: String,
    pub owner: Owner,
    pub tags: Vec<TagJson>,
    pub signature: String,
    pub anchor: Option<String>,
    pub target: Option<String>,
    pub data: Option<String>,
}

/// Who signed an item.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[expect(missing_docs, reason = "the names are those of the protocol")]
pub struct Owner {
    pub address: String,
    pub key: String,
}

/// A tag of an item.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[expect(missing_docs, reason = "the names are those of the protocol")]
pub struct TagJson {
    pub name: String,
    pub value: String,
}

impl ItemJson {
    /// The value of the first tag of this name.
    pub fn tag(&self, name: &str) -> Option<&str> {
        self.tags.iter().find(|tag| tag.name == name).map(|tag| tag.value.as_str())
    }

    /// The number that a tag holds.
    pub fn number(&self, name: &str) -> Option<u64> {
        self.tag(name)?.parse().ok()
    }
}

impl Entry {
    /// The assignment's nonce.
    ///
    /// # Panics
    /// When there is none.
    pub fn nonce(&self) -> u64 {
        let assignment = self.assignment.as_ref().expect("there is an assignment");
        assignment.number("Nonce").expect("an assignment has a nonce")
    }
}
