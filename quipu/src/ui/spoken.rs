//! What the pages ask, answered from the protocol that every scheduler speaks, for those that do not know these calls. What is
//! signed is put together again from what is shown, and is there where its signature holds, or where all of it is shown: the
//! page finds out then that it does not.

mod paging;

use ans104::{Id, base64url};
use importer::{AssembleError, HiddenParts, ShownItem, ShownPair};
use protocol::{Code, ProcessId};
use reqwest::Url;
use serde::Deserialize;
use serde_json::{Value, json};
use web::HttpError;

use super::EXPLORE;
use crate::client::{ClientError, RawAnswer, SchedulerClient};
use crate::failure::chain;

/// The longest page that a page asks for.
const LIMIT_MAX: u64 = 500;
/// What stands where data is no text.
const NO_TEXT: char = '\u{fffd}';
/// How much of the tag `Action` is shown, in characters.
const ACTION_SHOWN: usize = 64;

/// An answer for the pages.
pub(super) enum Spoken {
    Json(Value),
    Bytes(Vec<u8>),
}

/// A page of a schedule, as every scheduler answers.
#[derive(Deserialize)]
struct SpokenPage {
    page_info: SpokenPageInfo,
    edges: Vec<SpokenEdge>,
}

#[derive(Deserialize)]
struct SpokenPageInfo {
    has_next_page: bool,
}

#[derive(Deserialize)]
struct SpokenEdge {
    node: ShownPair,
}

/// Whether a scheduler knows the calls of the pages: it says so of any id, be there one or not.
pub(super) async fn knows_calls(scheduler: &SchedulerClient) -> Result<bool, HttpError> {
    let path = format!("{EXPLORE}ids/{}", Id::from_bytes([0; 32]));
    let answer = told(scheduler.answer(&path).await)?;
    Ok(answer.status == 200 && scheduler.value_of(&answer).is_ok_and(|told| told.get("places").is_some()))
}

/// What is asked with this path and query.
pub(super) async fn answer(scheduler: &SchedulerClient, asked: &str) -> Result<Spoken, HttpError> {
    let asked = Url::parse("http://node").and_then(|node| node.join(asked));
    let asked = asked.map_err(|error| HttpError::new(Code::InvalidParameter, error.to_string()))?;
    let given = |name: &str| asked.query_pairs().find(|(given, _)| given == name).map(|(_, value)| value);
    let number = |name: &str| given(name).and_then(|text| text.parse().ok());
    let limit = number("limit").unwrap_or(LIMIT_MAX).min(LIMIT_MAX);
    let path = asked.path().strip_prefix(EXPLORE).unwrap_or_default();
    match path.split('/').collect::<Vec<_>>().as_slice() {
        ["ids", id] => ids(scheduler, read(id)?).await,
        ["processes", process] => {
            paging::rows(scheduler, read(process)?.into(), number("before"), limit).await
        }
        ["processes", process, "chain"] => {
            paging::links(scheduler, read(process)?.into(), number("after"), limit.max(1)).await
        }
        ["items", id, "bytes"] => {
            let process = given("process-id").map(|process| read(&process)).transpose()?;
            bytes(scheduler, read(id)?, process, given("part").as_deref()).await
        }
        _ => Err(HttpError::not_found("no page asks this")),
    }
}

fn read(text: &str) -> Result<Id, HttpError> {
    text.parse().map_err(|_| HttpError::new(Code::InvalidParameter, format!("{text:?} is no id")))
}

async fn ids(scheduler: &SchedulerClient, id: Id) -> Result<Spoken, HttpError> {
    let address = told(scheduler.info().await)?.address;
    let mut places = Vec::new();
    if let Some(Beginning { node, .. }) = beginning(scheduler, id.into()).await? {
        places.push(json!({ "role": "process", "process": id.to_string(), "entry": row(&node) }));
    } else if let Some(pair) = pair(scheduler, id, None).await? {
        let process = pair.assignment.as_ref().and_then(|assignment| said(assignment, "Process"));
        let role = role(&pair, &id.to_string()).ok_or_else(|| unfit("it answers for another id"))?;
        places
            .extend(process.map(|process| json!({ "role": role, "process": process, "entry": row(&pair) })));
    }
    let is_scheduler = address == id.to_string();
    Ok(Spoken::Json(
        json!({ "id": id.to_string(), "is_scheduler": is_scheduler, "places": places, "has_more": false, "position": null }),
    ))
}

