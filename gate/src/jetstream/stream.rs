//! The stream that a gate needs, and what is asked of those that keep it.

use std::time::Duration;

use async_nats::Client;
use async_nats::jetstream::context::{CreateStreamErrorKind, GetStreamErrorKind};
use async_nats::jetstream::stream::{
    Config, DiscardPolicy, Info, PersistenceMode, RetentionPolicy, StorageType,
};
use async_nats::jetstream::{Context, ErrorCode};

use crate::batch::BATCH_BYTES;
use crate::contract::{Durability, GateError};

/// In how many copies a stream is to be: what two of three have outlives the loss of one.
const REPLICAS: usize = 3;
/// The first version of which servers can be told to sync before they acknowledge, in streams that are replicated, too.
const SYNCS_SINCE: (i64, i64) = (2, 12);
/// A batch, and the largest event behind it that is taken from clients, with what belongs to it.
const MESSAGE_BYTES: usize = BATCH_BYTES + (12 << 20);

/// The subject of a stream.
pub(super) fn subject(stream: &str) -> String {
    format!("quipu.gate.{stream}")
}

/// A stream as its leader tells it.
pub(super) struct StreamSeen(Info);

impl StreamSeen {
    /// What there is of this name.
    pub(super) async fn look(context: &Context, stream: &str) -> Result<Option<Self>, GateError> {
        match context.get_stream(stream).await {
            Ok(stream) => Ok(Some(Self(stream.cached_info().clone()))),
            Err(error) => match error.kind() {
                GetStreamErrorKind::JetStream(said) if said.error_code() == ErrorCode::STREAM_NOT_FOUND => {
                    Ok(None)
                }
                _ => Err(GateError::away(error)),
            },
        }
    }

    /// Makes it: in several copies, or in one where no more are to be had and that is accepted.
    pub(super) async fn make(
        context: &Context,
        stream: &str,
        single_copy_accepted: bool,
    ) -> Result<Self, GateError> {
        let replicas = if single_copy_accepted { &[REPLICAS, 1][..] } else { &[REPLICAS] };
        for replicas in replicas {
            match context.create_stream(config(stream, *replicas)).await {
                Ok(made) => return Ok(Self(made.cached_info().clone())),
                Err(error) => match error.kind() {
                    CreateStreamErrorKind::JetStream(said)
                        if said.error_code() == ErrorCode::STREAM_REPLICAS_NOT_SUPPORTED => {}
                    // A cluster that has just been started may have enough of them soon.
                    CreateStreamErrorKind::JetStream(said)
                        if said.error_code() == ErrorCode::CLUSTER_NO_PEERS =>
                    {
                        return Err(GateError::away(format!(
                            "the cluster has no {replicas} servers now that could keep the stream, which is to be on so many: \
                             {said}"
                        )));
                    }
                    // Another one has just made it, or it takes longer: the next question finds it.
                    _ => return Err(GateError::away(error)),
                },
            }
        }
        Err(GateError::Unfit(format!(
            "this server is alone, and the stream is to be on {REPLICAS}: name one of a cluster of so many; {ACCEPT}"
        )))
    }

    /// How many records there are.
    pub(super) fn count(&self) -> Result<u64, GateError> {
        let state = &self.0.state;
        let is_whole = state.messages == state.last_sequence && state.deleted_count.unwrap_or_default() == 0;
        if is_whole {
            return Ok(state.last_sequence);
        }
        let reason = format!("of {} messages {} are there", state.last_sequence, state.messages);
        Err(GateError::Damaged { number: state.last_sequence, reason })
    }

    /// How safely the stream is kept, as far as a client can tell.
    pub(super) fn durability(&self, client: &Client) -> Durability {
        match self.wanting(client) {
            Some(_) => Durability::SingleCopy,
            None => Durability::Replicated,
        }
    }

    /// What is wanting to keep it as safely as it should be.
    fn wanting(&self, client: &Client) -> Option<String> {
        let (replicas, (major, minor)) = (self.0.config.num_replicas, SYNCS_SINCE);
        if replicas < REPLICAS {
            return Some(format!(
                "the stream is on {replicas} of the {REPLICAS} servers that it should be on"
            ));
        }
        let version = client.server_info().version;
        (!client.is_server_compatible(major, minor, 0)).then(|| {
            format!(
                "this server has version {version}: it cannot be told to sync what it acknowledges, as {major}.{minor} can \
                 with `sync_interval: always`"
            )
        })
    }

