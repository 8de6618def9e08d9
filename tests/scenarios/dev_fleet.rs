//! `quipu dev --fleet`: what its banner says is typed.

use std::process::Command;

use quipu_tests::{Launch, PATIENCE, Program};

use crate::folder;

#[tokio::test]
async fn the_banner_of_a_fleet_is_typed() {
    let folder = folder();
    let home = folder.path();
    let dev = Launch::command(home, &["dev", "0", "--fleet"]).program();
    let told = |part: &str| dev.stdout().find(PATIENCE, |line| line.contains(part).then(|| line.to_owned()));
    assert!(told("Ctrl-C").is_some(), "{}{}", dev.stdout().text(), dev.stderr().text());
    let printed = dev.stdout().text();
    let lines = printed.lines().skip_while(|line| !line.contains("another shell")).skip(1);
    let commands: Vec<_> = lines.filter(|line| line.starts_with("    ")).collect();
    assert_eq!(commands.len(), 5, "{printed}");
    let script = commands.iter().fold("set -e".to_owned(), |script, line| format!("{script}\n{line}"));
    let mut typed = Command::new("sh");
    typed.args(["-c", &script]).current_dir(home).env_clear().env("PATH", "/usr/bin:/bin");
    let typed = Program::run(typed);
    assert_eq!(typed.code, Some(0), "{script}\n{}{}", typed.stdout, typed.stderr);
    assert!(typed.stderr.contains("nonce 1 at"), "{}", typed.stderr);
    for part in ["standby", "to http://"] {
        assert!(typed.stdout.contains(part), "{part} is not in {}", typed.stdout);
    }
    // The last line says where the process is: at one of the nodes of the banner.
    let at = typed.stdout.trim().lines().last().unwrap();
    assert!(told("nodes").unwrap().contains(at), "{at} in {printed}");
    dev.terminate();
    assert_eq!(dev.finish().code, Some(0));
}
