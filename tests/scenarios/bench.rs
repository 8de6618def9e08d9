//! The benchmark as a check: it posts, reads back, and finds a sound node sound.

use std::fs;

use quipu_tests::{Gateway, Launch};
use serde_json::Value;

use crate::folder;

#[test]
fn the_benchmark_finds_a_sound_node_sound_and_a_lost_message_missing() {
    let (folder, gateway) = (folder(), Gateway::start());
    let node = Launch::su(folder.path()).gateway(gateway.url()).start();
    let url = node.url();
    let bench = |more: &[&str]| {
        let words = ["bench", "--url", &url, "--floor-seconds", "0", "--ack-log", "acks.txt", "--json"];
        Launch::command(folder.path(), &[&words[..], more].concat()).run()
    };
    let admin = node.admin_url();
    let lag = ["--projection-lag", "--admin", &admin];
    let few = ["--messages", "300", "--processes", "3", "--connections", "8", "--read-seconds", "1"];
    let measured = bench(&[&few[..], &lag].concat());
    assert_eq!(measured.code, Some(0), "{}{}", measured.stdout, measured.stderr);
    let report: Value = serde_json::from_str(&measured.stdout).unwrap();
    assert_eq!(report["check"]["acknowledged_found"], 303, "{report}");
    assert_eq!(report["check"]["flaw_count"], 0, "{report}");

    // In both forms, in the same run.
    for form in ["read", "read_as_aos2"] {
        assert!(report[form]["messages"].as_u64().is_some_and(|read| read >= 303), "{report}");
    }
    // One is no more work than two of the other. Who else is on this machine may have come in between, but not each time.
    let is_as_quick = |report: &Value| {
        let [plain, aos2] = ["read", "read_as_aos2"].map(|form| report[form]["messages_per_second"].as_f64());
        aos2.zip(plain).is_some_and(|(aos2, plain)| 2.0 * aos2 >= plain)
    };
    let again = || serde_json::from_str(&bench(&[&few[..], &lag].concat()).stdout).unwrap();
    assert!(is_as_quick(&report) || (0..5).any(|_| is_as_quick(&again())), "{report}");

    let index = &report["projections"][0];
    assert_eq!(index["name"], "index", "{report}");
    assert!(index["caught_up_after_seconds"].is_number(), "{report}");

    assert_eq!(bench(&["--check-only"]).code, Some(0));
    let acks = folder.path().join("acks.txt");
    let mut lines = fs::read_to_string(&acks).unwrap();
    let (process, _) = lines.lines().next().unwrap().split_once(' ').unwrap();
    lines += &format!("{process} BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBA\n");
    fs::write(&acks, lines).unwrap();
    let missing = bench(&["--check-only"]);
    assert_eq!(missing.code, Some(1), "{}{}", missing.stdout, missing.stderr);
}
