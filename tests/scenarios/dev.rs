//! The development node, used as somebody with a shell would use it.

use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

use quipu_tests::{Finished, Launch, PATIENCE, Program, free_port, until};
use serde_json::Value;

use crate::folder;

/// What the banner says.
struct Banner {
    scheduler: String,
    admin: String,
    gateway: String,
}

#[tokio::test]
async fn a_shell_user_gets_along() {
    let folder = folder();
    let home = folder.path();
    let dev = Launch::command(home, &["dev", "0"]).program();
    let banner = Banner::read(&dev);
    let wallet = home.join("quipu-dev/user-wallet.json");
    assert!(wallet.is_file() && home.join("quipu-dev/wallet.json").is_file(), "{}", dev.stdout().text());

    // As the banner has it, whether the program is on the search path or not.
    assert!(dev.stdout().find(PATIENCE, |line| line.contains("Ctrl-C").then_some(())).is_some());
    let printed = dev.stdout().text();
    let lines: Vec<_> = printed.lines().skip_while(|line| !line.contains("another shell")).skip(1).collect();
    let commands: Vec<_> =
        lines.iter().filter(|line| line.starts_with("    ") && !line.contains("--follow")).collect();
    assert_eq!(commands.len(), 3, "{printed}");
    let mut typed = Command::new("sh");
    let script = commands.into_iter().fold("set -e".to_owned(), |script, line| format!("{script}\n{line}"));
    typed.args(["-c", &script]).current_dir(home).env_clear().env("PATH", "/usr/bin:/bin");
    let typed = Program::run(typed);
    // The last one says how the node is: how much room there is on this machine may need a look.
    assert!(matches!(typed.code, Some(0 | 1)) && typed.stderr.contains("nonce 1 at"), "{typed:?}");
    assert!(typed.stdout.contains("\nlog        leader, "), "{script}: {typed:?}");

    // The wallet is found where the node has put it.
    let user = said(shell(home, &["wallet", "address"]));
    assert_eq!(user.len(), 43, "{user}");
    let at = ["--url", banner.scheduler.as_str()];
    let process = said(shell(home, &[&["spawn", "--tag", "Name=first"][..], &at].concat()));
    let named = ["--wallet", wallet.to_str().unwrap()];
    let message = said(shell(
        home,
        &[&["send", &process, "--action", "Eval", "--data", "1 + 1"][..], &at, &named].concat(),
    ));
    let second = shell(home, &[&["send", &process, "--data", "two", "--json"][..], &at].concat());
    let second: Value = serde_json::from_str(&said(second)).unwrap();
    assert_eq!(second["nonce"], 2, "{second}");

    let read = said(shell(home, &[&["read", &process][..], &at].concat()));
    let lines: Vec<_> = read.lines().collect();
    assert_eq!(lines.len(), 3, "{read}");
    for (line, parts) in
        lines.iter().zip([[&process, "Process"], [&message, "Eval"], [second["id"].as_str().unwrap(), "two"]])
    {
        assert!(parts.iter().all(|part| line.contains(part)) && line.contains(&user), "{parts:?} in {line}");
    }
    let target = format!("{process}/{message}");
    assert_eq!(said(shell(home, &[&["read", &target, "--raw"][..], &at].concat())), "1 + 1");

    assert_status(home, &banner.admin);

    // What was scheduled is uploaded to the gateway beside the node, which tells it like Arweave's would.
    let raw = quipu_tests::Client::new(&banner.gateway);
    until("the message is at the gateway", async || {
        let answer = raw.get(&format!("/raw/{message}")).await;
        (answer.status == 200 && answer.text() == "1 + 1").then_some(())
    })
    .await;
    dev.terminate();
    assert_eq!(dev.finish().code, Some(0));

    // Started again, it is all there, and no wallet is made.
    let dev = Launch::command(home, &["dev", "0"]).program();
    let banner = Banner::read(&dev);
    assert!(!dev.stdout().text().contains("making"), "{}", dev.stdout().text());
    assert_eq!(said(shell(home, &["read", &process, "--url", &banner.scheduler])), read);
}

