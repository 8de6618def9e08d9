//! The binary itself: exit codes, standard error, broken pipes.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::io;
use std::process::{Command, Output, Stdio};

fn quipu(words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_quipu"));
    command.args(words).env_remove("QUIPU_WALLET").env_remove("QUIPU_URL").env_remove("QUIPU_ADMIN_URL");
    command
}

fn stderr(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).unwrap()
}

#[test]
fn exit_codes_are_as_documented() {
    let nowhere = "http://127.0.0.1:1";
    let folder = tempfile::tempdir().unwrap();
    for (words, code) in [
        (["--version"].as_slice(), 0),
        (&["bench", "--help"], 0),
        (&["completions", "bash"], 0),
        (&["nonsense"], 2),
        (&["spawn", "--module", "short"], 2),
        (&["spawn"], 1),
        (&["status", "--admin", nowhere], 3),
        (&["read", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "--url", nowhere], 1),
        (&["bench", "--url", nowhere], 1),
        (&["wallet", "address", "absent.json"], 1),
        (&["su", "--su-wallet-path", "absent.json"], 2),
        (&["status", "--admin", "nonsense"], 2),
    ] {
        let output = quipu(words).current_dir(folder.path()).output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{words:?}: {}", stderr(&output));
        if words.contains(&"--admin") || code == 1 {
            assert_eq!(stderr(&output).lines().count(), 1, "{words:?}: {}", stderr(&output));
            assert!(stderr(&output).starts_with("quipu: ") && output.stdout.is_empty(), "{words:?}");
        }
    }
}

#[test]
fn without_a_wallet_the_user_is_told_how_to_make_one() {
    let folder = tempfile::tempdir().unwrap();
    let output = quipu(&["spawn"]).current_dir(folder.path()).output().unwrap();
    assert!(stderr(&output).contains("quipu wallet new"), "{}", stderr(&output));
}

#[test]
fn unreachable_nodes_are_named_with_the_cause() {
    let output = quipu(&["status", "--admin", "http://127.0.0.1:1"]).output().unwrap();
    let told = stderr(&output);
    assert_eq!(told, "quipu: cannot reach http://127.0.0.1:1: Connection refused (os error 111)\n");
}

#[test]
fn a_reader_that_goes_away_ends_it_quietly() {
    let (reader, writer) = io::pipe().unwrap();
    drop(reader);
    let child = quipu(&["completions", "zsh"]).stdout(writer).stderr(Stdio::piped()).spawn().unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), stderr(&output)), (Some(0), ""));
}
