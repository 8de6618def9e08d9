//! The part of Arweave's GraphQL schema that clients ask for.

use std::sync::Arc;

use async_graphql::{
    Context, EmptyMutation, EmptySubscription, Enum, ID, InputObject, Object, Result, Schema, SimpleObject,
};

use super::{chain::block_id, entry::Entry, store::DevStore};

pub(super) type DevGraph = Schema<DevQuery, EmptyMutation, EmptySubscription>;

pub(super) fn graph(store: Arc<DevStore>) -> DevGraph {
    Schema::build(DevQuery, EmptyMutation, EmptySubscription).data(store).finish()
}

pub(super) struct DevQuery;

#[Object(name = "Query")]
impl DevQuery {
    /// One transaction by its id.
    async fn transaction(&self, context: &Context<'_>, id: ID) -> Result<Option<Transaction>> {
        let store = context.data::<Arc<DevStore>>()?;
        Ok(id.parse().ok().and_then(|id| store.get(&id)).map(Transaction))
    }

    /// Transactions that meet all of the conditions given; an empty list is no condition.
    #[expect(clippy::too_many_arguments, reason = "they are the arguments of the query")]
    async fn transactions(
        &self,
        context: &Context<'_>,
        ids: Option<Vec<ID>>,
        owners: Option<Vec<String>>,
        recipients: Option<Vec<String>>,
        tags: Option<Vec<TagFilter>>,
        first: Option<i32>,
        after: Option<String>,
        sort: Option<SortOrder>,
    ) -> Result<TransactionConnection> {
        let store = context.data::<Arc<DevStore>>()?;
        let first =
            usize::try_from(first.unwrap_or(FIRST_DEFAULT)).map_err(|_| "first must not be negative")?;
        let first = first.min(FIRST_MAX);
        let after = match after.as_deref() {
            None | Some("") => None,
            Some(cursor) => Some(cursor.parse().map_err(|_| "after must be a cursor of this gateway")?),
        };
        let newest_first = sort.unwrap_or(SortOrder::HeightDesc).is_newest_first();
        // What is no id is nobody's.
        let ids = ids.filter(|ids| !ids.is_empty());
        let ids: Option<Vec<_>> = ids.map(|ids| ids.iter().filter_map(|id| id.parse().ok()).collect());
        let filter = Filter {
            owners: owners.unwrap_or_default(),
            recipients: recipients.unwrap_or_default(),
            tags: tags.unwrap_or_default(),
        };
        // One more than asked for tells whether there is another page.
        let mut found =
            store.select(newest_first, after, first + 1, ids.as_deref(), |entry| filter.takes(entry));
        let has_next_page = found.len() > first;
        found.truncate(first);
        let edges = found.into_iter().map(TransactionEdge::new).collect();
        Ok(TransactionConnection { page_info: PageInfo { has_next_page }, edges })
    }
}

const FIRST_DEFAULT: i32 = 10;
const FIRST_MAX: usize = 1000;

#[derive(Clone, Copy, Enum, PartialEq, Eq)]
enum SortOrder {
    HeightDesc,
    HeightAsc,
    IngestedAtDesc,
    IngestedAtAsc,
}

impl SortOrder {
    fn is_newest_first(self) -> bool {
        matches!(self, Self::HeightDesc | Self::IngestedAtDesc)
    }
}

#[derive(InputObject)]
struct TagFilter {
    name: String,
    values: Vec<String>,
}

struct Filter {
    owners: Vec<String>,
    recipients: Vec<String>,
    tags: Vec<TagFilter>,
}

impl Filter {
    fn takes(&self, entry: &Entry) -> bool {
        let meets = |list: &[String], text: &str| list.is_empty() || list.iter().any(|one| one == text);
        let has = |filter: &TagFilter| {
            let mut named = entry.tags.iter().filter(|(name, _)| *name == filter.name);
            named.any(|(_, value)| filter.values.contains(value))
        };
        meets(&self.owners, &entry.owner_address)
            && meets(&self.recipients, &entry.recipient)
            && self.tags.iter().all(has)
    }
}

#[derive(SimpleObject)]
struct TransactionConnection {
    page_info: PageInfo,
    edges: Vec<TransactionEdge>,
}

#[derive(SimpleObject)]
struct PageInfo {
    has_next_page: bool,
}

#[derive(SimpleObject)]
struct TransactionEdge {
    cursor: String,
    node: Transaction,
}

impl TransactionEdge {
    fn new(entry: Arc<Entry>) -> Self {
        Self { cursor: entry.arrival.sequence.to_string(), node: Transaction(entry) }
    }
}

struct Transaction(Arc<Entry>);

#[Object]
impl Transaction {
    async fn id(&self) -> ID {
        ID(self.0.id.to_string())
    }

    async fn anchor(&self) -> &str {
        &self.0.anchor
    }

    async fn signature(&self) -> &str {
        &self.0.signature
    }

    async fn recipient(&self) -> &str {
        &self.0.recipient
    }

    async fn owner(&self) -> Owner {
        Owner { address: self.0.owner_address.clone(), key: self.0.owner.clone() }
    }

    async fn tags(&self) -> Vec<Tag> {
        let tag = |(name, value): &(String, String)| Tag { name: name.clone(), value: value.clone() };
        self.0.tags.iter().map(tag).collect()
    }

    async fn data(&self) -> MetaData {
        let kind = self.0.content_type().to_owned();
        MetaData { size: self.0.data_len.to_string(), kind }
    }

    async fn block(&self) -> Block {
        let height = self.0.arrival.height;
        Block { id: ID(block_id(height)), height, timestamp: self.0.arrival.arrived_ms / 1000 }
    }
}

#[derive(SimpleObject)]
struct Owner {
    address: String,
    key: String,
}

#[derive(SimpleObject)]
struct Tag {
    name: String,
    value: String,
}

#[derive(SimpleObject)]
struct MetaData {
    /// In bytes.
    size: String,
    #[graphql(name = "type")]
    kind: String,
}

#[derive(SimpleObject)]
struct Block {
    id: ID,
    height: u64,
    /// Unix time in seconds.
    timestamp: u64,
}
