#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use testing::{SampleUser, id_of};

use super::*;
use crate::testing::Scribe;

/// Flaws by nonce.
type Told = Vec<(Option<u64>, Wrong)>;

/// A process with five messages: what was posted, and its history.
struct Story {
    process: ProcessId,
    posted: HashMap<MessageId, Bytes>,
    items: Vec<Bytes>,
    scribe: Scribe,
}

impl Story {
    fn new() -> Self {
        let user = SampleUser::new(1);
        let tags = [("Data-Protocol", "ao"), ("Action", "Tell")];
        let own = user.anchored(Some(&[b'p'; 32]), None, &tags, "the process");
        let process = id_of(&own).into();
        let message = |place: u8| {
            user.anchored(Some(&[b'0' + place; 32]), Some(process), &tags, format!("message {place}"))
        };
        let items: Vec<Bytes> = std::iter::once(own.clone()).chain((1..=5).map(message)).collect();
        let posted = items.iter().map(|item| (id_of(item).into(), item.clone())).collect();
        Self { process, posted, items, scribe: Scribe::new(&own) }
    }

    fn id(&self, place: usize) -> MessageId {
        id_of(&self.items[place]).into()
    }

    /// The whole history; `before` may do something to the scribe before it writes about an item.
    fn told(&mut self, before: impl Fn(usize, &mut Scribe)) -> Vec<ClientEdge> {
        let mut edges = Vec::new();
        for (place, item) in self.items.iter().enumerate() {
            before(place, &mut self.scribe);
            edges.push(self.scribe.assign(item));
        }
        edges
    }

    fn findings(&self, edges: &[ClientEdge]) -> Findings {
        let mut history = HistoryCheck::new(self.process, Some(&self.posted));
        edges.iter().for_each(|edge| history.push(edge));
        history.finish(&self.posted.keys().copied().collect())
    }

    fn wrongs(&self, edges: &[ClientEdge]) -> Told {
        let told = |flaw: Flaw| (flaw.nonce.map(Nonce::get), flaw.wrong);
        self.findings(edges).flaws.into_iter().map(told).collect()
    }
}

fn assignment(edge: &mut ClientEdge) -> &mut ClientItem {
    edge.node.assignment.as_mut().unwrap()
}

fn message(edge: &mut ClientEdge) -> &mut ClientItem {
    edge.node.message.as_mut().unwrap()
}

fn set_tag(item: &mut ClientItem, name: &str, value: &str) {
    item.tags.iter_mut().find(|tag| tag.name == name).unwrap().value = value.to_owned();
}

#[test]
fn a_good_history_has_no_flaw() {
    let mut story = Story::new();
    let edges = story.told(|_, _| {});
    let findings = story.findings(&edges);
    assert_eq!(findings.flaws, []);
    assert_eq!((findings.messages, findings.signatures, findings.not_verifiable), (6, 12, 0));
    assert_eq!(findings.acknowledged_found, 6);
}

/// What a scheduler may do wrong while it writes: every signature is genuine.
#[test]
fn wrong_orders_are_found() {
    type Deed = fn(usize, &mut Scribe);
    let cases: [(&str, Deed, Told); 6] = [
        (
            "skips a nonce",
            |at, scribe| scribe.nonce += u64::from(at == 3),
            vec![(Some(4), Wrong::Nonce(Nonce::new(3)))],
        ),
        (
            "gives a nonce twice",
            |at, scribe| scribe.nonce -= u64::from(at == 3),
            vec![(Some(2), Wrong::Nonce(Nonce::new(3)))],
        ),
        (
            "starts the chain anew",
            |at, scribe| {
                if at == 3 {
                    scribe.forget();
                }
            },
            vec![(Some(3), Wrong::Chain)],
        ),
        ("gives a time twice", |at, scribe| scribe.time -= u64::from(at == 3), vec![(Some(3), Wrong::Time)]),
        (
            "signs with another key",
            |at, scribe| {
                if at == 5 {
                    scribe.change_key();
                }
            },
            vec![(Some(5), Wrong::Scheduler)],
        ),
        (
            "names another process",
            |at, scribe| {
                if at == 5 {
                    scribe.named_process = ProcessId::NODE;
                }
            },
            vec![(Some(5), Wrong::Process)],
        ),
    ];
    for (name, deed, expected) in cases {
        let mut story = Story::new();
        let edges = story.told(deed);
        assert_eq!(story.wrongs(&edges), expected, "{name}");
    }
}

