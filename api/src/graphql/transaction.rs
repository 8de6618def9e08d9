//! An item in the form of a gateway's transaction.

use ans104::base64url;
use async_graphql::{ID, Object, SimpleObject};
use projections::{EntryTag, ListPage, QueryList, SignedEntry};

/// A page of a list of items.
#[derive(SimpleObject)]
pub(super) struct TransactionConnection {
    /// Whether there is more to read.
    page_info: PageInfo,
    /// The items.
    edges: Vec<TransactionEdge>,
    /// Always null: the items that are found are not counted.
    count: Option<String>,
}

/// Whether there is more to read.
#[derive(SimpleObject)]
struct PageInfo {
    /// Whether there are more items after the last edge.
    has_next_page: bool,
}

/// An item in a list.
#[derive(SimpleObject)]
struct TransactionEdge {
    /// The value of `after` that reads on after this item, in the same order.
    cursor: String,
    /// The item.
    node: ItemTransaction,
}

impl TransactionConnection {
    pub(super) fn new(list: QueryList<SignedEntry>, page: &ListPage) -> Self {
        let edge = |signed: SignedEntry| TransactionEdge {
            cursor: page.cursor(signed.entry.sequence),
            node: ItemTransaction(signed),
        };
        let page_info = PageInfo { has_next_page: list.next.is_some() };
        Self { page_info, edges: list.items.into_iter().map(edge).collect(), count: None }
    }
}

/// An item: a process or a message.
pub(super) struct ItemTransaction(pub(super) SignedEntry);

#[Object(name = "Transaction")]
impl ItemTransaction {
    /// The id.
    async fn id(&self) -> ID {
        ID(self.0.entry.id.clone())
    }

    /// The anchor as base64url; empty if there is none.
    async fn anchor(&self) -> String {
        base64url::encode(&self.0.anchor)
    }

    /// The signature as base64url.
    async fn signature(&self) -> String {
        base64url::encode(&self.0.signature)
    }

    /// The recipient; empty if there is none.
    async fn recipient(&self) -> &str {
        self.0.entry.recipient.as_deref().unwrap_or_default()
    }

    /// Who signed it.
    async fn owner(&self) -> Owner {
        let address = self.0.entry.owner.clone().unwrap_or_default();
        Owner { address, key: base64url::encode(&self.0.key) }
    }

    /// The fee: always nothing, since items are not paid for one by one.
    async fn fee(&self) -> Amount {
        Amount::NOTHING
    }

    /// The amount transferred: always nothing, since items transfer none.
    async fn quantity(&self) -> Amount {
        Amount::NOTHING
    }

    /// The size and the type of the data.
    async fn data(&self) -> MetaData<'_> {
        MetaData { size: self.0.entry.size.unwrap_or_default().to_string(), kind: self.content_type() }
    }

    /// The tags, in the order in which they were signed. Bytes that are not UTF-8 are replaced by U+FFFD.
    // An item has up to 128 of them.
    #[graphql(complexity = "1 + 32 * child_complexity")]
    async fn tags(&self) -> Vec<Tag<'_>> {
        self.known_tags().iter().map(|EntryTag { name, value }| Tag { name, value }).collect()
    }

    /// The block height and the time of the assignment. Which block the item ends up in is not known here.
    async fn block(&self) -> Option<Block> {
        let entry = &self.0.entry;
        let (height, timestamp) = (entry.block_height?, seconds(entry.timestamp?));
        Some(Block { id: ID(String::new()), height, timestamp, previous: ID(String::new()) })
    }

    /// When it was scheduled, in seconds since 1970.
    #[graphql(name = "ingested_at")]
    async fn ingested_at(&self) -> Option<i64> {
        self.0.entry.timestamp.map(seconds)
    }

    /// Always null: a scheduler does not know about bundles.
    async fn bundled_in(&self) -> Option<Bundle> {
        None
    }

    /// Always null, like `bundledIn`.
    #[graphql(deprecation = "Use `bundledIn`")]
    async fn parent(&self) -> Option<Parent> {
        None
    }
}

impl ItemTransaction {
    fn known_tags(&self) -> &[EntryTag] {
        self.0.entry.tags.as_deref().unwrap_or_default()
    }

    fn content_type(&self) -> Option<&str> {
        let tag = self.known_tags().iter().find(|tag| tag.name.eq_ignore_ascii_case("content-type"));
        tag.map(|tag| tag.value.as_str())
    }
}

fn seconds(milliseconds: i64) -> i64 {
    milliseconds.div_euclid(1000)
}

/// Who signed an item.
#[derive(SimpleObject)]
struct Owner {
    /// The address.
    address: String,
    /// The public key as base64url.
    key: String,
}

/// An amount of AR.
#[derive(SimpleObject)]
struct Amount {
    /// In winston.
    winston: &'static str,
    /// In AR.
    ar: &'static str,
}

impl Amount {
    const NOTHING: Self = Self { winston: "0", ar: "0.000000000000" };
}

/// A tag.
#[derive(SimpleObject)]
struct Tag<'a> {
    /// The name.
    name: &'a str,
    /// The value.
    value: &'a str,
}

/// What is known about the data.
#[derive(SimpleObject)]
struct MetaData<'a> {
    /// The size in bytes.
    size: String,
    /// The value of the tag `Content-Type`; null without that tag.
    #[graphql(name = "type")]
    kind: Option<&'a str>,
}

/// The state of Arweave when an item was scheduled.
#[derive(SimpleObject)]
struct Block {
    /// Always empty: the id of the block is not known here.
    id: ID,
    /// The block height at that time.
    height: u64,
    /// When the item was scheduled, in seconds since 1970.
    timestamp: i64,
    /// Always empty, like the id.
    previous: ID,
}

/// The bundle of an item.
#[derive(SimpleObject)]
struct Bundle {
    /// Its id.
    id: ID,
}

/// What gateways used to call the bundle.
#[derive(SimpleObject)]
struct Parent {
    /// Its id.
    id: ID,
}
