//! What is let in of what clients send: for which processes, how long, and whether a router has placed it here.

use std::collections::HashSet;
use std::hash::Hash;
use std::str::FromStr;

use ans104::IdError;
use clap::{ArgAction, Args};
use gateway::{EndpointError, Url, parse_file_url, parse_url};
use limits::{ItemOptions, PlacementOptions, ProcessSource, SizeLimit};
use thiserror::Error;

/// What is let in of what clients send, at a node or a router.
#[derive(Clone, Debug, Args)]
pub struct AcceptedItemArgs {
    /// A JSON array of the ids of the processes that may be spawned here and that messages are taken for, or the list of
    /// the existing scheduler, which also names those that are only read; it is fetched every 10 seconds, and the last
    /// good one counts. While it was never read, and if it is empty, nothing is taken [default: all processes]
    #[arg(long, env, value_name = "URL")]
    process_whitelist_url: Option<String>,

    /// What a list of the existing scheduler at PROCESS_WHITELIST_URL calls this node
    #[arg(long, env, value_name = "URL")]
    url: Option<String>,

    /// Whether messages may be no longer than MAX_MESSAGE_SIZE_BYTES
    #[arg(long, env, value_name = "BOOL", action = ArgAction::Set, default_value_t = false)]
    enable_message_max_size: bool,

    /// The most bytes of a message, with its signature and tags
    #[arg(long, env, value_name = "BYTES", default_value_t = 102_400)]
    max_message_size_bytes: usize,

    /// Addresses, separated by commas, of wallets whose messages may be longer
    #[arg(long, env, value_name = "ADDRESSES")]
    max_size_owner_whitelist: Option<String>,

    /// Addresses, separated by commas, of wallets whose messages may be longer if they are from a process of
    /// MAX_SIZE_FROM_WHITELIST
    #[arg(long, env, value_name = "ADDRESSES")]
    max_size_from_owner_whitelist: Option<String>,

    /// Processes, separated by commas, whose messages (From-Process) may be longer if a wallet of
    /// MAX_SIZE_FROM_OWNER_WHITELIST has signed them
    #[arg(long, env, value_name = "IDS")]
    max_size_from_whitelist: Option<String>,
}

/// What is let in of what clients send.
#[derive(Clone, Debug, Args)]
pub struct ItemArgs {
    #[command(flatten)]
    accepted: AcceptedItemArgs,

    /// Whether the router is asked before a process is spawned, and one that belongs elsewhere is refused
    #[arg(long, env, value_name = "BOOL", action = ArgAction::Set, default_value_t = false)]
    enable_router_check: bool,

    /// The router that is asked: it must redirect to the scheduler that has a process, and that one must have the store
    /// of this node
    #[arg(long, env, value_name = "URL")]
    router_url: Option<String>,

    /// The number that the router has for this node, if it redirects to hosts named su<NUMBER>; that is compared then,
    /// and not the store [default: none]
    #[arg(long, env, value_name = "NUMBER")]
    assignment: Option<String>,
}

/// A setting of what is let in that cannot be used.
#[derive(Debug, Error)]
pub enum ItemSettingError {
    /// A URL is none.
    #[error(transparent)]
    Url(#[from] EndpointError),
    /// An entry of a list is no id.
    #[error("{variable}, entry {number}: {error}")]
    Id {
        /// The setting.
        variable: &'static str,
        /// Which entry, from 1.
        number: usize,
        /// Why.
        error: IdError,
    },
    /// No message is so short.
    #[error("MAX_MESSAGE_SIZE_BYTES is 0; it takes a number of bytes, 1 or more")]
    NoSize,
    /// Nobody can be asked.
    #[error("ENABLE_ROUTER_CHECK is true, and ROUTER_URL is not set: it takes the URL of the router")]
    NoRouter,
}

impl AcceptedItemArgs {
    /// What is let in, wherever a process has been placed.
    ///
    /// # Errors
    /// When one of the settings is not of its form.
    pub fn options(&self) -> Result<ItemOptions, ItemSettingError> {
        let processes = self.process_whitelist_url.as_deref();
        let processes = processes.map(|url| parse_file_url("PROCESS_WHITELIST_URL", url)).transpose()?;
        let processes = processes.map(|url| ProcessSource { url, own: self.url.clone() });
        Ok(ItemOptions { processes, sizes: self.sizes()?, placement: None })
    }

    /// What is wrong with the exceptions is told also where there is nothing to except them from.
    fn sizes(&self) -> Result<Option<SizeLimit>, ItemSettingError> {
        if self.max_message_size_bytes == 0 {
            return Err(ItemSettingError::NoSize);
        }
        let limit = SizeLimit {
            bytes_max: self.max_message_size_bytes,
            owners: ids("MAX_SIZE_OWNER_WHITELIST", self.max_size_owner_whitelist.as_deref())?,
            from_owners: ids("MAX_SIZE_FROM_OWNER_WHITELIST", self.max_size_from_owner_whitelist.as_deref())?,
            from: ids("MAX_SIZE_FROM_WHITELIST", self.max_size_from_whitelist.as_deref())?,
        };
        Ok(self.enable_message_max_size.then_some(limit))
    }
}

impl ItemArgs {
    /// What is let in.
    ///
    /// # Errors
    /// When one of the settings is not of its form.
    pub fn options(&self) -> Result<ItemOptions, ItemSettingError> {
        let accepted = self.accepted.options()?;
        let router = self.router()?;
        let router = match (self.enable_router_check, router) {
            (true, None) => return Err(ItemSettingError::NoRouter),
            (true, router) => router,
            (false, _) => None,
        };
        let assignment = self.assignment.clone();
        let placement = router.map(|router| PlacementOptions { router, assignment });
        Ok(ItemOptions { placement, ..accepted })
    }

    /// The router in front of the node, if there is one.
    ///
    /// # Errors
    /// When it is no URL.
    pub fn router(&self) -> Result<Option<Url>, EndpointError> {
        self.router_url.as_deref().map(|url| parse_url("ROUTER_URL", url)).transpose()
    }
}

/// The ids or addresses in a list that is separated by commas.
fn ids<T: FromStr<Err = IdError> + Eq + Hash>(
    variable: &'static str,
    list: Option<&str>,
) -> Result<HashSet<T>, ItemSettingError> {
    let entries = list.unwrap_or_default().split(',').map(str::trim).enumerate();
    let entries = entries.filter(|(_, entry)| !entry.is_empty()).map(|(index, entry)| {
        entry.parse().map_err(|error| ItemSettingError::Id { variable, number: index + 1, error })
    });
    entries.collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use ans104::Address;

    use super::*;

    #[test]
    fn lists_of_ids_are_read_or_the_wrong_entry_is_named() {
        let address = Address::from_bytes([7; 32]);
        let read = |list: &str| ids::<Address>("LIST", Some(list));
        assert_eq!(read(&format!(" {address} ,,{address}")).unwrap(), HashSet::from([address]));
        assert!(ids::<Address>("LIST", None).unwrap().is_empty());
        let error = read(&format!("{address},nobody")).unwrap_err().to_string();
        assert!(error.starts_with("LIST, entry 2: expected 43 characters"), "{error}");
    }
}
