//! The Debian package, installed, used, installed again and removed.

use std::fs;

use quipu_tests::{Gateway, quipu, wallet_file_of, workspace};

use crate::root::Root;
use crate::served::Served;
use crate::{folder, run};

/// What a unit says, as systemd would have it.
fn unit(root: &Root, key: &str) -> Vec<String> {
    let text = fs::read_to_string(root.path("/usr/lib/systemd/system/quipu.service")).unwrap();
    let values = text.lines().filter_map(|line| line.strip_prefix(key)?.strip_prefix('='));
    let values = values.flat_map(str::split_whitespace).map(|word| word.replace("%d", "/run/credentials"));
    values.collect()
}

#[test]
fn the_package_is_installed_used_and_removed() {
    let (root, made, gateway) = (Root::new(), folder(), Gateway::start());
    let binary = quipu().display().to_string();
    let built = run(workspace(), &["sh", "packaging/deb", &binary, &made.path().display().to_string()]);
    let package = std::path::PathBuf::from(built.stdout.trim_end());
    assert!(package.metadata().unwrap().len() < 40 << 20, "the package is larger than 40 MiB");
    root.put(&package, "/quipu.deb", "root", "644");
    root.run(&["dpkg", "--install", "/quipu.deb"]);
    for file in [
        "/usr/share/man/man1/quipu.1.gz",
        "/usr/share/man/man1/quipu-standby.1.gz",
        "/usr/share/zsh/vendor-completions/_quipu",
        "/usr/share/fish/vendor_completions.d/quipu.fish",
        "/usr/lib/systemd/system/quipu-standby.service",
        "/etc/quipu/standby.env",
        "/usr/share/man/man1/quipu-router.1.gz",
        "/usr/lib/systemd/system/quipu-router.service",
        "/etc/quipu/router.env",
    ] {
        assert!(root.path(file).is_file(), "{file} is not there");
    }
    root.run(&["dpkg", "--verify", "quipu"]);
    root.run(&["bash", "-c", "source /usr/share/bash-completion/completions/quipu && complete -p quipu"]);
    let user = root.run(&["id", "--user", "quipu"]).stdout.trim_end().to_owned();
    assert_ne!(user, "0");

    // As systemd starts the unit: its folder, its wallet as a credential, its settings.
    root.run(&["install", "-d", "-o", "quipu", "-m", "700", "/var/lib/quipu", "/run/credentials"]);
    root.put(&wallet_file_of(ans104::KeyType::Ed25519), "/run/credentials/wallet.json", "quipu", "400");
    let gateway =
        ["GATEWAY_URL", "ARWEAVE_URL", "UPLOAD_NODE_URL"].map(|name| format!("{name}={}", gateway.url()));
    let settings = [unit(&root, "Environment"), gateway.to_vec()].concat();
    let start = unit(&root, "ExecStart");
    assert_eq!(start, ["/usr/bin/quipu", "su", "9000"]);
    let at = &unit(&root, "WorkingDirectory")[0];
    let words = [start[0].as_str(), start[1].as_str(), "0"];
    let serve = || Served::start(root.command("quipu", at, &settings, &words));
    let node = serve();
    assert_eq!(node.user(), user);
    let status =
        |admin: &str| root.command("quipu", "/", &[], &["quipu", "status", "--serving", "--admin", admin]);
    node.wait_until_well(|| status(&node.admin));
    node.stop();

    // Installed again, it leaves settings and data as they are.
    fs::write(root.path("/etc/quipu/quipu.env"), "MINE=1\n").unwrap();
    root.run(&["dpkg", "--install", "/quipu.deb"]);
    assert_eq!(fs::read_to_string(root.path("/etc/quipu/quipu.env")).unwrap(), "MINE=1\n");
    let node = serve();
    node.wait_until_well(|| status(&node.admin));
    node.stop();

    fs::write(root.path("/etc/quipu/wallet.json"), "").unwrap();
    root.run(&["dpkg", "--purge", "quipu"]);
    for (file, stays) in [
        ("/usr/bin/quipu", false),
        ("/usr/share/doc/quipu", false),
        ("/etc/quipu/quipu.env", false),
        ("/etc/quipu/wallet.json", true),
        ("/var/lib/quipu/data/log", true),
    ] {
        assert_eq!(root.path(file).exists(), stays, "{file}");
    }
}
