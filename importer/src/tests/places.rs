//! Rows that shut out others, and what is told of a process that comes in parts.

use super::*;

/// A message whose assignment has this nonce.
fn message_at(sample: &mut SampleProcess, nonce: u64) -> Append {
    sample.place_at(Nonce::new(nonce), Timestamp::new(2_000_000_000_000));
    sample.message()
}

#[test]
fn a_stored_nonce_above_its_place_shuts_out_no_later_row() {
    let beyond = 1 << 31;
    for (nonce, has_column) in
        [(beyond, true), (u64::MAX, true), (9, true), (beyond, false), (u64::MAX, false)]
    {
        let (mut sample, appends) = history(1, 4);
        let mut source = usual(&appends);
        let last = sample.last;
        let mut row = stored(ExistingRow::of(&message_at(&mut sample, nonce), &signer()), 9);
        row.nonce = has_column.then_some(3);
        source.0[3] = SourceRow::Stored(row);
        let log = log();
        let summary = imported(&mut source, &log);
        assert_eq!((summary.imported, summary.left_out), (4, 1), "{nonce}");
        assert!(summary.first_left_out[0].reason.contains(&nonce.to_string()), "{summary:?}");
        assert_eq!(nonces(&log), [0, 1, 2, 4], "{nonce}");
        // What comes later has its place as well.
        sample.last = last;
        let later = ExistingRow::of(&sample.message(), &signer());
        source.0.push(SourceRow::Stored(stored(later, 10)));
        let again = imported(&mut source, &log);
        assert_eq!((again.imported, again.left_out), (1, 1), "{nonce}");
    }
}

#[test]
fn what_is_told_of_a_process_is_told_though_it_comes_in_parts() {
    let mut sample = SampleProcess::new(1);
    let mut appends = Vec::new();
    for (nonce, time) in [(0, 2_000_000_000_000), (1, 1_900_000_000_000), (2, 1_900_000_000_001)] {
        sample.place_at(Nonce::new(nonce), Timestamp::new(time));
        appends.push(sample.message());
    }
    let log = log();
    for part in [&appends[..2], &appends[..]] {
        let summary = imported(&mut usual(part), &log);
        assert_eq!(summary.flaws.get(&FlawKind::NoSpawn), Some(&1), "{summary:?}");
        assert_eq!(summary.flaws.get(&FlawKind::NewestIsNotLast), Some(&1), "{summary:?}");
    }
    // A process that has its spawn, and the latest at its end, has neither, in parts as well.
    let (_, appends) = history(2, 3);
    for part in [&appends[..2], &appends[..]] {
        assert_eq!(flaws(&imported(&mut usual(part), &log)), []);
    }
}

#[test]
fn a_process_that_is_asked_for_and_not_there_is_told() {
    struct ByProcess(Vec<(ProcessId, Rows)>);
    impl Source for ByProcess {
        fn name(&self) -> String {
            "by process".to_owned()
        }

        fn totals(&mut self, _: &ImportScope) -> Result<SourceTotals, SourceError> {
            let messages = self.0.iter().map(|(_, rows)| rows.0.len() as u64).sum();
            Ok(SourceTotals { messages, ..SourceTotals::default() })
        }

        fn read(
            &mut self,
            scope: &ImportScope,
            known: &dyn KnownRows,
            visit: &mut SourceVisit<'_>,
        ) -> Result<(), SourceError> {
            let mut wanted = self.0.iter_mut().filter(|(process, _)| scope.processes.contains(process));
            wanted.try_for_each(|(_, rows)| rows.read(scope, known, visit))
        }
    }
    let (sample, appends) = history(1, 3);
    let absent = SampleProcess::new(2).process;
    let mut source = ByProcess(vec![(sample.process, usual(&appends))]);
    let log = log();
    let scope = ImportScope { processes: vec![absent, sample.process], rows: None };
    let options = ImportOptions { scope, ..options() };
    let mut lines = Vec::new();
    let report = ImportReport::new(Some(&mut lines));
    let summary = import(&mut source, Some(&log), &options, report, &mut |_| ()).unwrap();
    assert_eq!((summary.imported, summary.absent, summary.is_complete()), (4, 1, false));
    assert_eq!(summary.first_absent, [absent.to_string()]);
    let text = String::from_utf8(lines).unwrap();
    assert!(text.contains(&format!("{{\"absent\":\"{absent}\"}}")), "{text}");
}

#[test]
fn messages_without_a_process_a_late_spawn_and_a_second_one_are_kept() {
    let mut sample = SampleProcess::new(1);
    let message = sample.message();
    let log = log();
    let summary = imported(&mut usual(std::slice::from_ref(&message)), &log);
    assert_eq!(flaws(&summary), [(FlawKind::NoSpawn, 1)]);

    let mut sample = SampleProcess::new(2);
    let appends = [sample.message(), sample.spawn(), sample.message(), sample.spawn()];
    let summary = imported(&mut usual(&appends), &log);
    assert_eq!(summary.imported, 4);
    assert_eq!(flaws(&summary), [(FlawKind::Respawn, 1)]);
    is_sound(&log);
}

