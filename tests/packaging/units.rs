//! The units for systemd, and what `make install` installs.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use quipu_tests::{Finished, Launch, Program, quipu, wallet_file, workspace};
use serde_json::Value;

use crate::{folder, read, run};

/// How open a unit may be, in tenths of what systemd-analyze says: below 3.
const EXPOSURE: &str = "--threshold=29";

fn units() -> Vec<PathBuf> {
    let found = fs::read_dir(workspace().join("packaging/systemd")).unwrap();
    let mut found: Vec<_> = found.map(|unit| unit.unwrap().path()).collect();
    found.sort();
    assert!(found.len() > 1, "{found:?}");
    found
}

#[test]
fn systemd_takes_the_units_and_finds_them_closed() {
    for unit in units() {
        let (folder, name) = (folder(), unit.file_name().unwrap().to_str().unwrap());
        // It looks whether the program is there.
        let here = fs::read_to_string(&unit).unwrap().replace("/usr/bin/quipu", quipu().to_str().unwrap());
        fs::write(folder.path().join(name), here).unwrap();
        let verified = run(folder.path(), &["systemd-analyze", "verify", "--man=no", name]);
        let said = verified.stderr.lines().filter(|line| line.contains(name)).collect::<Vec<_>>();
        assert!(said.is_empty(), "{said:?}");
        run(folder.path(), &["systemd-analyze", "security", "--offline=true", EXPOSURE, name]);
    }
}

#[test]
fn everything_is_installed_and_no_setting_is_written_over() {
    let folder = folder();
    let install = |binary: PathBuf| {
        let mut command = std::process::Command::new("sh");
        command.arg("packaging/install").arg(binary).current_dir(workspace());
        command.env("DESTDIR", folder.path()).env("PREFIX", "/opt/quipu");
        let finished = Program::run(command);
        assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    };
    install(quipu());
    for file in [
        "opt/quipu/bin/quipu",
        "opt/quipu/share/man/man1/quipu-su.1.gz",
        "opt/quipu/share/bash-completion/completions/quipu",
        "opt/quipu/share/doc/quipu/observability/alerts.yml",
        "opt/quipu/lib/sysusers.d/quipu.conf",
    ] {
        assert!(folder.path().join(file).is_file(), "{file} is not installed");
    }
    assert!(folder.path().join("opt/quipu/share/doc/quipu").join("runbook.md").is_file());
    let unit = fs::read_to_string(folder.path().join("opt/quipu/lib/systemd/system/quipu.service")).unwrap();
    assert!(unit.contains("ExecStart=/opt/quipu/bin/quipu su"), "{unit}");
    let settings = folder.path().join("etc/quipu/quipu.env");
    fs::write(&settings, "MINE=1\n").unwrap();
    install(quipu());
    assert_eq!(fs::read_to_string(&settings).unwrap(), "MINE=1\n");
}

/// The settings that a command has.
fn settings_of(command: &str) -> BTreeSet<String> {
    let folder = folder();
    let printed = Launch::command(folder.path(), &["config", "print", "--json", command]).run();
    let printed: Value = serde_json::from_str(&printed.stdout).expect("it is JSON");
    let names = printed["settings"].as_array().unwrap().iter();
    names.map(|setting| setting["name"].as_str().unwrap().to_owned()).collect()
}

/// A node would start with each file, and each line that is commented out is a setting as well.
#[test]
fn the_files_of_settings_are_right() {
    let mut checked = 0;
    for unit in units() {
        let text = fs::read_to_string(&unit).unwrap();
        let value = |key: &'static str| {
            text.lines()
                .find_map(move |line| line.strip_prefix(key))
                .unwrap_or_else(|| panic!("no {key} in {unit:?}"))
        };
        let command = value("ExecStart=/usr/bin/quipu ").split(' ').next().unwrap();
        let file = value("EnvironmentFile=-/etc/quipu/");
        let path = workspace().join("packaging/env").join(file);
        let (folder, known) = (folder(), settings_of(command));
        let check =
            Launch::command(folder.path(), &["config", "check", "--env", path.to_str().unwrap(), command]);
        // These are the unit's to give.
        fs::write(folder.path().join("token"), "token").unwrap();
        let check = check.set("SU_WALLET_PATH", wallet_file()).set("REPLICATE_TOKEN_FILE", "token").run();
        assert_eq!(check.code, Some(0), "{file}: {}", check.stdout);
        let text = fs::read_to_string(path).unwrap();
        let lines = text.lines().map(|line| line.trim_start_matches('#'));
        let names = lines.filter_map(|line| Some(line.split_once('=')?.0)).filter(|name| !name.contains(' '));
        let unknown: Vec<_> = names.filter(|name| !known.contains(*name)).collect();
        assert!(unknown.is_empty(), "{file}: no settings of {command}: {unknown:?}");
        let given = text_words(&value("Environment=").replace('%', ""));
        let unknown: Vec<_> = given.iter().filter(|name| !known.contains(*name)).collect();
        assert!(unknown.is_empty(), "{unit:?}: no settings of {command}: {unknown:?}");
        checked += 1;
    }
    assert_eq!(
        checked,
        fs::read_dir(workspace().join("packaging/env")).unwrap().count(),
        "a file is of no unit"
    );
}

