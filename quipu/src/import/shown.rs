//! What is shown of an import: how far it is, and what became of the rows.

use std::io::Write;
use std::time::Instant;

use importer::{ImportProgress, ImportSummary};

use crate::failure::Failure;
use crate::output::{TextTable, thousands};
use crate::shown::Shown;
use crate::stderr::say;

/// How far it is.
pub(super) struct ImportShown {
    shown: Shown,
    phase: &'static str,
    began: Instant,
}

impl ImportShown {
    pub(super) fn new(source: &str, is_plan: bool) -> Self {
        say(format_args!("reading {source}"));
        let phase = if is_plan { "looking" } else { "importing" };
        Self { shown: Shown::counting("rows"), phase, began: Instant::now() }
    }

    pub(super) fn show(&mut self, progress: ImportProgress) {
        self.shown.show(self.phase, progress.done, progress.total, self.began.elapsed());
    }
}

impl Drop for ImportShown {
    fn drop(&mut self) {
        self.shown.clear();
    }
}

/// Prints what became of the rows.
pub(super) fn tell(
    summary: &ImportSummary,
    is_plan: bool,
    json: bool,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    if json {
        let text = serde_json::to_string(summary).map_err(std::io::Error::from)?;
        writeln!(out, "{text}")?;
        return Ok(());
    }
    let mut table = TextTable::default();
    table.heading(if is_plan { "Nothing was written" } else { "Imported" });
    table.row("rows of the source", thousands(summary.rows));
    table.row(if is_plan { "would be imported" } else { "imported" }, thousands(summary.imported));
    table.row("in the log before", thousands(summary.already_there));
    table.row("not in the log", thousands(summary.left_out));
    if summary.awaited > 0 {
        table.row("of these may come later", thousands(summary.awaited));
    }
    table.row("processes", thousands(summary.processes));
    table.row("signatures verified", thousands(summary.signatures));
    if !summary.flaws.is_empty() {
        table.heading("Kept as they were");
        for (flaw, count) in &summary.flaws {
            table.row(flaw.meaning(), thousands(*count));
        }
    }
    if !summary.first_left_out.is_empty() {
        table.heading("Not in the log");
        for row in &summary.first_left_out {
            table.row(&row.place, &row.reason);
        }
    }
    if summary.absent > 0 {
        table.heading("Not in the source");
        for process in &summary.first_absent {
            table.row(process, "nothing of this process is there");
        }
    }
    out.write_all(table.render().as_bytes())?;
    if summary.already_there > 0 {
        let told = "Of rows that were in the log before nothing more is told here: the report of the import that took them \
                    tells their flaws, and quipu verify finds them.";
        writeln!(out, "{told}")?;
    }
    Ok(())
}