#[test]
fn of_two_with_one_nonce_at_the_end_the_latest_is_kept_which_is_gone_on_from() {
    for latest_first in [true, false] {
        let (mut sample, mut appends) = history(1, 1);
        let before = sample.last;
        let early = sample.message();
        let time = sample.last.unwrap().timestamp;
        sample.last = before;
        sample.place_at(Nonce::new(2), Timestamp::new(time.get() + 5));
        let late = sample.message();
        let next = sample.message();
        appends.extend(if latest_first { [late, early] } else { [early, late] });
        let log = log();
        let summary = imported(&mut usual(&appends), &log);
        assert_eq!((summary.imported, summary.left_out), (3, 1), "{summary:?}");
        appends.push(next);
        let summary = imported(&mut usual(&appends), &log);
        assert_eq!((summary.imported, summary.left_out), (1, 1), "{summary:?}");
        assert_eq!(summary.flaws.get(&FlawKind::BrokenChain), None, "{summary:?}");
        is_sound(&log);
    }
}

/// A plan tells each flaw that an import finds.
#[test]
fn a_plan_tells_of_two_with_one_nonce_and_of_one_that_is_there_twice() {
    let (_, appends, other) = forked();
    let mut rows = appends.clone();
    rows.insert(5, other);
    rows.push(appends[6].clone());
    let planned = import(&mut usual(&rows), None, &options(), ImportReport::new(None), &mut |_| ()).unwrap();
    let imported = imported(&mut usual(&rows), &log());
    assert_eq!(flaws(&planned), [(FlawKind::DuplicateNonce, 1)]);
    assert_eq!(planned, imported);
}

#[test]
fn a_process_that_ends_later_than_now_is_told_and_a_time_beyond_all_is_left_out() {
    let (mut sample, mut appends) = history(1, 1);
    sample.place_at(Nonce::new(2), Timestamp::new(4_102_444_800_000));
    appends.push(sample.message());
    sample.place_at(Nonce::new(3), Timestamp::new(u64::MAX));
    appends.push(sample.message());
    let summary = imported(&mut usual(&appends), &log());
    assert_eq!((summary.imported, summary.left_out), (3, 1), "{summary:?}");
    assert_eq!(flaws(&summary), [(FlawKind::Ahead, 1)]);
}

/// The history of one process, and another message with the nonce of its fifth one.
fn forked() -> (SampleProcess, Vec<Append>, Append) {
    let (mut sample, appends) = history(1, 6);
    sample.last = appends[3].link;
    let other = sample.message();
    (sample, appends, other)
}

/// Holds that of the source nothing comes behind the other message.
fn assert_not_mixed(appends: &[Append], log: &LocalLog<Memory>) {
    for _ in 0..2 {
        let summary = imported(&mut usual(appends), log);
        assert_eq!((summary.imported, summary.already_there, summary.left_out), (0, 4, 3));
        let reasons: Vec<_> = summary.first_left_out.iter().map(|row| row.reason.as_str()).collect();
        assert!(reasons[0].contains("nonce 4 of"), "{reasons:?}");
        assert!(reasons[1..].iter().all(|reason| reason.contains("have parted")), "{reasons:?}");
        assert_eq!(nonces(log), [0, 1, 2, 3, 4]);
        is_sound(log);
    }
}

#[test]
fn nothing_comes_behind_what_was_scheduled_here_and_the_source_has_not() {
    let (mut sample, appends, other) = forked();
    let log = log();
    imported(&mut usual(&appends[..4]), &log);
    log.enqueue(log.identity().term, vec![other.clone()]).unwrap().wait().unwrap();
    assert_not_mixed(&appends, &log);
    // Where the source has it, as one that was filled from here, it is gone on with.
    let mut back = appends[..4].to_vec();
    back.extend([other, sample.message()]);
    assert_eq!(imported(&mut usual(&back), &log).imported, 1);
    is_sound(&log);
}

/// A source tells of some rows that they are there, behind others that it hands over again.
#[test]
fn what_the_source_has_too_is_gone_on_with_although_its_chain_breaks_there() {
    let (_, appends, other) = forked();
    let log = log();
    let before: Vec<_> = appends[..4].iter().cloned().chain([other]).collect();
    imported(&mut usual(&before), &log);
    let mut source = usual(&appends[..1]);
    let there = (1..=4).map(|nonce| SourceRow::There(appends[0].process, Some(Nonce::new(nonce))));
    source.0.extend(there);
    source.0.extend(usual(&appends[5..]).0);
    let summary = imported(&mut source, &log);
    assert_eq!((summary.imported, summary.already_there, summary.left_out), (2, 5, 0), "{summary:?}");
    assert_eq!(flaws(&summary), [(FlawKind::BrokenChain, 1)]);
    assert_eq!(nonces(&log), [0, 1, 2, 3, 4, 5, 6]);
}

#[test]
fn nothing_comes_behind_what_a_source_had_before_it_was_restored() {
    let (_, appends, other) = forked();
    let log = log();
    let before: Vec<_> = appends[..4].iter().cloned().chain([other]).collect();
    imported(&mut usual(&before), &log);
    assert_not_mixed(&appends, &log);
}
