//! What queries cost in a database with a million messages.
//!
//! `DATABASE_URL=postgres://… cargo run --release --example query_plan -- [messages]` fills a store of its own with
//! synthetic messages, asks each kind of question many times for different values, and prints how long it took
//! and what the database did. The database should be one that nobody needs: what was filled stays, and a second run
//! asks it again.

use std::time::Instant;

use log::StoreId;
use projections::{DatabaseUrl, ListOrder, ListPage, MessageFilter, PostgresOptions, Queries, TagIs};
use sqlx::{AssertSqlSafe, Executor, PgPool};

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

const STORE: &str = "11111111-1111-4111-8111-111111111111";
const ROUNDS: u64 = 200;

#[tokio::main]
async fn main() -> Outcome<()> {
    let url = std::env::var("DATABASE_URL").map_err(|_| "expected DATABASE_URL")?;
    let number = std::env::args().nth(1).map_or(Ok(1_000_000), |text| text.parse::<u64>())?;
    let pool = PgPool::connect(&url).await?;
    fill(&pool, number).await?;
    let options = PostgresOptions::new(DatabaseUrl::parse("DATABASE_URL", &url)?);
    let queries = Queries::new(&options, StoreId(STORE.parse()?));
    let samples = samples(&pool).await?;
    for (name, filter) in cases() {
        measure(&queries, name, &samples, filter).await?;
    }
    Ok(())
}

/// A message to take the values of conditions from: process, owner and time.
struct Sample {
    process: String,
    owner: String,
    timestamp: i64,
    nonce: i64,
}

async fn fill(pool: &PgPool, number: u64) -> Outcome<()> {
    if sqlx::query_scalar::<_, Option<String>>("select to_regclass('filled.messages')::text")
        .fetch_one(pool)
        .await?
        .is_some()
    {
        return Ok(());
    }
    let schema = concat!(
        "create schema quipu; set search_path = quipu;",
        include_str!("../../../migrations/0001_projection.sql"),
        "reset search_path;"
    );
    let fill = include_str!("fill.sql").replace("$NUMBER", &number.to_string());
    let begin = "insert into quipu.stores (store) values ('$STORE');
        insert into quipu.cursors (store, live, layout, term, position) values ('$STORE', true, 1, 1, $NUMBER - 1);
        select quipu.make_tables('filled', '$STORE');";
    let end = "select quipu.make_indexes('filled'); select quipu.attach_tables('filled', '$STORE');";
    let begin = begin.replace("$NUMBER", &number.to_string());
    let sql = [schema, &begin, &fill, end].concat().replace("$STORE", STORE);
    let started = Instant::now();
    // One connection: the helpers of the script are temporary.
    let mut connection = pool.acquire().await?;
    connection.execute(sqlx::raw_sql(AssertSqlSafe(sql))).await?;
    for vacuum in ["reset search_path", "vacuum analyze"] {
        connection.execute(vacuum).await?;
    }
    println!("{number} messages filled in in {:.0?}", started.elapsed());
    Ok(())
}

async fn samples(pool: &PgPool) -> Outcome<Vec<Sample>> {
    let sql = "select process, owner, timestamp, nonce from filled.messages
        where sequence in (select (random() * (select max(sequence) from filled.messages))::bigint
            from generate_series(1, $1))";
    let rows: Vec<(String, String, i64, i64)> =
        sqlx::query_as(sql).bind(ROUNDS as i64).fetch_all(pool).await?;
    let sample = |(process, owner, timestamp, nonce)| Sample { process, owner, timestamp, nonce };
    Ok(rows.into_iter().map(sample).collect())
}

type Filter = fn(usize, &Sample) -> MessageFilter;

fn action(round: usize) -> Vec<TagIs> {
    vec![TagIs { name: "Action".into(), value: format!("Action-{}", round % 20) }]
}

fn two_tags(round: usize) -> Vec<TagIs> {
    let quantity = TagIs { name: "Quantity".into(), value: (round * 7 % 1000).to_string() };
    [action(round), vec![quantity]].concat()
}

fn cases() -> Vec<(&'static str, Filter)> {
    vec![
        ("tag", |round, _| MessageFilter { tags: action(round), ..Default::default() }),
        ("tag that all have", |_, _| MessageFilter {
            tags: vec![TagIs { name: "SDK".into(), value: "aoconnect".into() }],
            ..Default::default()
        }),
        ("tag that one has", |round, _| MessageFilter {
            tags: vec![TagIs { name: "Reference".into(), value: (round * 4_001 + 1_000).to_string() }],
            ..Default::default()
        }),
        ("two tags", |round, _| MessageFilter { tags: two_tags(round), ..Default::default() }),
        ("process", |_, at| MessageFilter { process: Some(at.process.clone()), ..Default::default() }),
        ("process and tag", |round, at| MessageFilter {
            process: Some(at.process.clone()),
            tags: action(round),
            ..Default::default()
        }),
        ("process and nonces", |_, at| MessageFilter {
            process: Some(at.process.clone()),
            from_nonce: Some(at.nonce),
            to_nonce: Some(at.nonce + 500),
            ..Default::default()
        }),
        ("process and hour", |_, at| MessageFilter {
            process: Some(at.process.clone()),
            from: Some(at.timestamp),
            to: Some(at.timestamp + 3_600_000),
            ..Default::default()
        }),
        ("owner", |_, at| MessageFilter { owner: Some(at.owner.clone()), ..Default::default() }),
        ("owner and tag", |round, at| MessageFilter {
            owner: Some(at.owner.clone()),
            tags: action(round),
            ..Default::default()
        }),
        ("minute", |_, at| MessageFilter {
            from: Some(at.timestamp),
            to: Some(at.timestamp + 60_000),
            ..Default::default()
        }),
        ("hour", |_, at| MessageFilter {
            from: Some(at.timestamp),
            to: Some(at.timestamp + 3_600_000),
            ..Default::default()
        }),
        ("until then", |_, at| MessageFilter { to: Some(at.timestamp), ..Default::default() }),
        ("until then, with tag", |round, at| MessageFilter {
            to: Some(at.timestamp),
            tags: action(round),
            ..Default::default()
        }),
        ("kind", |_, _| MessageFilter { kind: Some(projections::EntryKind::Spawned), ..Default::default() }),
        ("anything", |_, _| MessageFilter::default()),
    ]
}

async fn measure(queries: &Queries, name: &str, samples: &[Sample], filter: Filter) -> Outcome<()> {
    let mut took = Vec::new();
    let mut slowest = (std::time::Duration::ZERO, MessageFilter::default(), ListPage::default());
    let mut found = 0;
    for (round, sample) in samples.iter().enumerate() {
        let filter = filter(round, sample);
        let order = if round % 2 == 0 { ListOrder::Descending } else { ListOrder::Ascending };
        let page = ListPage::new(100, order, None)?;
        let started = Instant::now();
        found += queries.messages(&filter, &page).await?.items.len();
        let elapsed = started.elapsed();
        took.push(elapsed);
        if elapsed > slowest.0 {
            slowest = (elapsed, filter, page);
        }
    }
    took.sort();
    let at = |part: f64| took[((took.len() - 1) as f64 * part) as usize];
    let mean = found / took.len().max(1);
    println!("== {name}: p50 {:.1?}, p99 {:.1?}, max {:.1?}, {mean} found", at(0.5), at(0.99), at(1.0));
    println!("{}\n", queries.explain(&slowest.1, &slowest.2).await?);
    Ok(())
}
