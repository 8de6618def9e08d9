//! What a check finds, told as it is found: whoever waits for an answer sees what there is until then.

use std::io::{self, Write};

use serde_json::json;

use super::LocationCommandError;
use super::shown::LINE_CHARS;
use crate::failure::Failure;
use crate::output::excerpt;

/// What was found, and whether it is well.
pub(super) struct LocationFinding {
    pub(super) what: String,
    pub(super) found: Result<String, String>,
}

impl LocationFinding {
    pub(super) fn line(&self, json: bool) -> String {
        let (is_well, text) = match &self.found {
            Ok(text) => (true, text),
            Err(text) => (false, text),
        };
        let what = &self.what;
        if json {
            return json!({ "what": what, "ok": is_well, "found": text }).to_string();
        }
        // Whoever answers may have written anything.
        let text = excerpt(text, LINE_CHARS);
        format!("{}  {what}: {text}", if is_well { "ok   " } else { "wrong" })
    }
}

/// Where findings are told.
pub(super) struct CheckFindings<'o> {
    out: &'o mut dyn Write,
    json: bool,
    all: usize,
    wrong: usize,
    /// Why one of them was not told.
    failed: io::Result<()>,
}

impl<'o> CheckFindings<'o> {
    pub(super) fn new(out: &'o mut dyn Write, json: bool) -> Self {
        Self { out, json, all: 0, wrong: 0, failed: Ok(()) }
    }

    pub(super) fn tell(&mut self, finding: &LocationFinding) {
        self.all += 1;
        self.wrong += usize::from(finding.found.is_err());
        if self.failed.is_ok() {
            let line = finding.line(self.json);
            self.failed = writeln!(self.out, "{line}").and_then(|()| self.out.flush());
        }
    }

    /// Whether all of it is well.
    pub(super) fn end(self) -> Result<(), Failure> {
        self.failed?;
        match self.wrong {
            0 => Ok(()),
            wrong => Err(LocationCommandError::Wrong(wrong, self.all).into()),
        }
    }
}
