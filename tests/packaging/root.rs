//! A small Debian in a folder, in which programs run as on a machine of their own.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use quipu_tests::{Finished, Program, quipu, workspace};
use tempfile::TempDir;

use crate::{folder, run};

/// What programs see of the machine around.
const MOUNTS: &str = "for name in proc dev; do mount --rbind /$name \"$1/$name\"; done; exec chroot \"$@\"";
const PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A Debian without anything of ours. It is gone when this is dropped.
pub struct Root {
    folder: TempDir,
}

impl Root {
    /// One that nobody has used.
    ///
    /// # Panics
    /// When it cannot be made.
    pub fn new() -> Self {
        let made = run(workspace(), &["sh", ".ci/root", &kept().display().to_string()]);
        let root = Self { folder: folder() };
        let tar = made.stdout.trim_end();
        root.outside(&["tar", "--extract", "--numeric-owner", "--file", tar, "--directory", "."]);
        root
    }

    /// Where something is that has this absolute path in there.
    pub fn path(&self, inside: &str) -> PathBuf {
        self.folder.path().join(inside.trim_start_matches('/'))
    }

    /// Puts a file there, which belongs to this user and can be read by it alone, or run by all.
    pub fn put(&self, file: &Path, inside: &str, owner: &str, mode: &str) {
        let to = self.path(inside);
        self.outside(&["cp", &file.display().to_string(), &to.display().to_string()]);
        self.run(&["chown", owner, inside]);
        self.run(&["chmod", mode, inside]);
    }

    /// Runs a program in there to its end, as root; it has to end well.
    pub fn run(&self, words: &[&str]) -> Finished {
        let finished = Program::run(self.command("0:0", "/", &[], words));
        assert_eq!(finished.code, Some(0), "{words:?}:\n{}\n{}", finished.stdout, finished.stderr);
        finished
    }

    /// How a program is started in there: by whom, where, with what alone in its environment.
    pub fn command(&self, user: &str, at: &str, settings: &[String], words: &[&str]) -> Command {
        let mut command = privileged(&["unshare", "--mount", "sh", "-c", MOUNTS, "sh"]);
        command.arg(self.folder.path()).arg("env").arg("--ignore-environment").arg(PATH).args(settings);
        // Privileges go last: who has none may change neither its folder nor itself.
        command.args(["sh", "-c", "cd \"$1\" && shift && exec \"$@\"", "sh", at]);
        if user != "0:0" {
            command.args(["setpriv", "--reuid", user, "--regid", user, "--clear-groups"]);
        }
        command.args(words);
        command
    }

    /// Runs a program of the machine in the folder.
    fn outside(&self, words: &[&str]) {
        let mut command = privileged(words);
        command.current_dir(self.folder.path());
        let finished = Program::run(command);
        assert_eq!(finished.code, Some(0), "{words:?}:\n{}", finished.stderr);
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        // Much of it may belong to others. What is left then the folder itself deals with.
        let _ =
            privileged(&["find", ".", "-mindepth", "1", "-maxdepth", "1", "-exec", "rm", "-rf", "{}", "+"])
                .current_dir(self.folder.path())
                .status();
    }
}

/// A command of root's, or of whoever is root in a namespace of users.
fn privileged(words: &[&str]) -> Command {
    let is_root = fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0);
    let namespace: &[&str] =
        if is_root { &[] } else { &["unshare", "--user", "--map-auto", "--map-root-user"] };
    let words = [namespace, words].concat();
    let mut command = Command::new(words[0]);
    command.args(&words[1..]);
    command
}

/// Where it is kept between runs: among what was built.
fn kept() -> PathBuf {
    let test = std::env::current_exe().expect("a program knows its own path");
    test.ancestors().nth(3).expect("tests are in `deps` of the profile's folder").join("packaging")
}

/// The binary without what only a debugger reads, which takes long to copy.
pub fn stripped(folder: &Path) -> PathBuf {
    let to = folder.join("quipu");
    run(folder, &["strip", "--strip-debug", "-o", &to.display().to_string(), &quipu().display().to_string()]);
    to
}
