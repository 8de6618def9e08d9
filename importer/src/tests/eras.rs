//! What the existing scheduler wrote over the years.

use ans104::{Draft, SignatureType};
use log::ChainLink;
use testing::{NoiseSigner, SampleUser};

use super::*;

const BUNDLE: [(&str, &str); 2] = [("Bundle-Format", "binary"), ("Bundle-Version", "2.0.0")];

/// What an assignment says, in the order and with the other tags that each time had.
fn eras<'a>(
    process: &'a str,
    message: &'a str,
    place: [(&'a str, &'a str); 4],
) -> Vec<Vec<(&'a str, &'a str)>> {
    let [nonce, chain, height, time] = place;
    let (process, message, epoch) = (("Process", process), ("Message", message), ("Epoch", "0"));
    let kind = [("Data-Protocol", "ao"), ("Type", "Assignment"), ("Variant", "ao.TN.1")];
    let exclude = [("Exclude", "Owner"), ("Exclude", "Data")];
    let march = [process, message, epoch, nonce, chain, height, time];
    let september = [process, epoch, nonce, chain, height, time];
    let message = [message];
    vec![
        march.to_vec(),
        [&march[..], &exclude].concat(),
        [&march[..], &kind, &exclude].concat(),
        [&september[..], &kind, &message, &exclude].concat(),
        // The first of a name counts, and a type is not asked for.
        [&september[..], &message, &[("Nonce", "77"), ("Timestamp", "1"), ("Type", "Message")]].concat(),
    ]
}

#[test]
fn assignments_of_every_era_are_read_by_the_names_of_their_tags() {
    let mut sample = SampleProcess::new(1);
    let spawn = sample.spawn();
    let process = sample.process.to_string();
    let mut source = usual(std::slice::from_ref(&spawn));
    let mut last = spawn.link.unwrap();
    for era in 0..5 {
        let item = sample.user.message(sample.process, &[("Era", &era.to_string())], b"d");
        let (message, nonce) = (id_of(&item).to_string(), last.nonce.next());
        let (chain, time) = (ChainLink::next_chain(Some(last), sample.process), last.timestamp.get() + 1);
        let texts = [nonce.to_string(), chain.to_string(), "000001384956".to_owned(), time.to_string()];
        let [nonce_text, chain_text, height, time_text] = &texts;
        let place = [
            ("Nonce", nonce_text.as_str()),
            ("Hash-Chain", chain_text),
            ("Block-Height", height),
            ("Timestamp", time_text),
        ];
        let tags = eras(&process, &message, place).swap_remove(era);
        let tags: Vec<Tag<'_>> = tags.into_iter().map(|(name, value)| Tag { name, value }).collect();
        let draft = Draft { target: None, anchor: Some(&[9; 32]), tags: &tags, data: b"" };
        let assignment = draft.sign(&signer()).unwrap();
        last = ChainLink {
            nonce,
            assignment: id_of(&assignment).into(),
            chain,
            timestamp: Timestamp::new(time),
        };
        source.0.push(SourceRow::Stored(StoredRow {
            place: format!("era {era}"),
            process: Some(sample.process),
            blob: around(&signer(), &BUNDLE, &[&assignment, &item]),
            ..StoredRow::default()
        }));
    }
    let log = log();
    let summary = imported(&mut source, &log);
    assert_eq!((summary.imported, flaws(&summary)), (6, vec![]), "{summary:?}");
    assert_eq!(Log::head(&log, sample.process).unwrap().unwrap().last, Some(last));
    is_sound(&log);
}

