//! The list of processes that messages are taken for: plain ids, or the form of the existing scheduler, which is one
//! list for several schedulers and says of each process which of them has it.

use std::collections::HashMap;

use protocol::ProcessId;
use serde::Deserialize;

use crate::list::{ListContent, ListError};
use crate::refusal::LimitRefusal;

/// The list of processes and which part of it counts here.
#[derive(Clone, Debug)]
pub struct ProcessSource {
    /// Where the list is.
    pub url: reqwest::Url,
    /// The URL by which the list names this scheduler.
    pub own: Option<String>,
}

/// The processes of this scheduler.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProcessList(HashMap<ProcessId, Access>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Access {
    Open,
    ReadOnly,
}

/// A list for several schedulers. What it says of databases is theirs.
#[derive(Deserialize)]
struct SharedForm {
    processes: HashMap<String, EntryForm>,
}

#[derive(Deserialize)]
struct EntryForm {
    su: String,
    read_only: Option<bool>,
}

impl ProcessList {
    /// Reads a list, of which those entries count that name the scheduler `own`.
    ///
    /// # Errors
    /// When it has neither form, an entry is wrong, or it is of several schedulers and `own` is none.
    pub fn parse(json: &[u8], own: Option<&str>) -> Result<Self, ListError> {
        if json.trim_ascii_start().first() != Some(&b'{') {
            let ids: Vec<String> = serde_json::from_slice(json).map_err(ListError::Json)?;
            let entries = ids.iter().enumerate().map(|(index, id)| {
                let id = id.parse().map_err(|error| ListError::entry(index, &error))?;
                Ok((id, Access::Open))
            });
            return Ok(Self(entries.collect::<Result<_, ListError>>()?));
        }
        let form: SharedForm = serde_json::from_slice(json).map_err(ListError::Json)?;
        let own = place(own.ok_or(ListError::NoOwnUrl)?);
        let here = form.processes.into_iter().filter(|(_, entry)| place(&entry.su) == own);
        let entries = here.map(|(id, entry)| {
            let access = if entry.read_only == Some(true) { Access::ReadOnly } else { Access::Open };
            match id.parse() {
                Ok(process) => Ok((process, access)),
                Err(error) => Err(ListError::Named { reason: format!("{error}"), of: id }),
            }
        });
        Ok(Self(entries.collect::<Result<_, ListError>>()?))
    }

    /// Refuses a process that nothing is taken for.
    ///
    /// # Errors
    /// When it is not on the list, or there to be read alone.
    pub fn check(&self, process: ProcessId) -> Result<(), LimitRefusal> {
        match self.0.get(&process) {
            Some(Access::Open) => Ok(()),
            Some(Access::ReadOnly) => Err(LimitRefusal::ReadOnly(process)),
            None => Err(LimitRefusal::Process(process)),
        }
    }
}

/// A URL of a scheduler as it is compared: people write it with a slash at its end or without.
fn place(url: &str) -> &str {
    url.trim().trim_end_matches('/')
}

impl ListContent for ProcessList {
    fn entries(&self) -> usize {
        self.0.len()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use ans104::Id;
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    const OWN: &str = "https://su7.example";

    fn id(number: u8) -> ProcessId {
        Id::from_bytes([number; 32]).into()
    }

    fn parse(list: &serde_json::Value, own: Option<&str>) -> Result<ProcessList, ListError> {
        ProcessList::parse(list.to_string().as_bytes(), own)
    }

    #[test]
    fn a_plain_list_has_ids() {
        let list = parse(&json!([id(1).to_string(), id(2).to_string()]), None).unwrap();
        assert_eq!(list.entries(), 2);
        list.check(id(1)).unwrap();
        assert_eq!(list.check(id(3)), Err(LimitRefusal::Process(id(3))));
        assert_eq!(ProcessList::parse(b" \n[]", None).unwrap(), ProcessList::default());
    }

    #[test]
    fn of_a_list_for_several_schedulers_the_own_part_counts() {
        let list = json!({
            "sus": { OWN: { "dbs": [{ "db_name": "one", "efs_name": "two" }] } },
            "processes": {
                id(1).to_string(): { "su": OWN, "db_name": "one" },
                id(2).to_string(): { "su": "https://su7.example/", "db_name": "one", "read_only": true },
                id(3).to_string(): { "su": "https://su8.example", "db_name": "one" },
                id(4).to_string(): { "su": OWN, "db_name": "one", "read_only": false },
                "no id, but another's": { "su": "https://su8.example" },
            },
        });
        for own in [OWN, "https://su7.example/"] {
            let list = parse(&list, Some(own)).unwrap();
            list.check(id(1)).unwrap();
            list.check(id(4)).unwrap();
            assert_eq!(list.check(id(2)), Err(LimitRefusal::ReadOnly(id(2))));
            assert_eq!(list.check(id(3)), Err(LimitRefusal::Process(id(3))));
        }
        assert!(matches!(parse(&list, None), Err(ListError::NoOwnUrl)));
        assert_eq!(parse(&list, Some("https://su9.example")).unwrap(), ProcessList::default());
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_list_or_an_error(bytes in any::<Vec<u8>>()) {
            let _ = ProcessList::parse(&bytes, Some(OWN));
        }
    }

    #[test]
    fn what_is_wrong_with_a_list_is_named() {
        for (list, told) in [
            (json!(["x"]), "entry 1"),
            (json!([id(1).to_string(), 2]), "JSON"),
            (json!("x"), "JSON"),
            (json!({}), "processes"),
            (json!({ "processes": { "x": { "su": OWN } } }), "the entry of x"),
            (json!({ "processes": { id(1).to_string(): {} } }), "su"),
            (json!({ "processes": { id(1).to_string(): { "su": OWN, "read_only": "yes" } } }), "boolean"),
        ] {
            let error = parse(&list, Some(OWN)).unwrap_err().to_string();
            assert!(error.contains(told), "{list}: {error}");
        }
        ProcessList::parse(b"", None).unwrap_err();
    }
}
