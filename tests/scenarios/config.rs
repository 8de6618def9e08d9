//! `quipu config` and the names that the binary of the existing scheduler went by.

use std::fs;
use std::process::Command;

use quipu_tests::{Launch, Program, quipu, wallet_file};

use crate::folder;

#[test]
fn a_file_of_settings_is_checked_as_a_node_would_read_it() {
    let folder = folder();
    let file = folder.path().join("node.env");
    fs::write(folder.path().join(".env"), "MAX_READ_MEMORY=0\n").unwrap();
    let wallet = wallet_file().display().to_string();
    fs::write(&file, format!("SU_WALLET_PATH={wallet}\nENABLE_METRICS=true\nUSE_DISK=true\nUI=admin$NOTHING\nCACHE_URL='http://a/$b'\n")).unwrap();
    let check = |words: &[&str]| Launch::command(folder.path(), &[&["config", "check"], words].concat());
    // The file beside it is not read where another one is named.
    let well = check(&["--env", "node.env", "su", "9000"]).set("ADMIN_TOKEN", "guess-me").run();
    assert_eq!((well.code, well.stderr.as_str()), (Some(0), ""), "{}", well.stdout);
    for part in [
        format!("SU_WALLET_PATH={wallet}  [node.env]"),
        "ENABLE_METRICS=true  [node.env]".to_owned(),
        "ADMIN_TOKEN=(not shown)  [environment]".to_owned(),
        "USE_DISK=true  [node.env]\n    has no effect here".to_owned(),
        "UI=admin  [node.env]".to_owned(),
        "CACHE_URL=http://a/$b  [node.env]".to_owned(),
    ] {
        assert!(well.stdout.contains(&part), "no {part:?} in {}", well.stdout);
    }
    assert_eq!(well.stdout.matches("The $ in its line").count(), 1, "{}", well.stdout);
    assert!(!well.stdout.contains("guess-me") && !well.stdout.contains("MAX_READ_MEMORY"), "{}", well.stdout);

    let wrong = check(&[]).set("GATEWAY_URL", "nonsense").set("ENABLE_METRICS", "maybe").run();
    assert_eq!(wrong.code, Some(2), "{}", wrong.stdout);
    for part in [
        "MAX_READ_MEMORY=0  [.env]",
        "SU_WALLET_PATH is not set",
        "MAX_READ_MEMORY is 0",
        "GATEWAY_URL",
        "ENABLE_METRICS: ",
    ] {
        assert!(wrong.stdout.contains(part), "no {part:?} in {}", wrong.stdout);
    }
    let found = wrong.stdout.split("It would not start:\n").nth(1).unwrap();
    assert_eq!(found.lines().count(), 4, "{}", wrong.stdout);
    assert_eq!(wrong.stderr, "quipu: a node would not start with these settings");
    // Nor does any help show what a variable is set to.
    let help = Launch::command(folder.path(), &["su", "--help"])
        .set("GATEWAY_URL", "https://user:guess-me@a.example");
    let help = help.run();
    assert!(help.stdout.contains("GATEWAY_URL") && !help.stdout.contains("guess-me"), "{}", help.stdout);
    let printed = Launch::command(folder.path(), &["config", "print", "--json"]).run();
    assert_eq!(printed.code, Some(0), "{}", printed.stderr);
    let absent = check(&["--env", "absent.env"]).run();
    assert_eq!(absent.code, Some(2), "{}", absent.stdout);
    assert!(absent.stderr.contains("absent.env"), "{}", absent.stderr);
    // Nothing is made by asking.
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
}