/// A file of settings with what it says about a pair, and how it says that it is checked.
fn checked_as_told(file: &str) -> Finished {
    let (folder, text) = (folder(), read(&format!("packaging/env/{file}")));
    let mut is_of_pair = false;
    let lines = text.lines().map(|line| {
        is_of_pair = (is_of_pair || line.starts_with("# One of a pair")) && line.starts_with('#');
        let setting =
            line.strip_prefix('#').filter(|line| line.starts_with(|first: char| first.is_uppercase()));
        setting.filter(|_| is_of_pair).unwrap_or(line)
    });
    let lines = lines.collect::<Vec<_>>().join("\n");
    let told =
        text.lines().find_map(|line| line.strip_prefix("#   sudo ")).expect("it says how it is checked");
    let here = folder.path().display().to_string();
    fs::write(folder.path().join(file), lines).unwrap();
    fs::copy(wallet_file(), folder.path().join("wallet.json")).unwrap();
    fs::write(folder.path().join("leader-token"), "SECRET").unwrap();
    let mut command = std::process::Command::new("sh");
    command.args(["-c", &told.replace("/etc/quipu", &here)]).current_dir(folder.path()).env_clear();
    command.env("PATH", format!("{}:/usr/bin:/bin", quipu().parent().unwrap().display()));
    Program::run(command)
}

#[test]
fn each_file_of_settings_is_checked_as_it_says_also_for_a_pair() {
    for (file, of_pair) in [
        (
            "quipu.env",
            &["REPLICATION_ACKS=1", "MEMBER_URL=http://10.0.0.5:9001", "ADMIN_TOKEN=(not shown)"][..],
        ),
        ("standby.env", &["REPLICATION_VOTER=true", "MEMBER_URL=http://10.0.0.6:9001", "10.0.0.5:9001"]),
        ("router.env", &["ROUTER_MODE=auto"]),
    ] {
        let checked = checked_as_told(file);
        assert_eq!(checked.code, Some(0), "{file}: {}{}", checked.stdout, checked.stderr);
        for part in of_pair {
            assert!(checked.stdout.contains(part), "{file}: no {part} in {}", checked.stdout);
        }
    }
}

/// The names in a line of NAME=value pairs.
fn text_words(line: &str) -> Vec<String> {
    line.split(' ').filter_map(|pair| Some(pair.split_once('=')?.0.to_owned())).collect()
}

/// Of a node and a router that run together the router publishes where clients find them, and signs with the node's wallet.
#[test]
fn the_router_of_the_services_can_publish_where_it_is() {
    let text = read("packaging/compose.yml");
    let router = text.split("\n\n").find(|service| service.starts_with("  router:")).expect("there is one");
    for line in [
        "LOCATION_URL: ",
        "SU_WALLET_PATH: /app/.wallet.json",
        "UPLOAD_NODE_URL: ",
        "./wallet.json:/app/.wallet.json:ro",
    ] {
        assert!(router.contains(line), "no {line} in\n{router}");
    }
    let node = text.split("\n\n").find(|service| service.contains("  node:")).expect("there is one");
    assert!(node.contains("ROUTER_URL: http://router:9000"), "both would publish:\n{node}");
}

#[test]
fn the_services_together_are_given_settings_that_there_are() {
    let text = read("packaging/compose.yml");
    let services = text.split("\n  ").collect::<Vec<_>>().join("\n  ");
    let mut seen = 0;
    for service in services.split("\n\n").filter(|service| service.contains("image: quipu\n")) {
        let command =
            service.split("command: [\"/app/su\", \"").nth(1).and_then(|rest| rest.split('"').next());
        let command = command.expect("each says what it runs");
        let known = settings_of(command);
        let environment = service.split("    environment:\n").nth(1).unwrap_or_default();
        let lines = environment.lines().take_while(|line| line.starts_with("      "));
        let names = lines
            .map(str::trim)
            .filter(|line| !line.starts_with('#'))
            .filter_map(|line| line.split(':').next());
        let unknown: Vec<_> = names.filter(|name| !known.contains(*name)).collect();
        assert!(unknown.is_empty(), "no settings of {command}: {unknown:?}");
        seen += 1;
    }
    assert_eq!(seen, 3, "a node, a standby and a router run there");
    let mounted = text.lines().filter_map(|line| line.trim().strip_prefix("- ./")?.split(':').next());
    let absent =
        mounted.filter(|file| *file != "wallet.json" && !workspace().join("packaging").join(file).exists());
    assert_eq!(absent.collect::<Vec<_>>(), [] as [&str; 0], "mounted and not there");
}