#[test]
fn signatures_of_every_type_are_kept_though_they_do_not_verify() {
    let (mut sample, mut appends) = history(1, 0);
    for kind in SignatureType::ALL {
        let user = SampleUser::with(NoiseSigner::new(kind, 1));
        let item = user.message(sample.process, &[], b"x");
        appends.push(sample.scheduled(&item));
    }
    let kinds = SignatureType::ALL.len() as u64;
    let log = log();
    let summary = imported(&mut usual(&appends), &log);
    assert_eq!((summary.imported, summary.left_out), (kinds + 1, 0), "{summary:?}");
    let told = flaws(&summary);
    // Some of these keys are none, which old schedulers did not look at.
    let of = |kind| told.iter().find(|(found, _)| *found == kind).map_or(0, |(_, count)| *count);
    let (wrong, legacy) = (of(FlawKind::WrongSignature), of(FlawKind::LegacySignature));
    assert!(wrong > 0 && legacy > 0 && wrong + legacy == kinds, "{told:?}");
}

#[test]
fn items_that_nobody_reads_are_kept_with_the_others() {
    let (mut sample, mut appends) = history(1, 1);
    let mut source = usual(&appends);
    appends.push(sample.message());
    let log::Body::Scheduled { item, assignment, .. } = &appends[2].body else { panic!("it is a message") };
    let more = sample.user.message(sample.process, &[], b"more");
    let blob = around(&signer(), &BUNDLE, &[assignment, item, &more]);
    let row = ExistingRow { blob: blob.clone(), ..ExistingRow::of(&appends[2], &signer()) };
    source.0.push(SourceRow::Stored(stored(row, 2)));
    let log = log();
    let summary = imported(&mut source, &log);
    assert_eq!((summary.imported, flaws(&summary)), (3, vec![(FlawKind::MoreItems, 1)]));
    let events = events(&log);
    let log::Body::Scheduled { item, assignment, .. } = &events[2].body else { panic!("it is a message") };
    let split = |bytes| ans104::Item::split(bytes).unwrap();
    let envelope = events[2].envelope.as_deref().unwrap();
    assert_eq!(unseal_envelope(envelope, split(assignment), Some(split(item))).unwrap(), blob);
}

#[test]
fn chains_that_do_not_follow_and_assignments_of_other_messages_are_kept_and_told() {
    let mut sample = SampleProcess::new(1);
    let mut source = usual(&[sample.spawn()]);
    let process = sample.process.to_string();
    let other = sample.user.message(sample.process, &[], b"other");
    let (other, of_other) = (id_of(&other), HashChain::seed(SampleProcess::new(2).process).to_string());
    let rows = [
        ("1", Some(of_other.as_str()), None),
        ("2", Some("no chain"), None),
        ("3", None, None),
        ("4", None, Some(other)),
    ];
    for (nonce, chain, named) in rows {
        let item = sample.user.message(sample.process, &[], nonce.as_bytes());
        let (message, time) =
            (named.unwrap_or_else(|| id_of(&item)).to_string(), format!("172000000000{nonce}"));
        let mut tags = vec![
            ("Process", process.as_str()),
            ("Nonce", nonce),
            ("Timestamp", &time),
            ("Message", &message),
        ];
        tags.extend(chain.map(|chain| ("Hash-Chain", chain)));
        let assignment = around(&signer(), &tags, &[]);
        source.0.push(SourceRow::Stored(StoredRow {
            place: format!("nonce {nonce}"),
            process: Some(sample.process),
            blob: around(&signer(), &BUNDLE, &[&assignment, &item]),
            ..StoredRow::default()
        }));
    }
    let log = log();
    let summary = imported(&mut source, &log);
    assert_eq!(summary.imported, 5, "{summary:?}");
    let expected = [(FlawKind::BrokenChain, 1), (FlawKind::NoChain, 3), (FlawKind::OtherMessage, 1)];
    assert_eq!(flaws(&summary), expected);
    assert_eq!(nonces(&log), [0, 1, 2, 3, 4]);
    // What was so before is told apart from what is wrong.
    let verified = log.verify(NonZeroUsize::new(1), &mut |_| ());
    assert_eq!((verified.faults, verified.inherited > 0), (0, true), "{verified:?}");
}
