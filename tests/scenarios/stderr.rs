//! A standard error that takes nothing: a node goes on without it, and ends as it is told to.

use std::fs::{self, OpenOptions};
use std::io::{self, BufRead, BufReader, ErrorKind, PipeReader, PipeWriter, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::thread;
use std::time::{Duration, Instant};

use quipu_tests::{Launch, PATIENCE, Program};

use crate::folder;

/// Of Linux.
const O_NONBLOCK: i32 = 0o4000;

/// A node that serves, and says so into a pipe of which the rest is not read.
fn node_with_pipe(launch: &Launch) -> (Program, BufReader<PipeReader>, PipeWriter) {
    let (reader, writer) = io::pipe().unwrap();
    let node = launch.program_with_stderr(writer.try_clone().unwrap());
    let mut reader = BufReader::with_capacity(1, reader);
    let mut line = String::new();
    while !line.contains("\"public\":") {
        line.clear();
        assert!(reader.read_line(&mut line).unwrap() > 0, "the node does not start");
    }
    (node, reader, writer)
}

/// Fills a pipe, without a change to how others write to it.
fn fill(pipe: &PipeWriter) {
    let path = format!("/proc/self/fd/{}", pipe.as_raw_fd());
    let mut pipe = OpenOptions::new().write(true).custom_flags(O_NONBLOCK).open(path).unwrap();
    for piece in [4096, 1] {
        let full = loop {
            if let Err(error) = pipe.write(&vec![b'x'; piece]) {
                break error;
            }
        };
        assert_eq!(full.kind(), ErrorKind::WouldBlock);
    }
}

#[test]
fn a_log_that_nobody_reads_does_not_end_a_node() {
    let folder = folder();
    let (node, reader, _writer) = node_with_pipe(&Launch::su(folder.path()));
    drop(reader);
    node.terminate();
    assert_eq!(node.finish().code, Some(0));
}

#[test]
fn a_log_on_a_full_disk_does_not_end_a_node() {
    let folder = folder();
    let launch = Launch::su(folder.path());
    let node = launch.program_with_stderr(OpenOptions::new().write(true).open("/dev/full").unwrap());
    let deadline = Instant::now() + PATIENCE;
    let token = launch.data().join("admin-token");
    while fs::metadata(&token).is_err() {
        assert!(Instant::now() < deadline, "the node does not start");
        thread::sleep(Duration::from_millis(5));
    }
    node.terminate();
    assert_eq!(node.finish().code, Some(0));
    // Nor does it change what a program that fails returns.
    let to_nowhere = ["sh", "-c", "exec \"$0\" \"$@\" 2>/dev/full"];
    let wrong = launch.clone().set("MAX_CLIENT_MEMORY", "1").through(&to_nowhere);
    assert_eq!(wrong.run().code, Some(2));
    let unheard = ["projections", "--admin", "http://127.0.0.1:1"];
    let unheard = Launch::command(folder.path(), &unheard).through(&to_nowhere);
    assert_eq!(unheard.run().code, Some(1));
}

#[test]
fn a_node_whose_log_is_a_full_pipe_ends_as_it_is_told() {
    let folder = folder();
    let launch = Launch::su(folder.path());
    let (node, _reader, writer) = node_with_pipe(&launch);
    fill(&writer);
    node.terminate();
    assert_eq!(node.finish().code, Some(0));
}

/// What a node waits for does not matter here; that it ends without having written does.
#[test]
fn a_second_signal_ends_a_node_whose_log_is_a_full_pipe() {
    let folder = folder();
    let launch = Launch::su(folder.path());
    let (mut node, _reader, writer) = node_with_pipe(&launch);
    fill(&writer);
    let deadline = Instant::now() + PATIENCE;
    let status = loop {
        node.terminate();
        if let Some(status) = node.ended() {
            break status;
        }
        assert!(Instant::now() < deadline, "the node does not end");
        thread::sleep(Duration::from_millis(5));
    };
    assert!(matches!(status.code(), Some(0 | 130)), "{status}");
}

#[test]
fn output_that_nobody_takes_is_told() {
    let folder = folder();
    for words in [&["completions", "bash"][..], &["completions", "zsh"]] {
        let launch = Launch::command(folder.path(), words);
        let full = launch.clone().through(&["sh", "-c", "exec \"$0\" \"$@\" >/dev/full"]).run();
        assert_eq!(full.code, Some(1), "{}", full.stderr);
        assert!(full.stderr.contains("cannot write to standard output"), "{}", full.stderr);
        let script = "set -o pipefail; \"$0\" \"$@\" | head -c 1 >&2";
        let gone = launch.through(&["bash", "-c", script]).run();
        assert_eq!(gone.code, Some(0), "{}", gone.stderr);
    }
}
