//! Sources with one fault each, into a log in memory.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::num::NonZeroUsize;
use std::ops::ControlFlow;

use ans104::{Ed25519Wallet, Tag};
use log::{Append, Event, LocalLog, Log, Memory, MemoryDisk, Seq};
use protocol::{HashChain, Nonce, ProcessId, Timestamp};
use testing::{ExistingRow, SampleProcess, around, id_of};

use super::*;
use crate::target::KnownRows;

mod eras;
mod places;

/// Rows in memory.
#[derive(Clone, Default)]
struct Rows(Vec<SourceRow>);

impl Source for Rows {
    fn name(&self) -> String {
        "rows".to_owned()
    }

    fn totals(&mut self, _: &ImportScope) -> Result<SourceTotals, SourceError> {
        Ok(SourceTotals { messages: self.0.len() as u64, ..SourceTotals::default() })
    }

    fn read(
        &mut self,
        _: &ImportScope,
        _: &dyn KnownRows,
        visit: &mut SourceVisit<'_>,
    ) -> Result<(), SourceError> {
        for row in &self.0 {
            if visit(row.clone()) == ControlFlow::Break(()) {
                break;
            }
        }
        Ok(())
    }
}

fn signer() -> Ed25519Wallet {
    Ed25519Wallet::from_seed([2; 32])
}

fn stored(row: ExistingRow, number: usize) -> StoredRow {
    let place = row.place.clone();
    StoredRow {
        place: format!("row {number}"),
        is_process: row.is_process,
        process: Some(row.process),
        nonce: place.as_ref().map(|(nonce, ..)| *nonce),
        timestamp: place.as_ref().map(|(_, time, _)| *time),
        chain: place.map(|(_, _, chain)| chain),
        message: Some(row.message).filter(|_| !row.is_process),
        assignment: Some(row.assignment).filter(|_| !row.is_process),
        deep_hash: None,
        blob: row.blob,
        shown: None,
    }
}

fn rows(rows: impl IntoIterator<Item = ExistingRow>) -> Rows {
    let rows = rows.into_iter().enumerate();
    Rows(rows.map(|(number, row)| SourceRow::Stored(stored(row, number))).collect())
}

fn usual(appends: &[Append]) -> Rows {
    rows(appends.iter().map(|append| ExistingRow::of(append, &signer())))
}

fn log() -> LocalLog<Memory> {
    LocalLog::open(Memory::open(&MemoryDisk::new()), None).unwrap()
}

fn options() -> ImportOptions {
    let threads = NonZeroUsize::new(2).unwrap();
    ImportOptions {
        scope: ImportScope::default(),
        verify: true,
        threads,
        elsewhere: None,
        pass_missing: false,
    }
}

fn imported(source: &mut Rows, log: &LocalLog<Memory>) -> ImportSummary {
    let summary = import(source, Some(log), &options(), ImportReport::new(None), &mut |_| ())
        .expect("it comes to its end");
    assert_eq!(summary.rows, summary.imported + summary.already_there + summary.left_out);
    summary
}

fn flaws(summary: &ImportSummary) -> Vec<(FlawKind, u64)> {
    summary.flaws.iter().map(|(kind, count)| (*kind, *count)).collect()
}

fn events(log: &LocalLog<Memory>) -> Vec<Event> {
    let mut events = Vec::new();
    log.scan(Seq::ZERO, &mut |event| {
        events.push(event.to_owned());
        ControlFlow::Continue(())
    })
    .unwrap();
    events
}

/// The nonces of the log, the spawn without one as -1.
fn nonces(log: &LocalLog<Memory>) -> Vec<i64> {
    events(log).iter().map(|event| event.nonce.map_or(-1, |nonce| nonce.get() as i64)).collect()
}

fn is_sound(log: &LocalLog<Memory>) {
    let summary = log.verify(NonZeroUsize::new(1), &mut |_| ());
    assert!(summary.is_sound(), "{summary:?}");
}

fn history(seed: u64, messages: usize) -> (SampleProcess, Vec<Append>) {
    let mut sample = SampleProcess::new(seed);
    let mut appends = vec![sample.spawn()];
    appends.extend(sample.messages(messages));
    (sample, appends)
}

