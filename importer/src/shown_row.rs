//! Rows of which only JSON is there: their items are put together again, and taken only if id and signature hold.

use ans104::{Id, Item, write_bundle};
use gateway::GatewayError;
use protocol::ProcessId;
use serde::Deserialize;
use thiserror::Error;

use crate::assemble::{AssembleError, HiddenParts, ShownItem, ShownTag};
use crate::elsewhere::PartsElsewhere;

/// A message or process with its assignment, as schedulers show both.
#[derive(Clone, Debug, Deserialize)]
pub struct ShownPair {
    /// None where something on chain was assigned.
    #[serde(default, alias = "process")]
    pub message: Option<ShownItem>,
    /// None for a process that has none.
    #[serde(default)]
    pub assignment: Option<ShownItem>,
}

/// A row of which only JSON is there.
#[derive(Clone, Debug)]
pub struct ShownRow {
    /// Where it is in the source.
    pub place: String,
    /// Whose it is.
    pub process: ProcessId,
    /// What is shown.
    pub pair: ShownPair,
}

/// The items of a row.
pub(crate) struct AssembledPair {
    pub(crate) item: Option<Vec<u8>>,
    pub(crate) assignment: Option<Vec<u8>>,
}

/// Why a row is not put together.
#[derive(Debug, Error)]
pub(crate) enum PairError {
    /// It will not be.
    #[error("the {part} {id}: {error}{}", if *.asked { ", nor for what the gateway has" } else { "" })]
    Part { part: &'static str, id: String, error: AssembleError, asked: bool },
    /// It may be later: what is not shown of it is not to be had now.
    #[error("the {part} {id}: not all of it is shown, and {why}")]
    Missing { part: &'static str, id: String, why: String },
    /// There is nothing.
    #[error("neither an item nor an assignment is shown")]
    Nothing,
    /// Whether it can be is not known.
    #[error("asking for what is not shown of the {part} {id}")]
    Gateway {
        part: &'static str,
        id: String,
        #[source]
        error: GatewayError,
    },
}

impl ShownPair {
    /// How many bytes it takes: a source may put them wherever it likes.
    pub(crate) fn bytes(&self) -> usize {
        let of = |shown: &ShownItem| {
            let ShownItem { id, owner, tags, signature, anchor, target, data } = shown;
            let texts = [
                Some(id),
                Some(&owner.key),
                Some(signature),
                anchor.as_ref(),
                target.as_ref(),
                data.as_ref(),
            ];
            let of_tag = |tag: &ShownTag| size_of::<ShownTag>() + tag.name.len() + tag.value.len();
            let tags = tags.iter().map(of_tag);
            texts.into_iter().flatten().map(String::len).chain(tags).fold(0, usize::saturating_add)
        };
        [&self.message, &self.assignment].into_iter().flatten().map(of).fold(0, usize::saturating_add)
    }

    pub(crate) fn assemble(
        &self,
        elsewhere: Option<&dyn PartsElsewhere>,
    ) -> Result<AssembledPair, PairError> {
        let item = self.message.as_ref().map(|shown| part("item", shown, None, elsewhere)).transpose()?;
        let assignment = self.assignment.as_ref().map(|shown| {
            // The earliest assignments have their message in a bundle in their data.
            let bundle = item.as_deref().filter(|_| shown.tag("Bundle-Format").is_some());
            let bundle = bundle.and_then(|item| Item::split(item).ok()).map(|item| write_bundle(&[item]));
            part("assignment", shown, bundle, elsewhere)
        });
        let assignment = assignment.transpose()?;
        if item.is_none() && assignment.is_none() {
            return Err(PairError::Nothing);
        }
        Ok(AssembledPair { item, assignment })
    }
}

fn part(
    part: &'static str,
    shown: &ShownItem,
    data: Option<Vec<u8>>,
    elsewhere: Option<&dyn PartsElsewhere>,
) -> Result<Vec<u8>, PairError> {
    let mut hidden = HiddenParts { anchor: None, data };
    let id = shown.id.clone();
    let failed = match (shown.assemble(&hidden), elsewhere, shown.id.parse::<Id>()) {
        (Ok(bytes), ..) => return Ok(bytes),
        (Err(AssembleError::Incomplete), Some(elsewhere), Ok(asked)) => {
            let found = match elsewhere.parts(asked) {
                Ok(found) => found,
                Err(error) if error.is_transient() => return Err(PairError::Gateway { part, id, error }),
                // It answers others: what it refuses or cannot give of one item ends no import.
                Err(error) => return Err(PairError::Missing { part, id, why: error.to_string() }),
            };
            let is_missing = found.anchor.is_none() || found.data.is_none();
            let known = hidden.data.take();
            hidden = HiddenParts { data: known.or(found.data), anchor: found.anchor };
            match shown.assemble(&hidden) {
                Ok(bytes) => return Ok(bytes),
                Err(_) if is_missing => {
                    let why = "the gateway has nothing of it".to_owned();
                    return Err(PairError::Missing { part, id, why });
                }
                Err(error) => (error, true),
            }
        }
        (Err(AssembleError::Incomplete), None, _) => {
            return Err(PairError::Missing { part, id, why: "no gateway was asked".to_owned() });
        }
        (Err(error), ..) => (error, false),
    };
    let (error, asked) = failed;
    Err(PairError::Part { part, id, error, asked })
}
