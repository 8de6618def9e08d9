//! A log whose last write a power cut left half written, and what mends it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use quipu_tests::{Finished, Gateway, Launch, Ledger, User, until};

use crate::failing_fsync::compile_shim;
use crate::folder;

fn repair(launch: &Launch, folder: &Path, more: &[&str]) -> Finished {
    let data = launch.data();
    Launch::command(folder, &[&["repair", data.to_str().unwrap()][..], more].concat()).run()
}

/// The newest write-ahead log with anything in it.
fn journal(launch: &Launch) -> PathBuf {
    let files = fs::read_dir(launch.data().join("log")).unwrap().map(|entry| entry.unwrap().path());
    let mut logs: Vec<_> = files
        .filter(|path| path.extension().is_some_and(|kind| kind == "log"))
        .filter(|path| fs::metadata(path).unwrap().len() > 0)
        .collect();
    logs.sort();
    logs.pop().unwrap()
}

fn contents(launch: &Launch) -> BTreeMap<PathBuf, Vec<u8>> {
    let files = fs::read_dir(launch.data().join("log")).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|path| path.is_file()).map(|path| (path.clone(), fs::read(&path).unwrap())).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_torn_end_is_cut_off_and_all_that_was_acknowledged_is_there() {
    let (folder, gateway) = (folder(), Gateway::start());
    let trigger = folder.path().join("trigger");
    let launch = Launch::su(folder.path())
        .gateway(gateway.url())
        .set("LD_PRELOAD", compile_shim(folder.path()))
        .set("HANG_SYNC_WHILE", &trigger);
    let (ledger, user) = (Ledger::default(), User::new(1));
    let node = launch.start();
    let process = ledger.spawn(&node.client(), &user, 1).await[0];
    ledger.send(&node.client(), &user, process, 5).await;
    let used = repair(&launch, folder.path(), &["--yes"]);
    assert_eq!(used.code, Some(1), "{}", used.stdout);
    assert!(used.stderr.contains("in use by another process"), "{}", used.stderr);

    // A write that nobody was told is on disk: of what comes after its first bytes nothing has arrived.
    let journal = journal(&launch);
    let whole = fs::read(&journal).unwrap();
    let acknowledged = whole.len();
    let status: serde_json::Value = node.admin().get("/status").await.json();
    let last = format!("event {}", status["tail"]);
    fs::write(&trigger, "").unwrap();
    let (client, unsure) = (node.client(), user.message(process, b"not acknowledged"));
    let posted = tokio::spawn({
        let bytes = unsure.bytes.clone();
        async move { client.try_post(bytes).await }
    });
    until("it is written", async || (fs::read(&journal).unwrap().len() > acknowledged).then_some(())).await;
    node.kill();
    assert!(posted.await.unwrap().is_err(), "it was answered");
    fs::remove_file(&trigger).unwrap();
    let mut torn = fs::read(&journal).unwrap();
    torn[acknowledged + 8..].fill(0);
    fs::write(&journal, &torn).unwrap();

    let refused = launch.run();
    assert_eq!(refused.code, Some(1), "{}", refused.stderr);
    let told = refused.stderr.lines().last().unwrap_or_default();
    let command = format!("quipu repair {}", launch.data().join("log").display());
    assert!(told.contains(&command), "{command} is not named: {told}");
    let before = contents(&launch);
    let asked = repair(&launch, folder.path(), &[]);
    assert_eq!(asked.code, Some(1), "{}", asked.stdout);
    assert!(asked.stderr.contains("--yes"), "{}", asked.stderr);
    assert_eq!(contents(&launch), before, "it was changed without being asked");
    let name = journal.file_name().unwrap().to_str().unwrap();
    let (end, known) =
        (format!("would end with {last};"), format!("; {last} is known to have been acknowledged"));
    for said in [name, &end, &known] {
        assert!(asked.stdout.contains(said), "{said}: {}", asked.stdout);
    }
    let done = repair(&launch, folder.path(), &["--yes"]);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    assert_eq!(fs::read(&journal).unwrap(), whole);
    let kept = journal.with_file_name(format!("{name}.cut-1"));
    assert_eq!(fs::read(kept).unwrap(), torn[acknowledged..]);

    let node = launch.start();
    ledger.check(&node.client(), 1).await;
    ledger.schedule(&node.client(), process, &unsure).await;
    ledger.check(&node.client(), 1).await;
    node.stop();
    let nothing = repair(&launch, folder.path(), &[]);
    assert_eq!(nothing.code, Some(0), "{}", nothing.stderr);
    assert!(nothing.stdout.contains("nothing is torn"), "{}", nothing.stdout);
    let verified = launch.verify(&[]);
    assert_eq!(verified.code, Some(0), "{}{}", verified.stdout, verified.stderr);
}

#[tokio::test]
async fn what_was_acknowledged_is_never_cut_off() {
    let (folder, gateway) = (folder(), Gateway::start());
    let launch = Launch::su(folder.path()).gateway(gateway.url());
    let (ledger, user) = (Ledger::default(), User::new(1));
    let node = launch.start();
    let process = ledger.spawn(&node.client(), &user, 1).await[0];
    let mut ends = Vec::new();
    for _ in 0..5 {
        ledger.send(&node.client(), &user, process, 1).await;
        ends.push(fs::metadata(journal(&launch)).unwrap().len() as usize);
    }
    node.kill();
    let journal = journal(&launch);
    let whole = fs::read(&journal).unwrap();
    for (what, from, to) in [("the last", ends[3] + 8, ends[4]), ("one in the middle", ends[1] + 8, ends[2])]
    {
        let mut torn = whole.clone();
        torn[from..to].fill(0);
        fs::write(&journal, &torn).unwrap();
        let before = contents(&launch);
        let refused = repair(&launch, folder.path(), &["--yes"]);
        assert_eq!(refused.code, Some(1), "{what}: {}", refused.stdout);
        assert!(refused.stderr.contains("nothing is cut off"), "{what}: {}", refused.stderr);
        assert_eq!(contents(&launch), before, "{what}: something was changed");
    }
    fs::write(&journal, &whole).unwrap();
    let node = launch.start();
    ledger.check(&node.client(), 1).await;
    node.stop();
}
