//! How a list is found: the sequence numbers first, from indexes that hold them in order, the rows afterwards.
//!
//! Each condition that has an index of its own becomes a source of sequence numbers, and the page is what all sources
//! have in common. Every source comes in the order of the log, so the database joins them as it goes and stops when
//! the page is full: nothing is sorted but the page.

use std::collections::BTreeSet;

use sqlx::{Postgres, QueryBuilder};
use uuid::Uuid;

use super::entry::EntryKind;
use super::filter::{MessageFilter, ProcessFilter, TransactionFilter};
use super::page::ListPage;
use crate::postgres::HOUR_MS;
use crate::postgres::tag_key::tag_key;

const ACTION: &str = "Action";
/// How much the database may have to plan: its time grows about as the cube of the sources of each way. This is 1000
/// values of one source, 37 ways to combine three, and one to combine ten.
const PLANNED_MAX: usize = 1000;

/// Which part of which list.
pub(super) struct Selection<'f> {
    page: &'f ListPage,
    span: Option<HourSpan<'f>>,
    /// What holds for each of the sources.
    bounds: Vec<Condition<'f>>,
    sources: Vec<SequenceSource<'f>>,
}

/// What the sequence numbers come from: one of several values, each in the order of the log. None comes twice, or what
/// several sources have in common would be as much as the product of their repetitions.
struct SequenceSource<'f> {
    any_of: Vec<SourceRows<'f>>,
}

/// Where in the log all of it is, as the counts by hour tell: nothing before and after that is looked at.
struct HourSpan<'f> {
    /// The empty text for all.
    process: &'f str,
    from: Option<i64>,
    to: Option<i64>,
}

/// Rows of one table that meet all conditions.
struct SourceRows<'f> {
    table: &'static str,
    conditions: Vec<Condition<'f>>,
}

