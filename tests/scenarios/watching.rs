//! The commands that go on telling how a node is: `quipu top` and `quipu status --watch`.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::thread;

use quipu_tests::{Gateway, Launch, PATIENCE, ToldServer, User, free_port, quipu, until};

use crate::folder;

fn has<'a>(texts: &'a [&'a str]) -> impl Fn(&str) -> Option<()> + 'a {
    move |said| texts.iter().all(|text| said.contains(text)).then_some(())
}

#[tokio::test]
async fn top_prints_a_look_for_a_script_and_changes_nothing() {
    let (folder, gateway) = (folder(), Gateway::start());
    let node = Launch::su(folder.path()).gateway(gateway.url()).start();
    let process = User::new(1).process();
    node.client().schedule(&process).await;
    let admin = node.admin_url();
    let words = ["top", "-b", "-n", "2", "--delay", "1", "--admin", &admin];
    let done = Launch::command(folder.path(), &words).run();
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    let id = process.id.to_string();
    for told in [": leader, term 1", "PROJECTION", "index", "BUSY PROCESS", &id, "HAPPENED", "started"] {
        assert_eq!(done.stdout.matches(told).count() / 2, 1, "{told} is not said twice: {}", done.stdout);
    }
    assert!(!done.stdout.contains('\u{1b}'), "it draws, though nobody sees it: {}", done.stdout);
    assert_eq!(node.admin().get("/jobs").await.text(), "[]");

    // Off a terminal it prints lines until it is ended, and says when nobody answers.
    let mut program = Launch::command(folder.path(), &["top", "--delay", "1", "--admin", &admin]).program();
    program.stdout().find(PATIENCE, has(&["PROJECTION"])).expect("it looks");
    node.kill();
    program.stdout().find(PATIENCE, has(&["no answer: "])).expect("it says that there is no answer");
    program.kill();
    let refused = Launch::command(folder.path(), &words).run();
    assert_eq!(refused.code, Some(3), "{}", refused.stdout);
}

#[tokio::test]
async fn top_draws_on_a_terminal_and_puts_it_back() {
    let (folder, gateway) = (folder(), Gateway::start());
    let node = Launch::su(folder.path()).gateway(gateway.url()).start();
    for ending in ["printf q", "printf '\\003'", "kill $(cat number)"] {
        ended_top_puts_the_terminal_back(folder.path(), &node.admin_url(), ending);
    }
    // It ends while it waits for an answer that does not come, and not once it has given up.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let typed = drawn(folder.path(), &format!("--admin {url}"), &[("1049h", "printf q")]);
    assert!(!typed.contains("no answer"), "it ended after it gave up: {typed:?}");
    node.stop();
}

/// Holds that it draws, and that the terminal is as it was when it is ended by this command.
fn ended_top_puts_the_terminal_back(folder: &Path, admin: &str, ending: &str) {
    let typed = drawn(folder, &format!("--admin {admin}"), &[("PROJECTION", ending)]);
    for told in ["\u{1b}[?1049h", "PROJECTION", "\u{1b}[?1049l"] {
        assert!(typed.contains(told), "{ending}: {told:?} is missing: {typed:?}");
    }
    // What puts the terminal back ends no line.
    let last = |line: &'_ str| line.rsplit("\u{1b}[?1049l").next().unwrap_or_default().to_owned();
    let modes: Vec<_> = typed.lines().filter(|line| line.split(':').count() > 10).map(last).collect();
    assert!(modes.len() == 2 && modes[0] == modes[1], "{ending}: the terminal is not as it was: {modes:?}");
}

/// What `quipu top` draws on a terminal of 24 lines: once it has drawn the first of each pair the second is done, which ends it
/// in the end.
fn drawn(folder: &Path, words: &str, steps: &[(&str, &str)]) -> String {
    // `script` gives a command a terminal of its own, and ends with it once nothing more is typed.
    let top = format!(r#"sh -c "echo \$\$ > number; exec {} top {words}""#, quipu().display());
    let until = |text: &str| format!("while ! grep -q '{text}' typed; do sleep 0.1; done");
    let steps = steps.iter().map(|(seen, done)| format!("{}; {done}; ", until(seen))).collect::<String>();
    let line = format!("stty rows 24 cols 120; stty -g; {top}; stty -g");
    let (typed, code) = scripted(folder, &format!("({steps}{}) | ", until("1049l")), &line);
    assert_eq!(code, Some(0), "{steps}: {typed}");
    typed
}

/// What a line shows on a terminal of its own, and the code that it ends with; it is typed what comes from this pipe.
fn scripted(folder: &Path, pipe: &str, line: &str) -> (String, Option<i32>) {
    let typed = folder.join("typed");
    std::fs::write(&typed, "").unwrap();
    let command = format!("{pipe}script -qefc '{line}' typed");
    let mut shell = std::process::Command::new("sh");
    let done = shell.args(["-c", &command]).current_dir(folder).stdin(std::process::Stdio::null()).output();
    (std::fs::read_to_string(typed).unwrap(), done.unwrap().status.code())
}

/// Answers so many questions with nothing much, and leaves all others without an answer. Its URL.
fn silent_after(answers: usize) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        let mut kept = Vec::new();
        for (number, stream) in listener.incoming().enumerate() {
            let mut stream = stream.unwrap();
            if number < answers {
                let mut head = [0; 4096];
                let _ = stream.read(&mut head).unwrap();
                stream
                    .write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\n{}")
                    .unwrap();
            } else {
                kept.push(stream);
            }
        }
    });
    url
}

