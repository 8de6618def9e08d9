//! The scenario that was recorded from the reference scheduler.

use std::process::Command;

use quipu_tests::{Gateway, Launch, Program, conformance};
use serde_json::Value;

use crate::folder;

#[test]
fn every_step_is_answered_as_recorded() {
    let (folder, gateway) = (folder(), Gateway::start());
    let node = Launch::su(folder.path())
        .gateway(gateway.url())
        .set("ENABLE_PROCESS_ASSIGNMENT", "true")
        .set("ENABLE_DEEP_HASH_CHECKS", "true")
        .start();
    let steps = std::fs::read(conformance().join("steps.json")).unwrap();
    let steps: Vec<Value> = serde_json::from_slice(&steps).unwrap();

    let mut play = Command::new("python3");
    play.arg(conformance().join("conform.py")).arg(node.url()).args(["--gateway", gateway.url(), "-v"]);
    let played = Program::run(play);
    let all = format!("{} passed, 0 failed", steps.len());
    let last = played.stdout.lines().last();
    assert_eq!((played.code, last), (Some(0), Some(all.as_str())), "{}{}", played.stdout, played.stderr);
}