/// What an id is in an entry that was asked for by it; none where it is nothing in that.
fn role(pair: &ShownPair, id: &str) -> Option<&'static str> {
    let (message, assignment) = (pair.message.as_ref(), pair.assignment.as_ref());
    match (message, assignment) {
        (Some(message), _) if message.id == id => Some("message"),
        (_, Some(assignment)) if assignment.id == id => Some("assignment"),
        (None, Some(assignment)) if said(assignment, "Message") == Some(id) => Some("transaction"),
        _ => None,
    }
}

async fn bytes(
    scheduler: &SchedulerClient,
    id: Id,
    process: Option<Id>,
    part: Option<&str>,
) -> Result<Spoken, HttpError> {
    let found = match process {
        Some(process) if process == id => beginning(scheduler, id.into()).await?.map(|found| found.node),
        process => pair(scheduler, id, process).await?,
    };
    let found = found.ok_or_else(|| HttpError::not_found(format!("{id} is not here")))?;
    let is_assignment = part
        .map_or(found.assignment.as_ref().is_some_and(|shown| shown.id == id.to_string()), |part| {
            part == "assignment"
        });
    let shown = if is_assignment { found.assignment } else { found.message };
    let shown = shown.ok_or_else(|| HttpError::not_found("this part is not here"))?;
    // What is no text cannot be put together from text.
    Ok(Spoken::Bytes(made(&shown).map_err(|error| HttpError::not_found(format!("{}: {error}", shown.id)))?))
}

/// The bytes of what is shown.
fn made(shown: &ShownItem) -> Result<Vec<u8>, AssembleError> {
    shown.assemble(&HiddenParts::default()).or_else(|error| shown.as_shown().ok_or(error))
}

/// A row as the pages show it. What the protocol does not tell is null.
fn row(pair: &ShownPair) -> Value {
    let (message, assignment) = (pair.message.as_ref(), pair.assignment.as_ref());
    let of = |name: &str| assignment.and_then(|assignment| said(assignment, name));
    let number = |name: &str| of(name).and_then(|text| text.parse::<u64>().ok());
    let is_spawn = message.is_some_and(|message| said(message, "Type") == Some("Process"));
    let owner = message.and_then(|message| base64url::decode(&message.owner.key).ok());
    let data = message.and_then(|message| message.data.as_ref()).filter(|data| !data.contains(NO_TEXT));
    let action = message.and_then(|message| said(message, "Action"));
    let id = message.map(|message| message.id.as_str()).or_else(|| of("Message"));
    json!({
        "nonce": number("Nonce"),
        "sequence": null,
        "kind": if is_spawn { "spawned" } else if message.is_some() { "scheduled" } else { "assigned" },
        "message": id,
        "assignment": assignment.map(|assignment| assignment.id.as_str()),
        "timestamp": number("Timestamp"),
        "block_height": number("Block-Height"),
        "hash_chain": of("Hash-Chain"),
        "owner": owner.map(|owner| Id::of_signature(&owner).to_string()),
        "action": action.map(|action| action.chars().take(ACTION_SHOWN).collect::<String>()),
        "size": data.map(String::len),
        "imported": false,
        "upload": "not told",
    })
}

/// The value of a tag, however its name is written.
fn said<'a>(item: &'a ShownItem, name: &str) -> Option<&'a str> {
    item.tags.iter().find(|tag| tag.name.eq_ignore_ascii_case(name)).map(|tag| tag.value.as_str())
}

fn nonce(assignment: &ShownItem) -> Option<u64> {
    said(assignment, "Nonce")?.parse().ok()
}

/// The newest nonce with its entry; none while there is none.
async fn newest(
    scheduler: &SchedulerClient,
    process: ProcessId,
) -> Result<Option<(u64, ShownPair)>, HttpError> {
    let answer = told(scheduler.answer(&format!("/{process}/latest")).await)?;
    match answer.status {
        200 => {
            let newest = understood::<ShownPair>(&answer)?;
            let is_any = newest.message.is_some() || newest.assignment.is_some();
            let nothing = || unfit("it answers nothing where the newest entry of a process is asked for");
            let known = newest.assignment.as_ref().and_then(nonce);
            return if is_any { Ok(known.map(|nonce| (nonce, newest))) } else { Err(nothing()) };
        }
        status if !is_unknown(status) => {
            return Err(unfit(&format!("of the newest entry of a process it answers {status}")));
        }
        _ => {}
    }
    let not_here = || HttpError::not_found(format!("the process {process} is not here"));
    let beginning = beginning(scheduler, process).await?.ok_or_else(not_here)?;
    // What has a nonce has a newest one.
    if beginning.is_all && beginning.node.assignment.as_ref().and_then(nonce).is_none() {
        Ok(None)
    } else {
        Err(unfit("it tells no newest entry of a process that has some"))
    }
}