/// As deployments keep them: with quotes, `export`, comments, empty values, and the ends of lines of other systems.
#[test]
fn files_of_settings_are_read_as_the_existing_scheduler_reads_them() {
    let folder = folder();
    let wallet = wallet_file().display().to_string();
    let lines = [
        "\u{feff}# of the scheduler",
        &format!("export SU_WALLET_PATH=\"{wallet}\" # a wallet"),
        "",
        "   ENABLE_METRICS = true  ",
        "CACHE_URL='https://cache.example/a' # $b",
        "UPLOAD_NODE_URL=https://up.example # not https://old.example",
        "DATABASE_URL=",
        "ADMIN_TOKEN=\"two words\"",
    ];
    let check = |more: &[&str]| {
        fs::write(folder.path().join("its.env"), [&lines[..], more].concat().join("\r\n")).unwrap();
        Launch::command(folder.path(), &["config", "check", "--env", "its.env", "su"]).run()
    };
    let well = check(&[]);
    assert_eq!((well.code, well.stderr.as_str()), (Some(0), ""), "{}", well.stdout);
    for part in [
        &format!("SU_WALLET_PATH={wallet}  [its.env]"),
        "ENABLE_METRICS=true  [its.env]",
        "CACHE_URL=https://cache.example/a  [its.env]",
        "UPLOAD_NODE_URL=https://up.example  [its.env]",
        "ADMIN_TOKEN=(not shown)  [its.env]",
    ] {
        assert!(well.stdout.contains(part), "no {part:?} in {}", well.stdout);
    }
    // Which line is wrong is said, and not what is in it.
    for wrong in ["ADMIN_TOKEN=guess me", "ADMIN_TOKEN: guess-me", "ADMIN_TOKEN=\"guess-me"] {
        let told = check(&[wrong]);
        assert_eq!(told.code, Some(2), "{wrong}: {}", told.stdout);
        assert!(
            told.stderr.contains("its.env cannot be read: line 9 breaks off"),
            "{wrong}: {}",
            told.stderr
        );
        assert!(!told.stderr.contains("guess"), "{}", told.stderr);
    }
}

/// What would not start is what is named: both are of one mind.
#[test]
fn what_is_checked_is_what_a_start_refuses() {
    for (name, value) in [("ADMIN_LISTEN", "0.0.0.0:0"), ("RUST_LOG", "a=b=c"), ("IP_WHITELIST_URL", " x")] {
        let folder = folder();
        let started = Launch::su(folder.path()).set(name, value).run();
        let wallet = wallet_file();
        let check = Launch::command(folder.path(), &["config", "check"]).set("SU_WALLET_PATH", wallet);
        let checked = check.set(name, value).run();
        assert_eq!(
            (started.code, checked.code),
            (Some(2), Some(2)),
            "{name}: {} {}",
            started.stderr,
            checked.stdout
        );
        assert!(started.stderr.contains(name) && checked.stdout.contains(name), "{name}");
    }
}

#[test]
fn the_binary_may_have_the_names_of_the_existing_one() {
    let folder = folder();
    for name in ["su", "cli"] {
        let link = folder.path().join(name);
        std::os::unix::fs::symlink(quipu(), &link).unwrap();
        let run = |words: &[&str]| {
            let mut command = Command::new(&link);
            command.args(words).current_dir(folder.path()).env_clear();
            Program::run(command)
        };
        // It begins, and misses what a scheduler unit must have.
        let refused = run(&["su", "9000"]);
        assert_eq!(refused.code, Some(2), "{}", refused.stderr);
        assert!(refused.stderr.contains("SU_WALLET_PATH"), "{}", refused.stderr);
        assert_eq!(run(&["sync_local_drives", "--help"]).code, Some(0));
    }
}

/// As `sudo -u quipu quipu …` in the home of another user.
#[test]
fn a_folder_that_hides_what_is_in_it_has_no_settings() {
    const HIDDEN: &str = r#"
        chmod 700 .
        exec 3<"$0"
        if [ "$(id -u)" = 0 ]; then
            exec setpriv --reuid=65534 --regid=65534 --clear-groups /proc/self/fd/3 "$@"
        fi
        chmod 0 .; /proc/self/fd/3 "$@"; code=$?; chmod 700 .; exit $code"#;
    let folder = folder();
    let hidden =
        Launch::command(folder.path(), &["completions", "bash"]).through(&["sh", "-c", HIDDEN]).run();
    assert_eq!(hidden.code, Some(0), "{}", hidden.stderr);
    assert!(hidden.stdout.contains("_quipu"), "{}", hidden.stdout);
}
