//! The files of the project: those that git knows, or would take.

use std::collections::HashSet;
use std::fs;
use std::process::Command;

use quipu_tests::workspace;

/// A text file.
pub struct Source {
    /// Relative to the workspace.
    pub path: String,
    pub text: String,
    /// The first line, from 1, of a test module at the end; 1 where all of the file is test code.
    pub tests_from: Option<usize>,
}

/// All text files.
pub fn all() -> Vec<Source> {
    let mut sources: Vec<Source> = listed().into_iter().filter_map(read).collect();
    let tests = test_modules(&sources);
    for source in &mut sources {
        if is_test_folder(&source.path) || tests.iter().any(|module| is_below(&source.path, module)) {
            source.tests_from = Some(1);
        }
    }
    assert!(sources.len() > 50, "git lists hardly any files");
    sources
}

/// All Rust files.
pub fn rust() -> Vec<Source> {
    all().into_iter().filter(|source| source.path.ends_with(".rs")).collect()
}

impl Source {
    /// The lines and their numbers, from 1.
    pub fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        (1..).zip(self.text.lines())
    }

    /// The lines that are no test code.
    pub fn product_lines(&self) -> impl Iterator<Item = (usize, &str)> {
        let end = self.tests_from.unwrap_or(usize::MAX);
        self.lines().take_while(move |(number, _)| *number < end)
    }

    /// A place in it, for a message.
    pub fn at(&self, line: usize, what: &str) -> String {
        format!("{}:{line}: {}", self.path, what.trim())
    }
}

fn listed() -> Vec<String> {
    let mut list = Command::new("git");
    list.args(["ls-files", "--cached", "--others", "--exclude-standard"]).current_dir(workspace());
    let listed = list.output().expect("git is there");
    assert!(listed.status.success(), "{}", String::from_utf8_lossy(&listed.stderr));
    String::from_utf8(listed.stdout).expect("paths are text").lines().map(str::to_owned).collect()
}

/// What is no text is of no interest here; what git lists may have been deleted since.
fn read(path: String) -> Option<Source> {
    let text = fs::read_to_string(workspace().join(&path)).ok()?;
    let is_rust = path.ends_with(".rs");
    let tests_from = if is_rust { inline_tests(&text) } else { None };
    Some(Source { path, text, tests_from })
}

/// Where `#[cfg(test)]` stands before a module with braces, which by our custom ends the file.
fn inline_tests(text: &str) -> Option<usize> {
    let lines: Vec<&str> = text.lines().collect();
    let begins = |pair: &[&str]| {
        pair.first().is_some_and(|line| *line == "#[cfg(test)]")
            && pair.last().is_some_and(|line| line.starts_with("mod ") && line.ends_with('{'))
    };
    lines.windows(2).position(begins).map(|place| place + 1)
}

/// Paths, without `.rs`, of the modules that are there for tests only.
fn test_modules(sources: &[Source]) -> HashSet<String> {
    let mut modules = HashSet::new();
    for source in sources {
        let lines: Vec<&str> = source.text.lines().map(str::trim).collect();
        for pair in lines.windows(2) {
            let [cfg, module] = pair else { continue };
            let name = module.strip_suffix(';').and_then(|module| module.rsplit_once("mod "));
            if let Some((_, name)) = name.filter(|_| cfg.starts_with("#[cfg(") && cfg.contains("test")) {
                modules.insert(format!("{}/{name}", folder_of_modules(&source.path)));
            }
        }
    }
    modules
}

/// Where the modules are that a file declares.
fn folder_of_modules(path: &str) -> String {
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    match name {
        "lib.rs" | "main.rs" | "mod.rs" => folder.to_owned(),
        _ => format!("{folder}/{}", name.trim_end_matches(".rs")),
    }
}

fn is_below(path: &str, module: &str) -> bool {
    path.strip_prefix(module).is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
}

/// The crates `tests`, `testing` and `fuzz`, and the folders of other crates that cargo takes tests, benchmarks and
/// examples from.
fn is_test_folder(path: &str) -> bool {
    let mut folders = path.split('/');
    let is_one = |folder: &str| matches!(folder, "tests" | "benches" | "examples");
    folders.next().is_some_and(|room| matches!(room, "tests" | "testing" | "fuzz"))
        || folders.next().is_some_and(is_one)
}
