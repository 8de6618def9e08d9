//! An item in the form of a gateway's transaction.

use ans104::base64url;
use async_graphql::{ID, Object, SimpleObject};
use projections::{EntryTag, ListPage, QueryList, SignedEntry};

/// A part of a list of items.
#[derive(SimpleObject)]
pub(super) struct TransactionConnection {
    /// Whether there is more.
    page_info: PageInfo,
    /// The items.
    edges: Vec<TransactionEdge>,
    /// Always null: what is found is not counted.
    count: Option<String>,
}

/// Whether there is more.
#[derive(SimpleObject)]
struct PageInfo {
    /// Whether the list goes on behind the last edge.
    has_next_page: bool,
}

/// An item in a list.
#[derive(SimpleObject)]
struct TransactionEdge {
    /// What to give as `after` to read on behind this item, in the same order.
    cursor: String,
    /// The item.
    node: Transaction,
}

impl TransactionConnection {
    pub(super) fn new(list: QueryList<SignedEntry>, page: &ListPage) -> Self {
        let edge = |signed: SignedEntry| TransactionEdge {
            cursor: page.cursor(signed.entry.sequence),
            node: Transaction(signed),
        };
        let page_info = PageInfo { has_next_page: list.next.is_some() };
        Self { page_info, edges: list.items.into_iter().map(edge).collect(), count: None }
    }
}

/// An item: a process or a message.
pub(super) struct Transaction(pub(super) SignedEntry);

#[Object]
impl Transaction {
    /// The id.
    async fn id(&self) -> ID {
        ID(self.0.entry.id.clone())
    }

    /// The anchor as base64url; empty where there is none.
    async fn anchor(&self) -> String {
        base64url::encode(&self.0.anchor)
    }

    /// The signature as base64url.
    async fn signature(&self) -> String {
        base64url::encode(&self.0.signature)
    }

    /// Whom it is for; empty where nobody is named.
    async fn recipient(&self) -> &str {
        self.0.entry.recipient.as_deref().unwrap_or_default()
    }

    /// Who signed it.
    async fn owner(&self) -> Owner {
        let address = self.0.entry.owner.clone().unwrap_or_default();
        Owner { address, key: base64url::encode(&self.0.key) }
    }

    /// What was paid: nothing, as items are not paid one by one.
    async fn fee(&self) -> Amount {
        Amount::NOTHING
    }

    /// What was transferred: nothing, as items transfer none.
    async fn quantity(&self) -> Amount {
        Amount::NOTHING
    }

    /// Size and type of the data.
    async fn data(&self) -> MetaData<'_> {
        MetaData { size: self.0.entry.size.unwrap_or_default().to_string(), kind: self.content_type() }
    }

    /// The tags, in the order in which they were signed; what is not UTF-8 is U+FFFD.
    // An item has up to 128 of them.
    #[graphql(complexity = "1 + 32 * child_complexity")]
    async fn tags(&self) -> Vec<Tag<'_>> {
        self.known_tags().iter().map(|EntryTag { name, value }| Tag { name, value }).collect()
    }

    /// Height and time of the assignment. In which block the item comes to be is not known here.
    async fn block(&self) -> Option<Block> {
        let entry = &self.0.entry;
        let (height, timestamp) = (entry.block_height?, seconds(entry.timestamp?));
        Some(Block { id: ID(String::new()), height, timestamp, previous: ID(String::new()) })
    }

    /// When it was scheduled, in seconds.
    #[graphql(name = "ingested_at")]
    async fn ingested_at(&self) -> Option<i64> {
        self.0.entry.timestamp.map(seconds)
    }

    /// Always null: a scheduler does not know of bundles.
    async fn bundled_in(&self) -> Option<Bundle> {
        None
    }

    /// Always null, as `bundledIn`.
    #[graphql(deprecation = "Use `bundledIn`")]
    async fn parent(&self) -> Option<Parent> {
        None
    }
}

impl Transaction {
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

/// What is known of data.
#[derive(SimpleObject)]
struct MetaData<'a> {
    /// In bytes.
    size: String,
    /// What the tag `Content-Type` says; null where it is not there.
    #[graphql(name = "type")]
    kind: Option<&'a str>,
}

/// Where the chain was when an item was scheduled.
#[derive(SimpleObject)]
struct Block {
    /// Always empty: the id of the block is not known here.
    id: ID,
    /// The height of Arweave then.
    height: u64,
    /// When it was scheduled, in seconds.
    timestamp: i64,
    /// Always empty, as the id.
    previous: ID,
}

/// The bundle of an item.
#[derive(SimpleObject)]
struct Bundle {
    /// Its id.
    id: ID,
}

/// What gateways once called the bundle.
#[derive(SimpleObject)]
struct Parent {
    /// Its id.
    id: ID,
}