/// What may be lost, come twice or be altered after it was written.
#[test]
fn wrong_answers_are_found() {
    type Deed = fn(&mut Vec<ClientEdge>);
    let story = Story::new();
    let gap = Wrong::Nonce(Nonce::new(3));
    let cases: [(&str, Deed, Told); 12] = [
        ("the last is missing", |edges| drop(edges.pop()), vec![(None, Wrong::Missing(story.id(5)))]),
        (
            "one is left out",
            |edges| drop(edges.remove(3)),
            vec![(Some(4), gap.clone()), (None, Wrong::Missing(story.id(3)))],
        ),
        (
            "one comes twice",
            |edges| edges.insert(3, edges[2].clone()),
            vec![(Some(2), gap), (Some(2), Wrong::Time), (Some(2), Wrong::Duplicate(story.id(2)))],
        ),
        (
            "the data is altered",
            |edges| message(&mut edges[2]).data = Some("x".to_owned()),
            vec![(Some(2), Wrong::Message(Problem::Signature))],
        ),
        (
            "the owner is altered",
            |edges| message(&mut edges[2]).owner.address = "x".to_owned(),
            vec![(Some(2), Wrong::Message(Problem::Address))],
        ),
        (
            "the anchor is hidden",
            |edges| message(&mut edges[2]).anchor = None,
            vec![(Some(2), Wrong::Altered(story.id(2)))],
        ),
        ("the cursor is another", |edges| edges[2].cursor = "7".to_owned(), vec![(Some(2), Wrong::Cursor)]),
        ("there is no assignment", |edges| edges[5].node.assignment = None, vec![(None, Wrong::Unassigned)]),
        (
            "the height is altered",
            |edges| set_tag(assignment(&mut edges[2]), "Block-Height", "9"),
            vec![(Some(2), Wrong::Assignment(Problem::Signature))],
        ),
        (
            "the last assignment's id is another",
            |edges| assignment(&mut edges[5]).id = "A".repeat(43),
            vec![(Some(5), Wrong::Assignment(Problem::Id))],
        ),
        (
            "the time is no number",
            |edges| set_tag(assignment(&mut edges[5]), "Timestamp", "soon"),
            vec![(Some(5), Wrong::Tag("Timestamp")), (Some(5), Wrong::Assignment(Problem::Signature))],
        ),
        (
            "two messages change places",
            |edges| {
                let moved = edges[4].node.message.take();
                edges[4].node.message = std::mem::replace(&mut edges[5].node.message, moved);
            },
            vec![(Some(4), Wrong::OtherMessage), (Some(5), Wrong::OtherMessage)],
        ),
    ];
    for (name, deed, expected) in cases {
        let mut story = Story::new();
        let mut edges = story.told(|_, _| {});
        deed(&mut edges);
        assert_eq!(story.wrongs(&edges), expected, "{name}");
    }
}

#[test]
fn what_nobody_posted_is_found() {
    let mut story = Story::new();
    let edges = story.told(|_, _| {});
    let foreign = story.id(4);
    story.posted.remove(&foreign);
    assert_eq!(story.wrongs(&edges), [(Some(4), Wrong::Foreign(foreign))]);

    // When it is not known what was posted, only what was acknowledged counts.
    let mut history = HistoryCheck::new(story.process, None);
    edges.iter().for_each(|edge| history.push(edge));
    let findings = history.finish(&[story.id(1)].into());
    assert_eq!((findings.flaws, findings.acknowledged_found), (vec![], 1));
}

#[test]
fn old_processes_and_things_on_chain_are_no_flaws() {
    let story = Story::new();
    let mut scribe = Scribe::new(&story.items[0]);
    // The process is listed without an assignment; the first message has nonce 0 and comes without itself.
    let mut own = Scribe::new(&story.items[0]).assign(&story.items[0]);
    own.node.assignment = None;
    let mut on_chain = scribe.assign(&story.items[1]);
    on_chain.node.message = None;
    let mut history = HistoryCheck::new(story.process, None);
    history.push(&own);
    history.push(&on_chain);
    let findings = history.finish(&[story.id(0), story.id(1)].into());
    assert_eq!((findings.flaws, findings.acknowledged_found), (vec![], 2));
}

#[test]
fn flaws_say_where() {
    let flaw = Flaw { process: ProcessId::NODE, nonce: Some(Nonce::new(3)), wrong: Wrong::Chain };
    let text = "the hash chain does not follow from the assignment before";
    assert_eq!(flaw.to_string(), format!("process {}, nonce 3: {text}", ProcessId::NODE));
}