#[test]
fn what_is_whole_is_taken_as_it_is_and_made_again() {
    let (mut sample, mut appends) = history(1, 5);
    appends.push(sample.assigned());
    let (mut source, log) = (usual(&appends), log());
    let summary = imported(&mut source, &log);
    assert_eq!((summary.imported, summary.left_out), (7, 0));
    assert_eq!(flaws(&summary), []);
    let events = events(&log);
    assert!(events.iter().all(|event| event.imported));
    for (event, row) in events.iter().zip(&source.0) {
        let SourceRow::Stored(row) = row else { panic!("all are stored") };
        let (item, assignment) = match &event.body {
            log::Body::Spawned { item, assignment } => (Some(item), assignment.as_ref().unwrap()),
            log::Body::Scheduled { item, assignment, .. } => (Some(item), assignment),
            log::Body::Assigned { assignment, .. } => (None, assignment),
            log::Body::Fact(_) => panic!("no fact was imported"),
        };
        let split = |bytes| ans104::Item::split(bytes).unwrap();
        let item = item.map(|item| split(item));
        let envelope = event.envelope.as_deref().expect("each has one");
        assert!(envelope.len() < 300, "the owner and the data are not kept twice");
        assert_eq!(unseal_envelope(envelope, split(assignment), item).unwrap(), row.blob);
    }
    is_sound(&log);
    let head = Log::head(&log, sample.process).unwrap().unwrap();
    assert_eq!(head.last, sample.last, "the next message goes on from there");
}

#[test]
fn run_again_it_takes_what_is_new() {
    let (_, appends) = history(1, 20);
    let log = log();
    for upto in [0, 1, 2, 9, 9, 21] {
        let before = events(&log).len() as u64;
        let summary = imported(&mut usual(&appends[..upto]), &log);
        let there = if upto == 0 { 0 } else { before };
        assert_eq!((summary.already_there, summary.imported), (there, upto as u64 - there));
    }
    assert_eq!(nonces(&log), (0..=20).collect::<Vec<_>>());
    is_sound(&log);
}

#[test]
fn gaps_ties_and_steps_back_are_kept_and_told() {
    let mut sample = SampleProcess::new(1);
    let mut appends = vec![sample.spawn()];
    for (nonce, time) in [(1, 1_720_000_000_000), (4, 1_720_000_000_000), (5, 1_710_000_000_000)] {
        sample.place_at(Nonce::new(nonce), Timestamp::new(time));
        appends.push(sample.message());
    }
    let log = log();
    let summary = imported(&mut usual(&appends), &log);
    assert_eq!(nonces(&log), [0, 1, 4, 5]);
    let expected =
        [(FlawKind::Gap, 1), (FlawKind::Tie, 1), (FlawKind::StepBack, 1), (FlawKind::NewestIsNotLast, 1)];
    assert_eq!(flaws(&summary), expected);
    is_sound(&log);
}

#[test]
fn of_two_with_one_nonce_the_one_that_the_next_follows_is_kept() {
    for kept_first in [true, false] {
        let (mut sample, mut appends) = history(1, 1);
        let before = sample.last;
        let other = sample.message();
        sample.last = before;
        let kept = sample.message();
        let next = sample.message();
        let kept_id = kept.link.unwrap().assignment;
        appends.extend(if kept_first { [kept, other] } else { [other, kept] });
        appends.push(next);
        let log = log();
        let mut source = usual(&appends);
        let summary = imported(&mut source, &log);
        assert_eq!((summary.imported, summary.left_out), (4, 1));
        assert!(summary.first_left_out[0].reason.contains("nonce 2"), "{summary:?}");
        assert!(summary.first_left_out[0].reason.contains(&kept_id.to_string()), "{summary:?}");
        assert_eq!(nonces(&log), [0, 1, 2, 3]);
        assert_eq!(flaws(&summary), [(FlawKind::DuplicateNonce, 1)]);
        let again = imported(&mut source, &log);
        assert_eq!((again.imported, again.already_there, again.left_out), (0, 4, 1), "it is told again");
        is_sound(&log);
    }
}

