//! A file system of its own for one node, gone with whoever holds it.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;

use quipu_tests::{PATIENCE, Program};

/// A mount namespace in which a folder is a small file system in memory. A child keeps it alive; nothing of it is
/// seen from outside, and nothing is left when that child ends.
pub struct Namespace {
    keeper: Program,
    enter: Vec<String>,
    is_root: bool,
}

impl Namespace {
    /// Mounts a file system of this size on a folder.
    ///
    /// # Panics
    /// When this user may not do so on this machine, not even in a user namespace.
    pub fn with_tmpfs(folder: &Path, megabytes: u32) -> Self {
        let is_root = std::fs::metadata("/proc/self").unwrap().uid() == 0;
        let user: &[&str] = if is_root { &[] } else { &["--user", "--map-root-user"] };
        let mut unshare = Command::new("unshare");
        unshare.args(user).args(["--mount", "sh", "-c"]);
        // `cat` ends when the pipe to it does, so also when this process is killed.
        unshare.arg("mount -t tmpfs -o size=$1m tmpfs \"$2\" && echo mounted && exec cat");
        unshare.arg("sh").arg(megabytes.to_string()).arg(folder);
        let keeper = Program::start(unshare);
        let mounted = keeper.stdout().find(PATIENCE, |line| (line == "mounted").then_some(()));
        assert!(mounted.is_some(), "no file system could be mounted: {}", keeper.stderr().text());

        let target = keeper.id().to_string();
        let mut enter = vec!["nsenter", "--target", &target, "--mount"];
        if !is_root {
            enter.extend(["--user", "--preserve-credentials"]);
        }
        let enter = enter.into_iter().map(str::to_owned).collect();
        Self { keeper, enter, is_root }
    }

    /// What to put before a command for it to run inside.
    pub fn enter(&self) -> Vec<&str> {
        self.enter.iter().map(String::as_str).collect()
    }

    /// The same for what refuses to run as root: whoever is not root seems to be it inside, and no longer after this.
    pub fn enter_as_user(&self) -> Vec<&str> {
        let as_user = ["unshare", "--user", "--map-user=1000", "--map-group=1000", "--"];
        let as_user = as_user.into_iter().filter(|_| !self.is_root);
        self.enter().into_iter().chain(as_user).collect()
    }

    /// Whether this is a machine's root, who can give things to other users.
    pub fn is_root(&self) -> bool {
        self.is_root
    }

    /// Gives the file system on this folder another size.
    pub fn resize(&self, folder: &Path, megabytes: u32) {
        let size = format!("remount,size={megabytes}m");
        // With its type and a source, or `mount` repeats the owner as it is outside, whom there is not inside.
        self.run(&["mount", "-t", "tmpfs", "-o", &size, "tmpfs", folder.to_str().expect("a path of text")]);
    }

    /// Runs a command inside.
    pub fn run(&self, words: &[&str]) {
        assert!(self.keeper.stdout().text().contains("mounted"));
        let mut command = Command::new(&self.enter[0]);
        command.args(&self.enter[1..]).args(words);
        let finished = Program::run(command);
        assert_eq!(finished.code, Some(0), "{words:?}: {}", finished.stderr);
    }
}