    /// Sees that the stream and the server are what a gate relies on: how safely it is kept.
    pub(super) fn check(&self, client: &Client, single_copy_accepted: bool) -> Result<Durability, GateError> {
        let config = &self.0.config;
        if let Some(what) = unlike(config) {
            return Err(GateError::Unfit(format!(
                "the stream {} {what}: a gate needs one of its own, and makes it where there is none",
                config.name
            )));
        }
        let payload = client.server_info().max_payload;
        if payload < MESSAGE_BYTES {
            return Err(GateError::Unfit(format!(
                "this server takes messages of up to {payload} bytes, and a batch may have {MESSAGE_BYTES}: set \
                 `max_payload: {}MB` in all servers",
                MESSAGE_BYTES >> 20
            )));
        }
        match self.wanting(client) {
            Some(wanting) if !single_copy_accepted => Err(GateError::Unfit(format!("{wanting}; {ACCEPT}"))),
            Some(_) => Ok(Durability::SingleCopy),
            None => Ok(Durability::Replicated),
        }
    }
}

const ACCEPT: &str = "or accept that what was taken can be lost, with GATE_SINGLE_COPY=accept";

/// The stream that is made.
fn config(stream: &str, replicas: usize) -> Config {
    Config {
        name: stream.to_owned(),
        subjects: vec![subject(stream)],
        description: Some("the log of a node of quipu".to_owned()),
        storage: StorageType::File,
        retention: RetentionPolicy::Limits,
        discard: DiscardPolicy::New,
        num_replicas: replicas,
        deny_delete: true,
        deny_purge: true,
        ..Config::default()
    }
}

/// In what a stream is other than a gate needs it.
fn unlike(config: &Config) -> Option<&'static str> {
    reasons(config).into_iter().find_map(|(is_so, what)| is_so.then_some(what))
}

/// All in which a stream may be other, and whether this one is.
fn reasons(config: &Config) -> [(bool, &'static str); 14] {
    let is_limited = |limit: i64| limit > 0;
    let too_small =
        usize::try_from(config.max_message_size).is_ok_and(|size| size > 0 && size < MESSAGE_BYTES);
    [
        (config.subjects != [subject(&config.name)], "has other subjects"),
        (config.storage != StorageType::File, "is not kept in files"),
        (config.retention != RetentionPolicy::Limits, "lets go of what was read"),
        (config.discard != DiscardPolicy::New, "discards old messages for new ones"),
        (config.max_age != Duration::ZERO, "lets go of what is old"),
        (is_limited(config.max_messages_per_subject), "keeps a number of messages alone"),
        (too_small, "takes small messages alone"),
        (!config.deny_delete, "lets messages be deleted"),
        (!config.deny_purge, "lets itself be purged"),
        (config.allow_rollup, "lets messages replace those before them"),
        (config.no_ack, "acknowledges nothing"),
        (config.sealed, "is sealed"),
        (config.mirror.is_some() || config.sources.is_some(), "takes messages from other streams"),
        (config.persist_mode == Some(PersistenceMode::Async), "acknowledges before it has written"),
    ]
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use async_nats::jetstream::stream::Source;

    use super::*;

    /// A change to a stream.
    type Change = fn(&mut Config);

    #[test]
    fn a_stream_that_could_lose_or_change_something_is_told() {
        assert_eq!(unlike(&config("log", 3)), None);
        let changes: [(Change, &str); 16] = [
            (|config| config.subjects.push("more".to_owned()), "has other subjects"),
            (|config| config.storage = StorageType::Memory, "is not kept in files"),
            (|config| config.retention = RetentionPolicy::WorkQueue, "lets go of what was read"),
            (|config| config.retention = RetentionPolicy::Interest, "lets go of what was read"),
            (|config| config.discard = DiscardPolicy::Old, "discards old messages"),
            (|config| config.max_age = Duration::from_secs(1), "lets go of what is old"),
            (|config| config.max_messages_per_subject = 9, "keeps a number of messages alone"),
            (|config| config.max_message_size = 1 << 20, "takes small messages alone"),
            (|config| config.deny_delete = false, "lets messages be deleted"),
            (|config| config.deny_purge = false, "lets itself be purged"),
            (|config| config.allow_rollup = true, "lets messages replace"),
            (|config| config.no_ack = true, "acknowledges nothing"),
            (|config| config.sealed = true, "is sealed"),
            (|config| config.mirror = Some(Source::default()), "takes messages from other streams"),
            (|config| config.sources = Some(vec![Source::default()]), "takes messages from other streams"),
            (
                |config| config.persist_mode = Some(PersistenceMode::Async),
                "acknowledges before it has written",
            ),
        ];
        let mut told_of = Vec::new();
        for (change, told) in changes {
            let mut config = config("log", 3);
            change(&mut config);
            let said = unlike(&config).unwrap();
            assert!(said.starts_with(told), "{said}");
            told_of.push(said);
        }
        told_of.dedup();
        assert_eq!(told_of.len(), reasons(&config("log", 3)).len(), "a reason has no case here");
    }
}