#[test]
fn early_forms_are_chained_as_they_were() {
    for by_message in [true, false] {
        let mut sample = SampleProcess::new(1);
        let spawn = sample.spawn_unassigned();
        let mut source = vec![ExistingRow::of(&spawn, &signer())];
        for _ in 0..4 {
            let message = sample.message();
            let row = ExistingRow::early(&message, &signer());
            let link = sample.last.as_mut().unwrap();
            let id: ans104::Id =
                if by_message { row.message.parse() } else { row.assignment.parse() }.unwrap();
            link.assignment = id.into();
            source.push(row);
        }
        let log = log();
        let summary = imported(&mut rows(source), &log);
        assert_eq!((summary.imported, flaws(&summary)), (5, vec![]), "{by_message}");
        assert_eq!(nonces(&log), [-1, 0, 1, 2, 3]);
        let verified = log.verify(NonZeroUsize::new(1), &mut |_| ());
        assert_eq!((verified.faults, verified.inherited), (0, 0), "{by_message}");
    }
}

#[test]
fn garbage_is_left_out_with_its_reason_and_nothing_else_is() {
    let (sample, appends) = history(1, 6);
    let (_, strange) = history(9, 1);
    let mut source = usual(&appends);
    type Spoil<'a> = &'a dyn Fn(&mut StoredRow);
    let garbage: [(Spoil<'_>, &str); 7] = [
        (&|row| row.blob = b"garbage".to_vec(), "no data item"),
        (&|row| row.blob.truncate(row.blob.len() - 1), "no bundle"),
        (&|row| row.blob.clear(), "no data item"),
        (&|row| row.blob = ExistingRow::of(&strange[1], &signer()).blob, "the stored bytes are of"),
        (&|row| row.blob = around(&signer(), &[("Bundle-Format", "binary")], &[]), "empty"),
        (
            &|row| row.blob = around(&signer(), &[("Timestamp", "5")], &[&unplaced(&sample)]),
            "names no process",
        ),
        (&to_nobody, "32 zero bytes"),
    ];
    for (place, (spoil, _)) in garbage.iter().enumerate() {
        let (_, extra) = history(1, place + 1);
        let mut row = stored(ExistingRow::of(extra.last().unwrap(), &signer()), 100 + place);
        spoil(&mut row);
        source.0.insert(place + 1, SourceRow::Stored(row));
    }
    source.0.push(SourceRow::Unreadable {
        process: None,
        place: "row x".to_owned(),
        reason: "no id".to_owned(),
    });
    let log = log();
    let mut lines = Vec::new();
    let report = ImportReport::new(Some(&mut lines));
    let summary = import(&mut source, Some(&log), &options(), report, &mut |_| ()).unwrap();
    assert_eq!((summary.imported, summary.left_out), (7, 8));
    let told: Vec<&str> = summary.first_left_out.iter().map(|row| row.reason.as_str()).collect();
    for (_, reason) in garbage {
        assert!(told.iter().any(|told| told.contains(reason)), "{reason}: {told:#?}");
    }
    let text = String::from_utf8(lines).unwrap();
    assert_eq!(text.lines().filter(|line| line.starts_with(r#"{"left_out""#)).count(), 8, "{text}");
    assert!(text.lines().last().unwrap().starts_with(r#"{"summary":{"rows":15,"#), "{text}");
    assert_eq!(nonces(&log), [0, 1, 2, 3, 4, 5, 6]);
}

/// A message to the process of 32 zero bytes, which a local store keeps without a spawn.
fn to_nobody(row: &mut StoredRow) {
    let nobody = ProcessId::NODE.to_string();
    let tags =
        [("Process", nobody.as_str()), ("Nonce", "0"), ("Timestamp", "5"), ("Message", nobody.as_str())];
    let assignment = around(&signer(), &tags, &[]);
    row.process = Some(ProcessId::NODE);
    row.blob = around(&signer(), &[("Bundle-Format", "binary")], &[&assignment]);
}

fn unplaced(sample: &SampleProcess) -> Vec<u8> {
    sample.user.message(sample.process, &[], b"x").to_vec()
}

#[test]
fn what_columns_and_signatures_say_is_told_and_the_bytes_count() {
    let (_, appends) = history(1, 3);
    let mut source = usual(&appends);
    let change = |row: &mut SourceRow, change: &dyn Fn(&mut StoredRow)| match row {
        SourceRow::Stored(row) => change(row),
        _ => panic!("all are stored"),
    };
    change(&mut source.0[1], &|row| {
        row.nonce = Some(77);
        row.timestamp = Some(1);
        row.chain = Some(HashChain::seed(row.process.unwrap()).to_string());
        row.message = Some("other".to_owned());
        row.assignment = Some("other".to_owned());
    });
    // The signature of the outer item.
    change(&mut source.0[2], &|row| row.blob[5] ^= 1);
    let log = log();
    let summary = imported(&mut source, &log);
    assert_eq!(flaws(&summary), [(FlawKind::WrongSignature, 1), (FlawKind::ColumnDiffers, 5)]);
    assert_eq!(summary.signatures, 12);
    assert_eq!(nonces(&log), [0, 1, 2, 3]);
    let quick = ImportOptions { verify: false, ..options() };
    let summary = import(&mut source, None, &quick, ImportReport::new(None), &mut |_| ()).unwrap();
    assert_eq!((summary.signatures, summary.imported), (0, 4), "a plan counts");
    assert_eq!(flaws(&summary), [(FlawKind::ColumnDiffers, 5)]);
}

#[test]
fn tags_without_their_end_are_kept() {
    let (sample, mut appends) = history(1, 1);
    let tags = [Tag { name: "Type", value: "Message" }, Tag { name: "Data-Protocol", value: "ao" }];
    let whole = sample.user.item(Some(sample.process), &[("Type", "Message"), ("Data-Protocol", "ao")], b"d");
    let encoded = ans104::encode_tags(&tags);
    let at = whole.windows(encoded.len()).position(|window| window == encoded).unwrap();
    let mut cut = whole.to_vec();
    cut.remove(at + encoded.len() - 1);
    cut[at - 8..at].copy_from_slice(&(encoded.len() as u64 - 1).to_le_bytes());
    let mut sample = sample;
    appends.push(sample.scheduled(&cut));
    let log = log();
    let summary = imported(&mut usual(&appends), &log);
    assert_eq!(id_of(&cut), id_of(&whole), "only the tags differ");
    assert_eq!((summary.imported, summary.left_out), (3, 0), "{summary:?}");
    let expected = [(FlawKind::WrongSignature, 1), (FlawKind::UnterminatedTags, 1)];
    assert_eq!(flaws(&summary), expected);
}

#[test]
fn pushed_messages_have_their_content_hash() {
    let (mut sample, mut appends) = history(1, 1);
    let pushed = sample.user.message(sample.process, &[("From-Process", "p"), ("Pushed-For", "x")], b"d");
    appends.push(sample.scheduled(&pushed));
    let log = log();
    imported(&mut usual(&appends), &log);
    let hashes: Vec<bool> = events(&log)
        .iter()
        .map(|event| matches!(event.body, log::Body::Scheduled { deep_hash: Some(_), .. }))
        .collect();
    assert_eq!(hashes, [false, false, true]);
}

#[test]
fn a_source_that_gives_fewer_rows_than_it_has_is_an_error() {
    struct Short(Rows);
    impl Source for Short {
        fn name(&self) -> String {
            "short".to_owned()
        }
        fn totals(&mut self, _: &ImportScope) -> Result<SourceTotals, SourceError> {
            Ok(SourceTotals { processes: 1, messages: 9, is_about: false })
        }
        fn read(
            &mut self,
            scope: &ImportScope,
            known: &dyn KnownRows,
            visit: &mut SourceVisit<'_>,
        ) -> Result<(), SourceError> {
            self.0.read(scope, known, visit)
        }
    }
    let (_, appends) = history(1, 3);
    let log = log();
    let mut source = Short(usual(&appends));
    let error =
        import(&mut source, Some(&log), &options(), ImportReport::new(None), &mut |_| ()).unwrap_err();
    assert!(matches!(error, ImportError::Count { expected: 10, found: 4 }), "{error}");
}

#[test]
fn a_log_that_takes_no_more_ends_it() {
    let (_, appends) = history(1, 600);
    let log = log();
    log.seal();
    let mut source = usual(&appends);
    let error =
        import(&mut source, Some(&log), &options(), ImportReport::new(None), &mut |_| ()).unwrap_err();
    assert!(matches!(error, ImportError::Append(_)), "{error}");
}