/// Whether a scheduler says so of what it does not know; some say that it was asked wrongly.
fn is_unknown(status: u16) -> bool {
    matches!(status, 400 | 404)
}

/// What a process begins with.
struct Beginning {
    node: ShownPair,
    /// Whether nothing comes behind it.
    is_all: bool,
}

/// What a process begins with: itself. None where there is no such process.
async fn beginning(scheduler: &SchedulerClient, process: ProcessId) -> Result<Option<Beginning>, HttpError> {
    let answer =
        told(scheduler.answer(&format!("/{process}?process-id={process}&limit=1&show-anchor=true")).await)?;
    match answer.status {
        200 => {}
        status if is_unknown(status) => return Ok(None),
        status => return Err(unfit(&format!("of a schedule it answers {status}"))),
    }
    let page: SpokenPage = understood(&answer)?;
    let is_itself =
        |node: &ShownPair| node.message.as_ref().is_some_and(|item| item.id == process.to_string());
    let first = page.edges.into_iter().next().map(|edge| edge.node);
    if let Some(node) = first.clone().filter(is_itself) {
        return Ok(Some(Beginning { node, is_all: !page.page_info.has_next_page }));
    }
    // Most tell of a process that was spawned without a nonce only when it is asked for by itself.
    let found = match itself(scheduler, process).await? {
        None if first.is_none() => pair(scheduler, process.id(), None).await?,
        found => found,
    };
    Ok(found.filter(is_itself).map(|node| Beginning { node, is_all: first.is_none() }))
}

/// The item of a process, as it is told of the process alone; none where that is not told.
async fn itself(scheduler: &SchedulerClient, process: ProcessId) -> Result<Option<ShownPair>, HttpError> {
    let answer = told(scheduler.answer(&format!("/processes/{process}")).await)?;
    match answer.status {
        200 => {}
        // Not all have this call.
        405 => return Ok(None),
        status if is_unknown(status) => return Ok(None),
        status => return Err(unfit(&format!("of a process by itself it answers {status}"))),
    }
    let body = answer.body.as_deref().unwrap_or_default();
    let Ok(Value::Object(mut told)) = serde_json::from_slice(body) else { return Ok(None) };
    let Some(id) = told.remove("process_id") else { return Ok(None) };
    told.insert("id".to_owned(), id);
    let item = serde_json::from_value(Value::Object(told)).map_err(|error| unfit(&error.to_string()))?;
    Ok(Some(ShownPair { message: Some(item), assignment: None }))
}

/// What is here of an id; none where nothing is.
async fn pair(
    scheduler: &SchedulerClient,
    id: Id,
    process: Option<Id>,
) -> Result<Option<ShownPair>, HttpError> {
    let within = process.map_or(String::new(), |process| format!("&process-id={process}"));
    let answer = told(scheduler.answer(&format!("/{id}?show-anchor=true{within}")).await)?;
    match answer.status {
        200 => match understood::<ShownPair>(&answer)? {
            ShownPair { message: None, assignment: None } => Err(unfit("it answers nothing and says 200")),
            found => Ok(Some(found)),
        },
        404 => Ok(None),
        // Some tell of ids within a process alone, and no answer is not an empty one.
        status => {
            Err(unfit(&format!("of an id without its process it answers {status}: look for the process")))
        }
    }
}

fn understood<T: for<'de> Deserialize<'de>>(answer: &RawAnswer) -> Result<T, HttpError> {
    let body = answer.body.as_deref().unwrap_or_default();
    serde_json::from_slice(body).map_err(|error| unfit(&error.to_string()))
}

fn told<T>(answer: Result<T, ClientError>) -> Result<T, HttpError> {
    answer.map_err(|error| no_answer(&error))
}

/// Whoever is away may be back soon, and is asked again then; whoever answers what no scheduler does is not.
pub(super) fn no_answer(error: &ClientError) -> HttpError {
    let is_away = matches!(error, ClientError::Unreachable { .. } | ClientError::Refused { .. });
    HttpError::new(if is_away { Code::Unavailable } else { Code::GatewayError }, chain(error))
}

fn unfit(reason: &str) -> HttpError {
    HttpError::new(Code::GatewayError, format!("it does not answer as a scheduler does: {reason}"))
}

#[cfg(test)]
mod tests;