#[test]
fn top_says_on_a_terminal_that_nothing_comes_and_keeps_what_was_told() {
    let folder = folder();
    // All that one look asks for, and no more.
    let url = silent_after(6);
    let typed = drawn(
        folder.path(),
        &format!("--delay 1 --admin {url}"),
        &[("counted", ":"), ("before", "printf q")],
    );
    assert!(typed.contains("answer") && typed.contains("below"), "{typed:?}");
    assert!(!typed.contains("reach"), "it gave up: {typed:?}");
}

#[tokio::test]
async fn top_ends_on_a_terminal_with_a_code_that_says_how_it_went() {
    let (folder, gateway) = (folder(), Gateway::start());
    let node = Launch::su(folder.path()).gateway(gateway.url()).start();
    let line = |admin: &str| format!("{} top -n 1 --admin {admin}", quipu().display());
    // Nothing is typed, and there is no end of that before it has ended.
    let open = "(while ! grep -q 1049l typed; do sleep 0.1; done) | ";
    let (shown, code) = scripted(folder.path(), open, &line(&node.admin_url()));
    assert_eq!(code, Some(0), "{shown}");
    let stays = shown.rsplit("\u{1b}[?1049l").next().unwrap_or_default();
    assert!(stays.contains("PROJECTION"), "what was seen last is gone: {shown:?}");
    let gone = node.admin_url();
    node.stop();
    let (shown, code) = scripted(folder.path(), open, &line(&gone));
    assert_eq!(code, Some(3), "{shown}");
}

#[tokio::test]
async fn top_says_what_a_small_terminal_has_no_room_for_and_scrolls_to_it() {
    let (folder, gateway) = (folder(), Gateway::start());
    let node = Launch::su(folder.path()).gateway(gateway.url()).start();
    // More than fits.
    for seed in 0..9 {
        node.client().schedule(&User::new(seed).process()).await;
    }
    let steps = [("below", "printf j"), ("above", "printf q")];
    let typed = drawn(folder.path(), &format!("--admin {}", node.admin_url()), &steps);
    assert!(typed.contains("status"), "{typed:?}");
    node.stop();
}

