//! `quipu verify-item`: the lines that the explorer shows of an entry, from bytes that were saved, with the code of this
//! program and not with that of the node under test.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use ans104::{Id, Item, ParseError};
use clap::Args;
use protocol::tags::{self, SCHEDULER};
use protocol::{AssignmentTags, HashChain, Nonce, ProcessId};

use crate::failure::Failure;
use crate::output::counted;

const EXAMPLES: &str = "\
Examples:
  curl -so item.bin http://127.0.0.1:9000/explore/v1/items/$M/bytes
  curl -so assignment.bin \"http://127.0.0.1:9000/explore/v1/items/$M/bytes?part=assignment\"
  quipu verify-item item.bin --assignment assignment.bin --id $M
  curl -so process.bin \"http://127.0.0.1:9000/explore/v1/items/$P/bytes?part=item\"
  quipu verify-item item.bin --assignment assignment.bin --process process.bin --before before.bin

Each line says of one thing yes, no, or that it was not checked. Exit codes: 0 nothing is wrong, 1 something is or a file cannot \
be read, 2 wrong usage.";

/// Verify an item and its assignment from their bytes
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct VerifyItemArgs {
    /// The bytes of the item
    #[arg(required_unless_present = "assignment")]
    item: Option<PathBuf>,

    /// The id that was asked for, of the item, the assignment or the transaction that was assigned: whoever answers may
    /// have sent another pair
    #[arg(long, value_name = "ID", allow_hyphen_values = true)]
    id: Option<Id>,

    /// The bytes of its assignment
    #[arg(long, value_name = "FILE")]
    assignment: Option<PathBuf>,

    /// The bytes of the item that spawned the process, which names its scheduler
    #[arg(long, value_name = "FILE", requires = "assignment")]
    process: Option<PathBuf>,

    /// The bytes of the assignment before it, which it goes on from
    #[arg(long, value_name = "FILE", requires = "assignment")]
    before: Option<PathBuf>,
}

/// Why an item is not verified.
#[derive(Debug, thiserror::Error)]
pub enum ItemVerifyError {
    /// A file cannot be read.
    #[error("cannot read {}", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        error: io::Error,
    },
    /// Something is not as it should be.
    #[error("{} found wrong", counted(*.0, "thing"))]
    Wrong(u64),
}

/// What became of one thing.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Yes(String),
    No(String),
    NotChecked(String),
}

impl Verdict {
    fn not_checked(reason: &str) -> Self {
        Self::NotChecked(reason.to_owned())
    }
}

/// What a file holds, if there is one.
type Held<'a> = Option<Result<Item<'a>, ParseError>>;

impl VerifyItemArgs {
    /// Writes a line for each thing to `out`.
    ///
    /// # Errors
    /// When a file cannot be read, or something is wrong.
    pub fn run(self, out: &mut dyn Write) -> Result<(), Failure> {
        let files = [&self.item, &self.assignment, &self.process, &self.before];
        let [item, assignment, process, before] = files.map(|path| path.as_deref().map(read).transpose());
        let (item, assignment, process, before) = (item?, assignment?, process?, before?);
        let asked_for = asked_for(self.id, &held(item.as_deref()), &held(assignment.as_deref()));
        let lines = verify(
            &held(item.as_deref()),
            &held(assignment.as_deref()),
            &held(process.as_deref()),
            &held(before.as_deref()),
        );
        let mut wrong = 0;
        for (name, verdict) in [("id that was asked for", asked_for)].into_iter().chain(lines) {
            let (word, reason) = match verdict {
                Verdict::Yes(reason) => ("yes", reason),
                Verdict::No(reason) => ("no", reason),
                Verdict::NotChecked(reason) => ("not checked", reason),
            };
            wrong += u64::from(word == "no");
            writeln!(out, "{word:11}  {name}: {reason}")?;
        }
        if wrong > 0 { Err(ItemVerifyError::Wrong(wrong).into()) } else { Ok(()) }
    }
}

fn held(bytes: Option<&[u8]>) -> Held<'_> {
    bytes.map(Item::parse)
}

fn read(path: &Path) -> Result<Vec<u8>, ItemVerifyError> {
    fs::read(path).map_err(|error| ItemVerifyError::Unreadable { path: path.to_owned(), error })
}

