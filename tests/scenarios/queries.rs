//! `/query/v1` on a node with a real database, held against a plain list of what was scheduled.

use std::time::{Duration, Instant};

use quipu_tests::{Client, User, until};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::queries_world::{Known, TAGS, World, link, status};

const CASES: usize = 240;
const NOBODY: &str = "BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBA";

/// What is asked for, as parameters and as conditions.
#[derive(Default)]
struct Asked {
    parameters: Vec<(&'static str, String)>,
    conditions: Vec<Condition>,
}

type Condition = Box<dyn Fn(&Known) -> bool>;

/// Adds one filter, with values that fit something that is there.
type Filter = fn(&mut Asked, &mut StdRng, &[Known]);

const OF_PROCESSES: [Filter; 4] = [owner, tag, from, to];
const OF_MESSAGES: [Filter; 10] =
    [owner, tag, from, to, process, recipient, action, from_nonce, to_nonce, kind];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lists_are_what_a_plain_list_would_give() {
    let world = World::fill().await;
    let mut rng = StdRng::seed_from_u64(2);
    let spawns = world.matching(|known| known.kind == "spawned");
    check_filters(&world, "/query/v1/processes", &spawns, &OF_PROCESSES, &mut rng).await;
    check_filters(&world, "/query/v1/messages", &world.known, &OF_MESSAGES, &mut rng).await;
    what_only_looks_like_something_is_not_found(&world).await;
    items_are_found_by_every_id(&world).await;
    totals_are_counts(&world).await;
    wrong_cursors_and_limits_are_refused(&world).await;
    repeated_tags_multiply_nothing(&world).await;
    pages_have_no_gaps_while_more_comes(&world).await;
    one_reads_what_one_wrote(&world).await;
}

async fn check_filters(world: &World, path: &str, all: &[Known], filters: &[Filter], rng: &mut StdRng) {
    let mut told = 0;
    for case in 0..CASES {
        // First each filter alone, then any of them together.
        let alone = case < 6 * filters.len();
        let mut asked = Asked::default();
        for (number, filter) in filters.iter().enumerate() {
            if if alone { case % filters.len() == number } else { rng.random_bool(0.3) } {
                filter(&mut asked, rng, all);
            }
        }
        let mut expected: Vec<_> = all
            .iter()
            .filter(|known| asked.conditions.iter().all(|meets| meets(known)))
            .map(Known::entry)
            .collect();
        if rng.random_bool(0.5) {
            asked.parameters.push(("order", "asc".into()));
        } else {
            expected.reverse();
        }
        let limit = *[1, 3, 20, 1000].choose(rng).unwrap();
        let limit = if expected.len() > 30 { limit.max(7) } else { limit };
        let found = read_list(&world.client, path, &asked.parameters, limit).await;
        assert_eq!(found.len(), expected.len(), "{:?}", asked.parameters);
        for (found, expected) in found.iter().zip(&expected) {
            assert_eq!(found, expected, "{:?}", asked.parameters);
        }
        told += usize::from(!found.is_empty());
    }
    assert!(told > CASES / 2, "only {told} of {CASES} questions had an answer");
}

/// The whole of a list, in pages of so many.
async fn read_list(
    client: &Client,
    path: &str,
    parameters: &[(&'static str, String)],
    limit: usize,
) -> Vec<Value> {
    let (mut all, mut cursor) = (Vec::new(), None);
    loop {
        let mut parameters = parameters.to_vec();
        parameters.push(("limit", limit.to_string()));
        parameters.extend(cursor.map(|cursor| ("cursor", cursor)));
        let page: Value = client.get(&link(path, &parameters)).await.json();
        assert!(page["position"].is_u64(), "{page}");
        let items = page["items"].as_array().unwrap();
        all.extend_from_slice(items);
        cursor = page["next"].as_str().map(str::to_owned);
        if cursor.is_none() {
            assert!(
                items.len() <= limit && (!items.is_empty() || all.is_empty()),
                "an empty page at the end"
            );
            return all;
        }
        assert_eq!(items.len(), limit, "a page that is not the last is not full");
    }
}

async fn what_only_looks_like_something_is_not_found(world: &World) {
    let messages = "/query/v1/messages";
    for (name, value) in [
        ("tag", "Type:Message "),
        ("tag", "Colon:b:c"),
        ("tag", "nothing:"),
        ("action", "eval"),
        ("owner", ""),
        ("owner", NOBODY),
        ("owner", "a\0b"),
        ("recipient", "' or true --"),
        ("recipient", "\0"),
        ("process", NOBODY),
        ("from", &i64::MAX.to_string()),
        ("to", "-1"),
        ("to-nonce", "-1"),
        ("from-nonce", "9223372036854775807"),
    ] {
        let found = read_list(&world.client, messages, &[(name, value.to_owned())], 1000).await;
        // An empty parameter is none.
        let expected = if value.is_empty() { world.known.len() } else { 0 };
        assert_eq!(found.len(), expected, "{name}={value:?}");
    }
    // A tag is asked for several times, and the same one too.
    let twice = ["Action:Eval", "Action:Eval", "Type:Message"].map(|tag| ("tag", tag.to_owned()));
    let found = read_list(&world.client, messages, &twice, 7).await;
    let expected = world.matching(|known| known.has("Action", "Eval") && known.has("Type", "Message"));
    assert_eq!(found.len(), expected.len());
    assert!(!found.is_empty());
    let many: Vec<_> = (0..8).map(|_| ("tag", "Type:Message".to_owned())).collect();
    let found = read_list(&world.client, messages, &many, 1000).await;
    assert_eq!(found.len(), world.matching(|known| known.has("Type", "Message")).len());
    let spawns = [("kind", "spawned".to_owned()), ("tag", "Kind:token".to_owned())];
    assert_eq!(read_list(&world.client, messages, &spawns, 1000).await.len(), 3);
}

/// What somebody posts must not make the questions of others slow.
async fn repeated_tags_multiply_nothing(world: &World) {
    let mut tags = vec![("Type", "Message")];
    let repeated = [("R", "0"), ("R", "1"), ("R", "2"), ("R", "3"), ("R", "4"), ("R", "5")];
    (0..20).for_each(|_| tags.extend(repeated));
    let message = world.users[0].item(Some(world.processes()[1]), &tags, b"");
    world.client.schedule(&message).await;
    let mut parameters: Vec<_> =
        repeated.iter().take(4).map(|(name, value)| ("tag", format!("{name}:{value}"))).collect();
    parameters.extend(parameters.clone());
    parameters.push(("min-position", status(&world.node).await["tail"].to_string()));
    let started = Instant::now();
    let found = read_list(&world.client, "/query/v1/messages", &parameters, 1000).await;
    assert_eq!(found.len(), 1);
    assert_eq!(found[0]["tags"].as_array().unwrap().len(), 2 + tags.len());
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
}

async fn items_are_found_by_every_id(world: &World) {
    let place = |id: String| {
        let client = &world.client;
        async move { client.get(&format!("/query/v1/items/{id}")).await }
    };
    let mut rng = StdRng::seed_from_u64(3);
    let on_chain = world.matching(|known| known.kind == "assigned");
    assert!(on_chain.len() > 1, "it is assigned to several processes");
    let some: Vec<_> = world.known.choose_multiple(&mut rng, 20).cloned().collect();
    for known in [&world.known[..2], &on_chain, &some].concat() {
        let ids =
            [Some(known.id.to_string()), known.assignment.as_ref().map(|assignment| assignment.id.clone())];
        for id in ids.into_iter().flatten() {
            let expected = world.matching(|other| {
                other.id.to_string() == id
                    || other.assignment.as_ref().is_some_and(|assignment| assignment.id == id)
            });
            let expected: Vec<_> = expected.iter().map(|known| known.place(Some(true))).collect();
            // Uploads follow at their own pace.
            let shown = until("everything is uploaded", async || {
                let shown: Value = place(id.clone()).await.json();
                let mut places = shown["items"].as_array().unwrap().iter();
                places.all(|place| place["uploaded"] == true).then_some(shown)
            })
            .await;
            assert_eq!(shown["items"], json!(expected), "{id}");
        }
    }
    assert_eq!(place(NOBODY.into()).await.refusal(404), "not_found");
    for malformed in ["abc", "A%00A", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA!"] {
        let answer = place(malformed.into()).await;
        assert_eq!(answer.refusal(400), "invalid_parameter");
        assert!(answer.text().contains("43 characters"), "{}", answer.text());
    }

    world.gateway.control().refuse_uploads(1_000_000);
    let message = world.users[0].message(world.processes()[1], b"not uploaded");
    world.client.schedule(&message).await;
    let tail = status(&world.node).await["tail"].clone();
    let shown: Value = place(format!("{}?min-position={tail}", message.id)).await.json();
    assert_eq!(shown["items"][0]["uploaded"], false, "{shown}");
    world.gateway.control().refuse_uploads(0);
}

async fn totals_are_counts(world: &World) {
    let [totals, all]: [Value; 2] = [
        world.client.get(&format!("/query/v1/totals?process={NOBODY}")).await.json(),
        world.client.get("/query/v1/totals").await.json(),
    ];
    assert_eq!(
        (&totals["processes"], &totals["bytes"], &totals["first_hour"]),
        (&json!(0), &json!(0), &Value::Null)
    );
    // One more than is known: the message that was not uploaded.
    assert_eq!(all["scheduled"], world.matching(|known| known.kind == "scheduled").len() + 1);
    assert_eq!(all["processes"], world.processes().len());
    assert!(all["position"].is_u64());
    for process in [world.processes()[0], world.processes()[2], world.processes()[3]] {
        let totals: Value = world.client.get(&format!("/query/v1/totals?process={process}")).await.json();
        let known = world.matching(|known| known.process == process);
        let count = |kind| known.iter().filter(|known| known.kind == kind).count();
        assert_eq!(totals["processes"], 1);
        assert_eq!(totals["scheduled"], count("scheduled"), "{totals}");
        assert_eq!(totals["assigned"], count("assigned"), "{totals}");
        let bytes: usize = known.iter().filter_map(Known::item).map(|item| item.data().len()).sum();
        assert_eq!(totals["bytes"], bytes);
        let hour = |known: &Known| known.timestamp / 3_600_000 * 3_600_000;
        assert_eq!(totals["first_hour"], hour(&known[0]));
        assert_eq!(totals["last_hour"], hour(known.last().unwrap()));
        let events = totals["rate_hour"].as_f64().unwrap() * 3600.0;
        let expected = known.len() as f64;
        // Around the full hour a part of the hour before is taken for all of it.
        assert!(
            (events - expected).abs() < 0.2 * expected,
            "{events} events in the last hour, not {expected}"
        );
        let rates = [&totals["rate_hour"], &totals["rate_day"]].map(|rate| rate.as_f64().unwrap());
        assert!((rates[0] / rates[1] - 24.0).abs() < 5.0, "{rates:?}");
    }
}

async fn wrong_cursors_and_limits_are_refused(world: &World) {
    let page: Value = world.client.get("/query/v1/messages?limit=5&order=asc").await.json();
    let next = page["next"].as_str().unwrap();
    for (query, expected) in [
        (format!("cursor={next}"), "other order"),
        (format!("cursor={next}A&order=asc"), "cursor"),
        ("cursor=garbage".to_owned(), "cursor"),
        ("cursor=%00".to_owned(), "cursor"),
        ("limit=0".to_owned(), "from 1"),
        ("limit=1001".to_owned(), "from 1 to 1000"),
        ("limit=-1".to_owned(), "from 1"),
        ("tag=".to_owned() + &"x".repeat(10), "Name:Value"),
        ("tag=a:b&".repeat(9), "expected at most 8 of them"),
    ] {
        for list in ["messages", "processes"] {
            let answer = world.client.get(&format!("/query/v1/{list}?{query}")).await;
            assert_eq!(answer.refusal(400), "invalid_parameter", "{query}");
            assert!(answer.text().contains(expected), "{query}: {}", answer.text());
        }
    }
}

async fn pages_have_no_gaps_while_more_comes(world: &World) {
    let process = world.processes()[1];
    let (client, user) = (world.client.clone(), User::new(9));
    let posting = tokio::spawn(async move {
        for number in 0..60 {
            client.schedule(&user.message(process, format!("meanwhile {number}").as_bytes())).await;
        }
    });
    let sequences =
        |items: &[Value]| -> Vec<_> { items.iter().map(|item| item["sequence"].as_i64().unwrap()).collect() };
    while !posting.is_finished() {
        for (order, step, limit) in [("asc", 1, 3), ("desc", -1, 7), ("asc", 1, 20), ("desc", -1, 1)] {
            let parameters = [("order", order.to_owned())];
            let found = sequences(&read_list(&world.client, "/query/v1/messages", &parameters, limit).await);
            assert!(found.windows(2).all(|two| two[1] - two[0] == step), "{order} by {limit}: {found:?}");
            assert!(found.len() > world.known.len(), "{order} by {limit}: only {} of all", found.len());
        }
    }
    posting.await.unwrap();
}

async fn one_reads_what_one_wrote(world: &World) {
    let (process, user) = (world.processes()[2], User::new(10));
    for number in 0..20 {
        let message = user.message(process, format!("read at once {number}").as_bytes());
        world.client.schedule(&message).await;
        let tail = status(&world.node).await["tail"].clone();
        let parameters =
            [("process", process.to_string()), ("limit", "1".into()), ("min-position", tail.to_string())];
        let page: Value = world.client.get(&link("/query/v1/messages", &parameters)).await.json();
        assert_eq!(page["items"][0]["id"], message.id.to_string());
        assert!(page["position"].as_u64() >= tail.as_u64());
        let item = format!("/query/v1/items/{}?min-position={tail}", message.id);
        let places: Value = world.client.get(&item).await.json();
        assert_eq!(places["items"][0]["sequence"], tail);
    }
    let spawn = user.process();
    world.client.schedule(&spawn).await;
    let tail = status(&world.node).await["tail"].clone();
    let page: Value =
        world.client.get(&format!("/query/v1/processes?limit=1&min-position={tail}")).await.json();
    assert_eq!(page["items"][0]["id"], spawn.id.to_string());

    let (started, mut asked) = (Instant::now(), JoinSet::new());
    for beyond in [tail.as_u64().unwrap() + 1, u64::MAX] {
        for call in ["messages", "processes", "totals", &format!("items/{}", spawn.id)] {
            let (client, path) = (world.client.clone(), format!("/query/v1/{call}?min-position={beyond}"));
            asked.spawn(async move { client.get(&path).await.refusal(503) });
        }
    }
    assert!(asked.join_all().await.iter().all(|code| code == "unavailable"));
    assert!(started.elapsed() < Duration::from_secs(15), "{:?}", started.elapsed());
}

impl Asked {
    fn with(&mut self, name: &'static str, value: impl ToString, meets: impl Fn(&Known) -> bool + 'static) {
        self.parameters.push((name, value.to_string()));
        self.conditions.push(Box::new(meets));
    }
}

fn one<'k>(rng: &mut StdRng, all: &'k [Known]) -> &'k Known {
    all.choose(rng).expect("something is there")
}

fn owner(asked: &mut Asked, rng: &mut StdRng, all: &[Known]) {
    let owner = one(rng, all).owner().unwrap_or_else(|| NOBODY.to_owned());
    asked.with("owner", owner.clone(), move |known| known.owner().as_ref() == Some(&owner));
}

fn tag(asked: &mut Asked, rng: &mut StdRng, all: &[Known]) {
    for _ in 0..rng.random_range(1..3) {
        let tags = one(rng, all).tags();
        let any = TAGS.choose(rng).map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let (name, value) = tags.choose(rng).cloned().or(any).unwrap();
        // Names are divided from values at the first colon.
        let (asked_name, asked_value) = format!("{name}:{value}")
            .split_once(':')
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .unwrap();
        asked.with("tag", format!("{name}:{value}"), move |known| known.has(&asked_name, &asked_value));
    }
}

fn from(asked: &mut Asked, rng: &mut StdRng, all: &[Known]) {
    let from = one(rng, all).timestamp;
    asked.with("from", from, move |known| known.timestamp >= from);
}

fn to(asked: &mut Asked, rng: &mut StdRng, all: &[Known]) {
    let to = one(rng, all).timestamp;
    asked.with("to", to, move |known| known.timestamp <= to);
}

fn process(asked: &mut Asked, rng: &mut StdRng, all: &[Known]) {
    let process = one(rng, all).process;
    asked.with("process", process, move |known| known.process == process);
}

fn recipient(asked: &mut Asked, rng: &mut StdRng, all: &[Known]) {
    let recipient = one(rng, all).recipient().unwrap_or_else(|| NOBODY.to_owned());
    asked.with("recipient", recipient.clone(), move |known| known.recipient().as_ref() == Some(&recipient));
}

fn action(asked: &mut Asked, rng: &mut StdRng, _: &[Known]) {
    let action = *["Eval", "Transfer", TAGS[2].1, "Absent"].choose(rng).unwrap();
    asked.with("action", action, move |known| known.has("Action", action));
}

fn from_nonce(asked: &mut Asked, rng: &mut StdRng, all: &[Known]) {
    let from = one(rng, all).nonce().unwrap_or(-1);
    asked.with("from-nonce", from, move |known| known.nonce().is_some_and(|nonce| nonce >= from));
}

fn to_nonce(asked: &mut Asked, rng: &mut StdRng, all: &[Known]) {
    let to = one(rng, all).nonce().unwrap_or(0);
    asked.with("to-nonce", to, move |known| known.nonce().is_some_and(|nonce| nonce <= to));
}

fn kind(asked: &mut Asked, rng: &mut StdRng, _: &[Known]) {
    let kind = *["spawned", "scheduled", "assigned"].choose(rng).unwrap();
    asked.with("kind", kind, move |known| known.kind == kind);
}