#[derive(Clone)]
enum Condition<'f> {
    /// As it stands.
    Fixed(&'static str),
    Text(&'static str, &'f str),
    AnyText(&'static str, &'f [String]),
    Number(&'static str, i64),
    Tag(&'f str, &'f str),
    /// Nonces rise with the log, so that the bounds of one process's become those of its sequence numbers, for which
    /// the index is in order: the process, and the first or last nonce.
    FromNonce(&'f str, i64),
    ToNonce(&'f str, i64),
}

impl<'f> Selection<'f> {
    pub(super) fn processes(filter: &'f ProcessFilter, page: &'f ListPage) -> Self {
        let tag = |name, value| SequenceSource::tag(vec![(name, value)], true);
        let mut sources: Vec<_> = filter.tags.iter().map(|is| tag(&is.name, &is.value)).collect();
        let mut conditions = Vec::new();
        conditions.extend(filter.owner.as_deref().map(|owner| Condition::Text("owner =", owner)));
        conditions.extend(filter.from.map(|from| Condition::Number("timestamp >=", from)));
        conditions.extend(filter.to.map(|to| Condition::Number("timestamp <=", to)));
        if !conditions.is_empty() || sources.is_empty() {
            sources.push(SequenceSource::one("quipu.processes", conditions));
        }
        Self { page, span: HourSpan::of(None, filter.from, filter.to), bounds: Vec::new(), sources }
    }

    pub(super) fn messages(filter: &'f MessageFilter, page: &'f ListPage) -> Self {
        let spawn = filter.kind == Some(EntryKind::Spawned);
        let tag = |name, value| SequenceSource::tag(vec![(name, value)], spawn);
        let action = filter.action.as_deref().map(|action| tag(ACTION, action));
        let mut sources: Vec<_> =
            filter.tags.iter().map(|is| tag(&is.name, &is.value)).chain(action).collect();
        let mut conditions = Vec::new();
        let texts =
            [("process =", &filter.process), ("owner =", &filter.owner), ("recipient =", &filter.recipient)];
        conditions
            .extend(texts.into_iter().filter_map(|(is, text)| Some(Condition::Text(is, text.as_deref()?))));
        conditions.extend(filter.from.map(|from| Condition::Number("timestamp >=", from)));
        conditions.extend(filter.to.map(|to| Condition::Number("timestamp <=", to)));
        let (bounds, nonces) = nonces(filter);
        conditions.extend(nonces);
        conditions.extend(filter.kind.map(|kind| Condition::Fixed(kind.condition())));
        if !conditions.is_empty() || sources.is_empty() {
            sources.push(SequenceSource::one("quipu.messages", conditions));
        }
        Self { page, span: HourSpan::of(filter.process.as_deref(), filter.from, filter.to), bounds, sources }
    }

    pub(super) fn transactions(filter: &'f TransactionFilter, page: &'f ListPage) -> Self {
        let any_of = |is, texts: &'f [String]| {
            let rows = |text| SourceRows::new("quipu.messages", vec![Condition::Text(is, text)]);
            (!texts.is_empty()).then(|| SequenceSource { any_of: unique(texts).map(rows).collect() })
        };
        let with_value = |tag: &'f super::TagAnyOf| {
            SequenceSource::tag(unique(&tag.values).map(|value| (tag.name.as_str(), value)).collect(), false)
        };
        let mut sources: Vec<_> = filter.tags.iter().map(with_value).collect();
        sources.extend(any_of("owner =", &filter.owners));
        sources.extend(any_of("recipient =", &filter.recipients));
        let mut conditions = Vec::new();
        conditions.extend((!filter.ids.is_empty()).then_some(Condition::AnyText("id =", &filter.ids)));
        conditions.extend(filter.from.map(|from| Condition::Number("timestamp >=", from)));
        conditions.extend(filter.to.map(|to| Condition::Number("timestamp <=", to)));
        if !conditions.is_empty() || sources.is_empty() {
            conditions.push(Condition::Fixed(AN_ITEM));
            sources.push(SequenceSource::one("quipu.messages", conditions));
        }
        Self { page, span: HourSpan::of(None, filter.from, filter.to), bounds: Vec::new(), sources }
    }

    /// Appends the sequence numbers of the page, and one more, as `page`.
    pub(super) fn push(&self, sql: &mut QueryBuilder<Postgres>, store: Uuid) {
        sql.push("with ");
        if let Some(span) = &self.span {
            span.push(sql, store);
        }
        sql.push("page as materialized (");
        match self.ways().as_slice() {
            [way] => self.push_way(sql, store, way),
            ways => {
                sql.push("select distinct sequence from (");
                for (place, way) in ways.iter().enumerate() {
                    sql.push(if place > 0 { " union all (" } else { "(" });
                    self.push_way(sql, store, way);
                    sql.push(")");
                }
                self.push_end(sql.push(") v"), "sequence");
            }
        }
        sql.push(")");
    }

    /// The page is what is first of what each of these finds; each is a choice of one value for each source. The
    /// database could not read several values together in the order of the log.
    fn ways(&self) -> Vec<Vec<&[SourceRows<'f>]>> {
        let joins = self.sources.len().pow(3);
        let members: usize = self.sources.iter().map(|source| source.any_of.len()).sum();
        let mut ways: Vec<Vec<&[SourceRows<'f>]>> = vec![Vec::new()];
        for source in &self.sources {
            let number = ways.len().saturating_mul(source.any_of.len());
            // What is kept together stands in each of the ways.
            let others = members.saturating_sub(source.any_of.len()).saturating_add(1);
            let apart = joins.saturating_mul(number) <= PLANNED_MAX
                && number.saturating_mul(others) <= PLANNED_MAX.saturating_add(members);
            let parts: Vec<&[SourceRows<'f>]> =
                if apart { source.any_of.chunks(1).collect() } else { vec![&source.any_of] };
            let with = |way: &Vec<_>, part| way.iter().copied().chain([part]).collect();
            ways = ways.iter().flat_map(|way| parts.iter().map(move |part| with(way, *part))).collect();
        }
        ways
    }

    fn push_way(&self, sql: &mut QueryBuilder<Postgres>, store: Uuid, way: &[&[SourceRows<'f>]]) {
        sql.push("select s0.sequence from ");
        for (place, rows) in way.iter().enumerate() {
            if place > 0 {
                sql.push(" join ");
            }
            push_any_of(sql, store, self, rows);
            sql.push(format_args!(" s{place}"));
            if place > 0 {
                sql.push(format_args!(" on s{place}.sequence = s0.sequence"));
            }
        }
        self.push_end(sql, "s0.sequence");
    }

    fn push_end(&self, sql: &mut QueryBuilder<Postgres>, sequence: &str) {
        sql.push(format_args!(" order by {sequence} {} limit {}", self.order(), self.page.rows()));
    }

    /// The order of the page.
    pub(super) fn order(&self) -> &'static str {
        self.page.order.sql()
    }
}

/// What is on chain and was only assigned here is no item of this scheduler.
const AN_ITEM: &str = "kind <> 2";

/// What holds for all sources, and for the messages alone.
fn nonces(filter: &MessageFilter) -> (Vec<Condition<'_>>, Vec<Condition<'_>>) {
    let (mut bounds, mut conditions) = (Vec::new(), Vec::new());
    match filter.process.as_deref() {
        Some(process) => {
            bounds.extend(filter.from_nonce.map(|from| Condition::FromNonce(process, from)));
            bounds.extend(filter.to_nonce.map(|to| Condition::ToNonce(process, to)));
        }
        None => {
            conditions.extend(filter.from_nonce.map(|from| Condition::Number("nonce >=", from)));
            conditions.extend(filter.to_nonce.map(|to| Condition::Number("nonce <=", to)));
        }
    }
    // A spawn without an assignment comes before all nonces, and is in no range of them.
    if filter.from_nonce.is_some() || filter.to_nonce.is_some() {
        conditions.push(Condition::Fixed("nonce is not null"));
    }
    (bounds, conditions)
}

impl<'f> SequenceSource<'f> {
    fn one(table: &'static str, conditions: Vec<Condition<'f>>) -> Self {
        Self { any_of: vec![SourceRows::new(table, conditions)] }
    }

    fn tag(any_of: Vec<(&'f str, &'f str)>, spawn: bool) -> Self {
        let rows = |(name, value)| {
            let mut conditions = vec![Condition::Tag(name, value)];
            conditions.extend(spawn.then_some(Condition::Fixed("spawn")));
            SourceRows::new(TAGS, conditions)
        };
        let mut any_of: Vec<_> = any_of.into_iter().map(rows).collect();
        if any_of.is_empty() {
            // None of no values: nothing has that.
            any_of.push(SourceRows::new(TAGS, vec![Condition::Fixed("false")]));
        }
        Self { any_of }
    }
}

/// The rows of one source, or of one of its values.
fn push_any_of(
    sql: &mut QueryBuilder<Postgres>,
    store: Uuid,
    of_all: &Selection<'_>,
    any_of: &[SourceRows<'_>],
) {
    // An item may have several of the values of a tag. It has one owner and one recipient.
    let overlap = any_of.len() > 1 && any_of.iter().any(|rows| rows.table == TAGS);
    let page = of_all.page;
    sql.push(if overlap { "(select distinct sequence from (" } else { "(" });
    for (place, rows) in any_of.iter().enumerate() {
        if place > 0 {
            sql.push(" union all ");
        }
        sql.push(format_args!("select sequence from {} where store = ", rows.table)).push(of(store));
        if let Some(after) = page.after {
            sql.push(format_args!(" and sequence {} ", page.order.behind())).push_bind(after);
        }
        sql.push(if of_all.span.is_some() { WITHIN_SPAN } else { "" });
        for condition in of_all.bounds.iter().chain(&rows.conditions) {
            condition.push(sql.push(" and "), store);
        }
    }
    sql.push(")");
    if overlap {
        sql.push(format_args!(" v order by sequence {})", of_all.order()));
    }
}

/// Each of them once.
fn unique(texts: &[String]) -> impl Iterator<Item = &str> {
    texts.iter().map(String::as_str).collect::<BTreeSet<_>>().into_iter()
}

impl<'f> HourSpan<'f> {
    /// None where nothing is known but that it is anywhere.
    fn of(process: Option<&'f str>, from: Option<i64>, to: Option<i64>) -> Option<Self> {
        let known = process.is_some() || from.is_some() || to.is_some();
        known.then_some(Self { process: process.unwrap_or_default(), from, to })
    }

    fn push(&self, sql: &mut QueryBuilder<Postgres>, store: Uuid) {
        sql.push("span as materialized (select min(first) as first, max(last) as last from quipu.totals where store = ");
        sql.push(of(store)).push(" and process = ").push_bind(self.process.to_owned());
        for (compared, time) in [(">=", self.from), ("<=", self.to)] {
            if let Some(time) = time {
                // Rounded as the hours of events are, also before 1970.
                sql.push(format_args!(" and hour {compared} ")).push_bind(time / HOUR_MS);
            }
        }
        sql.push("), ");
    }
}

const WITHIN_SPAN: &str = " and sequence >= (select first from span) and sequence <= (select last from span)";

const TAGS: &str = "quipu.tags";

impl<'f> SourceRows<'f> {
    fn new(table: &'static str, conditions: Vec<Condition<'f>>) -> Self {
        Self { table, conditions }
    }
}

impl Condition<'_> {
    fn push(&self, sql: &mut QueryBuilder<Postgres>, store: Uuid) {
        match *self {
            Self::Fixed(fixed) => drop(sql.push(fixed)),
            // Postgres takes no text with a NUL, so that nothing in it can be equal to one.
            Self::Text(_, text) if text.contains('\0') => drop(sql.push("false")),
            Self::Text(is, text) => drop(sql.push(is).push(" ").push_bind(text.to_owned())),
            Self::AnyText(is, texts) => {
                let texts: Vec<_> = texts.iter().filter(|text| !text.contains('\0')).cloned().collect();
                sql.push(is).push(" any(").push_bind(texts).push(")");
            }
            Self::Number(is, number) => drop(sql.push(is).push(" ").push_bind(number)),
            Self::Tag(name, value) => push_tag(sql, name, value),
            Self::FromNonce(process, nonce) => push_bound(sql, store, process, nonce, (">=", "asc")),
            Self::ToNonce(process, nonce) => push_bound(sql, store, process, nonce, ("<=", "desc")),
        }
    }
}

/// Name and value follow from the key but for somebody's deliberate collisions. Within `coalesce` the database does
/// not take them for further conditions that leave almost nothing, and so does not sort what it believes to be little.
fn push_tag(sql: &mut QueryBuilder<Postgres>, name: &str, value: &str) {
    let (name, value) = (name.as_bytes().to_vec(), value.as_bytes().to_vec());
    sql.push("key = ").push_bind(tag_key(&name, &value));
    sql.push(" and coalesce(name = ").push_bind(name).push(" and value = ").push_bind(value).push(", false)");
}

fn push_bound(
    sql: &mut QueryBuilder<Postgres>,
    store: Uuid,
    process: &str,
    nonce: i64,
    (compared, order): (&str, &str),
) {
    sql.push(format_args!("sequence {compared} (select sequence from quipu.messages where store = "));
    sql.push(of(store)).push(" and process = ").push_bind(process.to_owned());
    sql.push(format_args!(" and nonce {compared} ")).push_bind(nonce);
    sql.push(format_args!(" order by nonce {order} limit 1)"));
}

/// The store as it stands in a statement, so that the database knows the one partition before it plans.
pub(super) fn of(store: Uuid) -> String {
    format!("'{}'::uuid", store.hyphenated())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use super::super::filter::TagAnyOf;
    use super::*;

    fn texts(number: usize) -> Vec<String> {
        (0..number).map(|number| number.to_string()).collect()
    }

    #[test]
    fn no_question_makes_the_database_plan_without_bounds() {
        let page = ListPage::default();
        for (values, owners, recipients) in [
            (1, 1, 1),
            (100, 0, 0),
            (0, 100, 0),
            (100, 100, 0),
            (37, 100, 100),
            (100, 100, 100),
            (10, 10, 10),
        ] {
            let tags = vec![TagAnyOf { name: "Name".into(), values: texts(values) }];
            let filter = TransactionFilter {
                owners: texts(owners),
                recipients: texts(recipients),
                tags: if values > 0 { tags } else { Vec::new() },
                ..TransactionFilter::default()
            };
            let selection = Selection::transactions(&filter, &page);
            let ways = selection.ways();
            let selects: usize = ways.iter().flatten().map(|rows| rows.len()).sum();
            assert!(selects <= 2 * PLANNED_MAX, "{values}, {owners}, {recipients}: {selects}");
            // Together they are all that was asked for.
            let mut asked = ways.iter().flatten().map(|rows| rows.as_ptr_range()).collect::<Vec<_>>();
            asked.sort_by_key(|range| range.start);
            asked.dedup();
            let members: usize = selection.sources.iter().map(|source| source.any_of.len()).sum();
            let covered: usize =
                asked.iter().map(|range| range.end as usize - range.start as usize).sum::<usize>();
            assert_eq!(covered / size_of::<SourceRows<'_>>(), members);
        }
    }
}