fn verify(
    item: &Held<'_>,
    assignment: &Held<'_>,
    process: &Held<'_>,
    before: &Held<'_>,
) -> [(&'static str, Verdict); 6] {
    let (chain, time) = order(assignment, before, process);
    [
        ("sender's signature", signature(item, "there is no item")),
        ("assignment's signature", signature(assignment, "there is no assignment")),
        ("signer is the process's Scheduler", scheduler(assignment, process)),
        ("assignment names this item", names(item, assignment)),
        ("hash chain goes on from the one before", chain),
        ("time is later than the one before", time),
    ]
}

fn asked_for(id: Option<Id>, item: &Held<'_>, assignment: &Held<'_>) -> Verdict {
    let Some(id) = id else { return Verdict::not_checked("it is not given, see --id") };
    let found = [(item, "of the item"), (assignment, "of the assignment")];
    let found =
        found.into_iter().filter_map(|(held, whose)| Some((held.as_ref()?.as_ref().ok()?.id(), whose)));
    let all: Vec<_> = found.collect();
    // What is on Arweave has no item here, and what was signed names it all the same.
    let named = match (item, assignment) {
        (None, Some(Ok(assignment))) => AssignmentTags::of(assignment).message().map(|message| message.id()),
        _ => None,
    };
    match all.iter().find(|(found, _)| *found == id) {
        Some((_, whose)) => Verdict::Yes(format!("{id}, {whose}")),
        None if named == Some(id) => Verdict::Yes(format!("{id}, which the assignment names")),
        None => Verdict::No(match named {
            Some(named) => format!("{id} is not that of the assignment, which names {named}"),
            None => format!("{id} is neither that of the item nor that of the assignment"),
        }),
    }
}

fn signature(held: &Held<'_>, missing: &'static str) -> Verdict {
    match held {
        None => Verdict::not_checked(missing),
        Some(Err(error)) => Verdict::No(error.to_string()),
        Some(Ok(item)) => match item.verify() {
            Ok(()) => Verdict::Yes(format!("id {}, by {}", item.id(), item.address())),
            Err(error) => Verdict::No(error.to_string()),
        },
    }
}

fn scheduler(assignment: &Held<'_>, process: &Held<'_>) -> Verdict {
    let Some(Ok(assignment)) = assignment else {
        return Verdict::not_checked("there is no assignment to read");
    };
    let process = match process {
        None => return Verdict::not_checked("the item of the process is not given, see --process"),
        Some(Err(error)) => return Verdict::No(format!("the item of the process: {error}")),
        Some(Ok(process)) => process,
    };
    let of = AssignmentTags::of(assignment).process();
    if of != Some(process.id().into()) {
        return Verdict::No(format!("the assignment is not of the process {}", process.id()));
    }
    if let Err(error) = process.verify() {
        return Verdict::No(format!("the item of the process: {error}"));
    }
    let (named, signer) =
        (tags::find(process, SCHEDULER).unwrap_or_default(), assignment.address().to_string());
    if named == signer {
        Verdict::Yes(signer)
    } else {
        Verdict::No(format!("the process names {named:?}, {signer} signed"))
    }
}

fn names(item: &Held<'_>, assignment: &Held<'_>) -> Verdict {
    let (Some(Ok(item)), Some(Ok(assignment))) = (item, assignment) else {
        return Verdict::not_checked("it takes an item and an assignment that can be read");
    };
    let (said, id) = (AssignmentTags::of(assignment), item.id());
    let nonce = said.nonce().map_or("none".to_owned(), |nonce| nonce.to_string());
    match (said.message(), said.process()) {
        (Some(message), Some(process)) if message.id() == id => {
            Verdict::Yes(format!("nonce {nonce} of the process {process}"))
        }
        (None, Some(process)) if process.id() == id && said.message_text().is_none() => {
            Verdict::Yes(format!("nonce {nonce}, the process itself"))
        }
        _ => Verdict::No(format!("it names {:?}, and this is {id}", said.message_text().unwrap_or_default())),
    }
}

/// Chain and time, by the assignment before. Who signed is a matter of another line.
fn order(assignment: &Held<'_>, before: &Held<'_>, spawn: &Held<'_>) -> (Verdict, Verdict) {
    let both = |verdict: &dyn Fn() -> Verdict| (verdict(), verdict());
    let Some(Ok(assignment)) = assignment else {
        return both(&|| Verdict::not_checked("there is no assignment to read"));
    };
    let said = AssignmentTags::of(assignment);
    let (Some(nonce), Some(chain), Some(process)) = (said.nonce(), said.hash_chain(), said.process()) else {
        return both(&|| Verdict::No("it does not say process, nonce and hash chain".to_owned()));
    };
    if nonce == Nonce::ZERO {
        return (
            goes_on(chain, HashChain::seed(process)),
            Verdict::not_checked("nothing comes before nonce 0"),
        );
    }
    let before = match before {
        None => return both(&|| Verdict::not_checked("the assignment before is not given, see --before")),
        Some(Ok(before)) if is_before(before, process, nonce) => before,
        Some(_) => return both(&|| Verdict::No("the assignment before is not what it should be".to_owned())),
    };
    let (earlier, now) = (before.address().to_string(), assignment.address().to_string());
    if earlier != now {
        let another = format!("{earlier} signed the one before, and {now} this one");
        match named(spawn, process) {
            None => return both(&|| Verdict::NotChecked(another.clone())),
            Some(named) if named != earlier => {
                let text = format!("the assignment before is not what it should be: {another}");
                return both(&|| Verdict::No(text.clone()));
            }
            Some(_) => {}
        }
    }
    let earlier = AssignmentTags::of(before);
    let chain = match earlier.hash_chain() {
        Some(from) => goes_on(chain, from.after(before.id().into())),
        None => Verdict::No("the one before has no hash chain".to_owned()),
    };
    let time = match (earlier.timestamp(), said.timestamp()) {
        (Some(earlier), Some(now)) if now > earlier => Verdict::Yes(format!("{earlier} ms, then {now} ms")),
        _ => {
            let [earlier, now] = [earlier, said].map(|said| said.timestamp_text().unwrap_or_default());
            Verdict::No(format!("{earlier:?}, then {now:?}"))
        }
    };
    (chain, time)
}

/// The scheduler that a process names, if its item is here.
fn named(spawn: &Held<'_>, process: ProcessId) -> Option<String> {
    let spawn = spawn.as_ref()?.as_ref().ok().filter(|spawn| spawn.id() == process.id())?;
    Some(tags::find(spawn, SCHEDULER).unwrap_or_default().to_owned())
}

/// Whether this is signed, and takes the place before that nonce.
fn is_before(before: &Item<'_>, process: ProcessId, nonce: Nonce) -> bool {
    let said = AssignmentTags::of(before);
    said.process() == Some(process) && said.nonce() == nonce.prev() && before.verify().is_ok()
}

fn goes_on(chain: HashChain, wanted: HashChain) -> Verdict {
    if chain == wanted {
        Verdict::Yes(chain.to_string())
    } else {
        Verdict::No(format!("it says {chain}, expected {wanted}"))
    }
}
