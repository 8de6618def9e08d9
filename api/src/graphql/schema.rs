//! What can be asked: the part of the schema of Arweave's gateways that makes sense for a scheduler.

use async_graphql::{
    Context, EmptyMutation, EmptySubscription, Enum, Error, ErrorExtensions, ID, InputObject, Object, Result,
    Schema,
};
use projections::{LIMIT_MAX, ListOrder, ListPage, Queries, TagAnyOf, TransactionFilter};
use web::HttpError;

use super::transaction::{ItemTransaction, TransactionConnection};
use crate::error::CallError;

pub(super) type ItemSchema = Schema<ItemQuery, EmptyMutation, EmptySubscription>;

/// What one request may cost: a whole page with all that can be asked for, or some dozens of single transactions.
const COST_MAX: usize = 120_000;
/// What a question to the database costs, whatever it finds; and each row that it may find.
const COST_QUESTION: usize = 2000;
const COST_ROW: usize = 10;

/// As on gateways, when the client gives no number.
const FIRST_USUAL: i32 = 10;
/// Each value of a list is one more search.
const SEARCHES_MAX: usize = 100;
const IDS_MAX: usize = 1000;
/// What GraphQL has as the greatest integer is greater than any height.
const HEIGHT_MAX: i64 = i32::MAX as i64;
/// Each tag is one more list to compare with, and the database takes long to plan more of them.
const TAGS_MAX: usize = 8;

pub(super) fn graph() -> ItemSchema {
    Schema::build(ItemQuery, EmptyMutation, EmptySubscription).limit_complexity(COST_MAX).finish()
}

pub(super) struct ItemQuery;

#[Object(name = "Query")]
impl ItemQuery {
    /// The item with this id; null if it is not scheduled here, or if Postgres does not have it yet.
    #[graphql(complexity = "COST_QUESTION + child_complexity")]
    async fn transaction(&self, context: &Context<'_>, id: ID) -> Result<Option<ItemTransaction>> {
        let filter = TransactionFilter { ids: vec![id.0], ..TransactionFilter::default() };
        let page = ListPage::new(1, ListOrder::default(), None).map_err(told)?;
        let list = context.data::<Queries>()?.transactions(&filter, &page).await.map_err(told)?;
        Ok(list.items.into_iter().next().map(ItemTransaction))
    }

    /// The items that meet all conditions. An empty list is no condition.
    #[expect(clippy::too_many_arguments, reason = "they are the arguments of the query")]
    #[graphql(complexity = "cost(first, child_complexity)")]
    async fn transactions(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Only items with one of these ids.")] ids: Option<Vec<ID>>,
        #[graphql(desc = "Only items signed by one of these addresses.")] owners: Option<Vec<String>>,
        #[graphql(desc = "Only items for one of these recipients.")] recipients: Option<Vec<String>>,
        #[graphql(desc = "Only items that have all of these tags.")] tags: Option<Vec<TagFilter>>,
        #[graphql(desc = "Not supported: a scheduler does not know about bundles.")] bundled_in: Option<
            Vec<ID>,
        >,
        #[graphql(
            desc = "Not supported but for a range that leaves nothing out, such as min: 0: a scheduler does not know \
                          about blocks. Use ingested_at."
        )]
        block: Option<RangeFilter>,
        #[graphql(name = "ingested_at", desc = "Only items scheduled in this range, in seconds since 1970.")]
        ingested_at: Option<RangeFilter>,
        #[graphql(desc = "How many items at most, from 1 to 1000. The default is 10.")] first: Option<i32>,
        #[graphql(desc = "The cursor of the last edge of the page before.")] after: Option<String>,
        #[graphql(desc = "The default is HEIGHT_DESC, the newest first.")] sort: Option<SortOrder>,
    ) -> Result<TransactionConnection> {
        if bundled_in.is_some_and(|bundles| !bundles.is_empty()) {
            return Err(
                "the argument bundledIn is not supported: a scheduler does not know about bundles".into()
            );
        }
        if block.is_some_and(|block| block.leaves_out_heights()) {
            return Err("the argument block is not supported: a scheduler does not know about blocks; use \
                        ingested_at: {min, max}, in seconds"
                .into());
        }
        let ids = ids.unwrap_or_default().into_iter().map(|id| id.0).collect();
        let tags = tags.unwrap_or_default().into_iter().map(TagFilter::read).collect::<Result<_>>()?;
        let (from, to) = ingested_at.map_or((None, None), RangeFilter::milliseconds);
        let (owners, recipients) = (owners.unwrap_or_default(), recipients.unwrap_or_default());
        let filter = TransactionFilter { ids, owners, recipients, tags, from, to };
        check_lengths(&filter)?;
        let first = u64::try_from(first.unwrap_or(FIRST_USUAL))
            .map_err(|_| format!("the argument first is wrong: expected first from 1 to {LIMIT_MAX}, found a negative number"))?
            .min(LIMIT_MAX.into());
        let after = after.as_deref().filter(|after| !after.is_empty());
        let page = ListPage::new(first, sort.unwrap_or_default().order(), after).map_err(told)?;
        let list = context.data::<Queries>()?.transactions(&filter, &page).await.map_err(told)?;
        Ok(TransactionConnection::new(list, &page))
    }
}

