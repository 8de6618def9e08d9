//! The modules that a page needs at first as one file, so that a browser has the page after as few questions as it can: an
//! HTML file, a style and a script. Nothing else is changed: each module is a function that is called once, after those
//! that it imports from.

use std::fmt::Write;

use crate::files::Files;

/// Where the modules are.
const FOLDER: &str = "ui/";
const IMPORT: &str = "import ";
const FROM: &str = " from \"./";
const EXPORT: &str = "export ";

/// The module of this name with all that it imports, as one script; none where a file is missing.
pub(crate) fn joined(root: &str) -> Option<String> {
    let mut script = Script::default();
    script.add(root, true)?;
    Some(script.text)
}

#[derive(Default)]
struct Script {
    text: String,
    /// The modules that are there, or about to be.
    added: Vec<String>,
}

impl Script {
    /// Adds a module after what it imports; nobody imports from the root, so that it is there as it is.
    fn add(&mut self, name: &str, is_root: bool) -> Option<()> {
        if self.added.iter().any(|added| added == name) {
            return Some(());
        }
        self.added.push(name.to_owned());
        let file = Files::get(&format!("{FOLDER}{name}"))?;
        let module = std::str::from_utf8(&file.data).ok()?;
        for line in module.lines() {
            if let Some((_, from)) = imported(line) {
                self.add(from, false)?;
            }
        }
        let (body, exports) = taken_apart(module);
        // Writing to a string does not fail.
        let _ = if is_root {
            self.text.write_str(&body)
        } else {
            let name = variable(name);
            write!(
                self.text,
                "const {name} = (() => {{\n{body}return {{ {} }};\n}})();\n",
                exports.join(", ")
            )
        };
        Some(())
    }
}

/// The text of a module with what it imports taken from the modules before, and what it exports.
fn taken_apart(module: &str) -> (String, Vec<String>) {
    let (mut body, mut exports) = (String::with_capacity(module.len()), Vec::new());
    for line in module.lines() {
        let line = match (imported(line), line.strip_prefix(EXPORT)) {
            (Some((names, from)), _) => {
                let names =
                    names.strip_prefix("* as ").map_or_else(|| names.replace(" as ", ": "), str::to_owned);
                format!("const {names} = {};", variable(from))
            }
            (None, Some(listed)) if listed.starts_with('{') => {
                let names = listed.trim_matches(['{', '}', ';', ' ']).split(", ");
                exports.extend(names.map(|name| match name.split_once(" as ") {
                    Some((own, told)) => format!("{told}: {own}"),
                    None => name.to_owned(),
                }));
                continue;
            }
            (None, Some(declared)) => {
                exports.extend(declares(declared).map(str::to_owned));
                declared.to_owned()
            }
            (None, None) => line.to_owned(),
        };
        body.push_str(&line);
        body.push('\n');
    }
    (body, exports)
}

/// What a line imports, and the module that has it.
fn imported(line: &str) -> Option<(&str, &str)> {
    let (names, from) = line.strip_prefix(IMPORT)?.split_once(FROM)?;
    Some((names, from.strip_suffix("\";")?))
}

/// The name that a line declares.
fn declares(line: &str) -> Option<&str> {
    let mut words = line.split([' ', '(', '{', ';']);
    words.find(|word| !matches!(*word, "async" | "function" | "class" | "const"))
}

/// What a module is in the script. No module names anything so.
fn variable(file: &str) -> String {
    format!("${}", file.trim_end_matches(".js"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use super::*;

    #[test]
    fn a_module_is_taken_apart() {
        let module = "import { a, b as c } from \"./one.js\";\nimport * as two from \"./two.js\";\n\
                      export async function f(x) {\n}\nexport class G extends Error {}\nexport const h = 1;\n\
                      export { f as i, two };\nexport function j() {}\nconst more = () => import(\"./late.js\");\n";
        let (body, exports) = taken_apart(module);
        let expected = "const { a, b: c } = $one;\nconst two = $two;\nasync function f(x) {\n}\n\
                        class G extends Error {}\nconst h = 1;\nfunction j() {}\nconst more = () => import(\"./late.js\");\n";
        assert_eq!(body, expected);
        assert_eq!(exports, ["f", "G", "h", "i: f", "two", "j"]);
    }

    #[test]
    fn each_module_is_there_once_and_after_what_it_imports() {
        let script = joined("explorer.js").unwrap();
        let place = |text: &str| {
            assert_eq!(script.matches(text).count(), 1, "{text}");
            script.find(text).unwrap()
        };
        let places = ["const $el = ", "const $parts = ", "const $find = ", "part(\"find\").addEventListener"]
            .map(place);
        assert!(places.is_sorted(), "{places:?}");
        assert!(!script.contains("\nimport ") && !script.contains("\nexport "), "{script}");
        assert!(script.contains("import(\"./verify.js\")"), "what is fetched later stays apart");
        assert_eq!(joined("none.js"), None);
    }
}