#[tokio::test]
async fn a_status_that_is_watched_tells_when_the_node_goes_and_comes_again() {
    let (folder, gateway) = (folder(), Gateway::start());
    let launch = Launch::su(folder.path())
        .gateway(gateway.url())
        .set("ADMIN_LISTEN", format!("127.0.0.1:{}", free_port()));
    let node = launch.start();
    let words = ["status", "--watch", "--admin", &node.admin_url()];
    let mut program = Launch::command(folder.path(), &words).program();
    program.stdout().find(PATIENCE, has(&["log        leader"])).expect("it tells how the node is");
    node.kill();
    program.stdout().find(PATIENCE, has(&["no answer: "])).expect("it says that there is no answer");
    let gone = program.stdout().text().len();
    let node = launch.start();
    until("it goes on when there is an answer again", async || {
        program.stdout().text().get(gone..)?.contains("log        leader").then_some(())
    })
    .await;
    assert!(program.ended().is_none(), "it watches");
    program.kill();
    node.stop();
}

#[test]
fn a_status_that_is_watched_says_that_nothing_comes() {
    let folder = folder();
    // What one look asks for, and no more.
    let words = ["status", "--watch", "--admin", &silent_after(2)];
    let mut program = Launch::command(folder.path(), &words).program();
    for said in
        ["act: it tells no checks", "told at 20", "no answer for 3.0 s: what is above was told before"]
    {
        program.stdout().find(PATIENCE, has(&[said])).unwrap_or_else(|| panic!("{said}"));
    }
    program.kill();
}

#[tokio::test]
async fn nothing_that_a_node_tells_is_an_order_for_a_terminal() {
    let (folder, node) = (folder(), ToldServer::start());
    let order = "\\u001b]0;owned\\u0007\\u009b2J\\u202e";
    let check = format!(r#"{{"name":"{order}","status":"warn","reason":"{order}"}}"#);
    let told = format!(
        r#"{{"error":"{order}","code":"{order}","role":"{order}","schedulers":[],"checks":[{check}],"projections":[{check}],
            "voters":[{{"node":"{order}","role":"{order}"}}],"node":"{order}","dead_letters":[],"{order}":"{order}"}}"#
    );
    let process = User::new(1).process().id;
    for status in [200, 400] {
        node.answer(status, &[("content-type", "application/json")], &told);
        for words in [
            "status",
            "status --all",
            "status --json",
            "members list",
            "projections",
            "top -b -n 1",
            "router list",
        ] {
            on_a_terminal(folder.path(), &format!("{words} --admin {}", node.url()), status);
        }
        on_a_terminal(folder.path(), &format!("read {process} --url {}", node.url()), status);
    }
}

/// Holds that what a command shows on a terminal of its own is text, and that it shows something.
fn on_a_terminal(folder: &Path, words: &str, status: u16) {
    let line = format!("{} {words}", quipu().display());
    let mut command = std::process::Command::new("script");
    // Its exit code is that of the command, which has found something wrong.
    let done = command
        .args(["-qefc", &line, "shown"])
        .current_dir(folder)
        .stdin(std::process::Stdio::null())
        .output();
    assert!(done.unwrap().status.code().is_some_and(|code| code < 4), "{words}");
    let shown = std::fs::read_to_string(folder.join("shown")).unwrap();
    // Both are lines of `script` itself.
    let shown: String = shown.lines().filter(|line| !line.starts_with("Script ")).collect();
    assert!(!shown.is_empty(), "{words}: nothing is shown");
    for order in ['\u{1b}', '\u{7}', '\u{9b}', '\u{202e}'] {
        assert!(!shown.contains(order), "{words}, {status}: {shown:?}");
    }
}

#[test]
fn who_tells_no_checks_is_not_called_well() {
    let (folder, listener) = (folder(), ToldServer::start());
    listener.answer(200, &[], "{}");
    let told = Launch::command(folder.path(), &["status", "--admin", &listener.url()]).run();
    assert_eq!(told.code, Some(2), "{}", told.stderr);
    assert!(told.stdout.starts_with("act: it tells no checks\n"), "{}", told.stdout);
}
