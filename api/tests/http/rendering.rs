//! The fast renderer says what plain JSON would.

use ans104::{Draft, Id, Item, SignatureType, Tag};
use api::{PageBy, Renderer};
use log::{BodyRef, EventRef, Seq};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use protocol::{Nonce, ProcessId};
use serde_json::{Value, json};
use testing::NoiseSigner;

use crate::plain;
use crate::samples::noise;

#[derive(Clone, Debug)]
struct Drawn {
    kind: SignatureType,
    owner: u64,
    target: Option<[u8; 32]>,
    anchor: Option<[u8; 32]>,
    tags: Vec<(String, String)>,
    data: Vec<u8>,
}

impl Drawn {
    fn bytes(&self) -> Vec<u8> {
        let tags: Vec<Tag<'_>> = self.tags.iter().map(|(name, value)| Tag::new(name, value)).collect();
        let draft = Draft {
            target: self.target.as_ref(),
            anchor: self.anchor.as_ref(),
            tags: &tags,
            data: &self.data,
        };
        draft.sign(&NoiseSigner::new(self.kind, self.owner)).unwrap()
    }
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof!["(?s).{0,20}", r#"["\\\n\t\x00-\x1fa-z]{0,40}"#, "[a-zA-Z0-9 -]{0,60}", Just(String::new())]
}

fn anchor() -> impl Strategy<Value = [u8; 32]> {
    prop_oneof![
        any::<[u8; 32]>(),
        "[a-f0-9\"\\\\]{32}".prop_map(|text| text.into_bytes().try_into().unwrap()),
        Just([0; 32]),
    ]
}

fn data() -> impl Strategy<Value = Vec<u8>> {
    let mixed = (text(), vec(any::<u8>(), 0..20), text());
    prop_oneof![
        text().prop_map(String::into_bytes),
        vec(any::<u8>(), 0..200),
        mixed.prop_map(|(before, bytes, after)| [before.as_bytes(), &bytes, after.as_bytes()].concat()),
    ]
}

fn drawn() -> impl Strategy<Value = Drawn> {
    let kind = prop::sample::select(&SignatureType::ALL[..]);
    let name = prop_oneof![8 => text(), 1 => "[Ff]rom-[Pp]rocess"];
    let tags = vec((name, text()), 0..12);
    (kind, 0..12_u64, option::of(any::<[u8; 32]>()), option::of(anchor()), tags, data()).prop_map(
        |(kind, owner, target, anchor, tags, data)| Drawn { kind, owner, target, anchor, tags, data },
    )
}

/// What an assignment may say of its message: the id, or nonsense, or nothing.
fn message_tag() -> impl Strategy<Value = Option<String>> {
    let id = any::<[u8; 32]>().prop_map(|bytes| Some(Id::from_bytes(bytes).to_string()));
    prop_oneof![id, text().prop_map(Some), Just(None), "[a-zA-Z0-9+=]{43}".prop_map(Some)]
}

#[derive(Clone, Debug)]
struct Case {
    item: Drawn,
    assignment: Drawn,
    kind: u8,
    nonce: Option<u64>,
}

fn case() -> impl Strategy<Value = Case> {
    let marks = (message_tag(), option::of("[0-9]{13}"), option::of("[0-9]{12}"));
    (drawn(), drawn(), marks, 0..4_u8, option::of(any::<u64>())).prop_map(
        |(item, mut assignment, (message, time, block), kind, nonce)| {
            let marks = [("Message", message), ("Timestamp", time), ("Block-Height", block)];
            let marks = marks.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
            assignment.tags.extend(marks);
            Case { item, assignment, kind, nonce }
        },
    )
}

fn body<'a>(kind: u8, item: Item<'a>, assignment: Item<'a>) -> BodyRef<'a> {
    match kind {
        0 => BodyRef::Spawned { item, assignment: Some(assignment) },
        1 => BodyRef::Spawned { item, assignment: None },
        2 => BodyRef::Scheduled { item, assignment, deep_hash: None },
        _ => BodyRef::Assigned { assignment, deep_hash: None },
    }
}

proptest! {
    #[test]
    fn every_event_is_rendered_as_plain_json_would_be(
        cases in vec(case(), 1..12),
        show_anchor: bool,
        by_time: bool,
    ) {
        let process = ProcessId::from(Id::from_bytes([9; 32]));
        // One renderer for all, so that what it remembers of one event must fit the next.
        let mut renderer = Renderer::new(process, show_anchor);
        for case in cases {
            let (item, assignment) = (case.item.bytes(), case.assignment.bytes());
            let body = body(case.kind, Item::parse(&item).unwrap(), Item::parse(&assignment).unwrap());
            let nonce = case.nonce.map(Nonce::new);
            let event = EventRef { seq: Seq::ZERO, process, nonce, imported: false, envelope: None, body };
            let time = event.assignment().and_then(|assignment| assignment.tag("Timestamp"));
            let (by, cursor) = if by_time {
                (PageBy::Time, time.unwrap_or_default().to_owned())
            } else {
                (PageBy::Nonce, case.nonce.unwrap_or(0).to_string())
            };
            let expected = json!({ "node": plain::node(&event, show_anchor), "cursor": cursor });
            let edge = parsed(|out| renderer.edge(out, &event, by).unwrap());
            prop_assert_eq!(edge, expected);
            prop_assert_eq!(
                parsed(|out| renderer.node(out, &event).unwrap()),
                plain::node(&event, show_anchor)
            );
            prop_assert_eq!(parsed(|out| renderer.aos2(out, &event).unwrap()), plain::aos2(&event));
            if let BodyRef::Spawned { item, assignment } = event.body {
                let shown = parsed(|out| renderer.process(out, &item, assignment.as_ref()).unwrap());
                prop_assert_eq!(shown, plain::process(&event));
            }
        }
    }
}

#[test]
fn malformed_tags_are_an_error() {
    let drawn = Drawn {
        kind: SignatureType::Ed25519,
        owner: 1,
        target: None,
        anchor: None,
        tags: vec![("name".into(), "value".into())],
        data: noise(1, 10),
    };
    let mut bytes = drawn.bytes();
    // The tags come after the type, signature, owner, two flags and two numbers; their last byte ends the array.
    let end = 2 + 64 + 32 + 2 + 16 + 1 + 5 + 6 + 2;
    bytes[end - 3] = 0xff;
    let item = Item::split(&bytes).unwrap();
    let process = ProcessId::from(Id::from_bytes([9; 32]));
    assert!(Renderer::new(process, false).process(&mut Vec::new(), &item, None).is_err());
}

fn parsed(write: impl FnOnce(&mut Vec<u8>)) -> Value {
    let mut out = Vec::new();
    write(&mut out);
    serde_json::from_slice(&out).unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&out)))
}