fn cost(first: Option<i32>, of_each: usize) -> usize {
    let first = first.unwrap_or(FIRST_USUAL).clamp(0, LIMIT_MAX.cast_signed());
    let rows = usize::try_from(first).unwrap_or_default();
    rows.saturating_mul(of_each.saturating_add(COST_ROW)).saturating_add(COST_QUESTION)
}

fn check_lengths(filter: &TransactionFilter) -> Result<()> {
    let values = filter.tags.iter().map(|tag| tag.values.len()).sum();
    for (name, found, max) in [
        ("ids", filter.ids.len(), IDS_MAX),
        ("owners", filter.owners.len(), SEARCHES_MAX),
        ("recipients", filter.recipients.len(), SEARCHES_MAX),
        ("tags", filter.tags.len(), TAGS_MAX),
        ("values of tags", values, SEARCHES_MAX),
    ] {
        if found > max {
            return Err(format!("expected at most {max} {name}, found {found}").into());
        }
    }
    Ok(())
}

/// What a failure is in GraphQL: its text, and its code among the extensions.
fn told(error: impl Into<CallError>) -> Error {
    let error = HttpError::from(error.into());
    Error::new(error.to_string()).extend_with(|_, extensions| extensions.set("code", error.code().as_str()))
}

/// The order of the list. All of these follow the order of the log.
#[derive(Clone, Copy, Default, Enum, PartialEq, Eq)]
enum SortOrder {
    /// The newest first.
    #[default]
    HeightDesc,
    /// The oldest first.
    HeightAsc,
    /// The newest first.
    IngestedAtDesc,
    /// The oldest first.
    IngestedAtAsc,
}

impl SortOrder {
    fn order(self) -> ListOrder {
        match self {
            Self::HeightDesc | Self::IngestedAtDesc => ListOrder::Descending,
            Self::HeightAsc | Self::IngestedAtAsc => ListOrder::Ascending,
        }
    }
}

/// A tag that an item must have, with one of these values.
#[derive(InputObject)]
struct TagFilter {
    /// The name.
    name: String,
    /// The values. Without any, nothing is found.
    values: Vec<String>,
    /// The default is EQ. NEQ is not supported.
    op: Option<TagOperator>,
}

/// How values are compared.
#[derive(Clone, Copy, Enum, PartialEq, Eq)]
enum TagOperator {
    /// The tag has one of the values.
    Eq,
    /// The tag has none of the values.
    Neq,
}

/// A range that includes both ends.
#[derive(InputObject)]
struct RangeFilter {
    /// The lower end.
    min: Option<i64>,
    /// The upper end.
    max: Option<i64>,
}

impl TagFilter {
    fn read(self) -> Result<TagAnyOf> {
        match self.op {
            None | Some(TagOperator::Eq) => Ok(TagAnyOf { name: self.name, values: self.values }),
            Some(TagOperator::Neq) => {
                Err(format!("op NEQ of the tag {:?} is not supported: only EQ is", self.name).into())
            }
        }
    }
}

impl RangeFilter {
    /// Whether the chain can have a height that is not in it.
    fn leaves_out_heights(&self) -> bool {
        self.min.is_some_and(|min| min > 0) || self.max.is_some_and(|max| max < HEIGHT_MAX)
    }

    /// Of seconds, as milliseconds.
    fn milliseconds(self) -> (Option<i64>, Option<i64>) {
        let last = |second: i64| second.saturating_mul(1000).saturating_add(999);
        (self.min.map(|second| second.saturating_mul(1000)), self.max.map(last))
    }
}