/// All three ports are taken when another one runs; the first is the one that was asked for.
#[test]
fn a_port_in_use_is_told_before_anything_is_made() {
    let folder = folder();
    // Ports that the system gives to nobody else, once one of them is free again.
    let bind = |port: u16| TcpListener::bind(("127.0.0.1", port)).ok();
    let (taken, port) = loop {
        let port = free_port();
        if let Some(taken) = bind(port).zip(bind(port + 2)) {
            break (taken, port);
        }
    };
    let refused = shell(folder.path(), &["dev", &port.to_string()]);
    assert_eq!(refused.code, Some(1), "{}", refused.stderr);
    assert!(refused.stderr.contains(&format!("cannot listen on 127.0.0.1:{port};")), "{}", refused.stderr);
    let (first, _third) = taken;
    drop(first);
    let refused = shell(folder.path(), &["dev", &port.to_string()]);
    assert!(refused.stderr.contains(&format!("127.0.0.1:{}", port + 2)), "{}", refused.stderr);
    assert_eq!((refused.stdout.as_str(), folder.path().join("quipu-dev").exists()), ("", false));
}

/// Whether `quipu status` says in its first line and with its exit code how the node is, and all of it when it is asked to.
fn assert_status(home: &Path, admin: &str) {
    let status = |more: &[&str]| shell(home, &[&["status", "--admin", admin], more].concat());
    let told = status(&[]);
    let words = [("well: every check is ok\n", 0), ("look: ", 1)];
    let fits = |(word, code): &(&str, i32)| told.stdout.starts_with(word) && told.code == Some(*code);
    assert!(words.iter().any(fits), "{told:?}");
    assert!(told.stdout.contains("\nlog        leader, 6 events, term 1, "), "{}", told.stdout);
    assert_eq!(status(&["--serving"]).code, Some(0));
    let all = status(&["--all"]).stdout;
    assert!(all.contains("last event") && all.contains("index"), "{all}");
    let json: Value = serde_json::from_str(&status(&["--json"]).stdout).unwrap();
    assert_eq!((&json["tail"], &json["log_failure"]), (&5.into(), &Value::Null), "{json}");
}

#[test]
fn what_goes_wrong_is_told_in_one_line() {
    let folder = folder();
    let nobody = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    let node = Launch::su(folder.path()).serve();
    let url = node.url();
    for (words, code) in [
        (&["spawn", "--url", &url][..], 1),
        (&["read", nobody, "--url", &url], 1),
        (&["read", nobody, "--url", "http://127.0.0.1:1"], 1),
        (&["status", "--admin", "http://127.0.0.1:1"], 3),
        (&["status", "--serving", "--admin", "http://127.0.0.1:1"], 1),
        (&["verify", "nowhere"], 2),
    ] {
        let failed = shell(folder.path(), words);
        assert_eq!(failed.code, Some(code), "{words:?}: {}", failed.stderr);
        assert!(
            failed.stderr.starts_with("quipu: ") && failed.stderr.lines().count() == 1,
            "{}",
            failed.stderr
        );
    }
}

impl Banner {
    fn read(dev: &Program) -> Self {
        let url = |name: &str| {
            let found = dev.stdout().find(PATIENCE, |line| {
                let words: Vec<_> = line.split_whitespace().collect();
                let at = words.iter().position(|word| word.trim_end_matches(':') == name)?;
                words.get(at + 1).filter(|word| word.starts_with("http://")).map(|word| (*word).to_owned())
            });
            found.unwrap_or_else(|| panic!("no {name}: {}{}", dev.stdout().text(), dev.stderr().text()))
        };
        Self { scheduler: url("scheduler"), admin: url("admin"), gateway: url("gateway") }
    }
}

fn shell(home: &Path, words: &[&str]) -> Finished {
    Launch::command(home, words).run()
}

/// What a command that went well wrote.
fn said(finished: Finished) -> String {
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    finished.stdout.trim().to_owned()
}
