//! Opening a log: which store it is, that its end is where it was, and what is brought up to date.

use std::sync::Arc;

use protocol::ProcessId;
use thiserror::Error;
use tracing::info;

use crate::appender::Appender;
use crate::check::{check_end, check_new};
use crate::contract::Tail;
use crate::digest_chain::CatchUpError;
use crate::engine::{Engine, StoreBatch};
use crate::error::{EngineError, ReadError};
use crate::identity::{Identity, NodeId, StoreId, Term};
use crate::ids::Seq;
use crate::keys::{StoreKey, StoreTable};
use crate::moves::Moves;
use crate::reader::LogReader;
use crate::released::{LateHeads, Release};
use crate::staging::KnownLog;
use crate::state::LogState;
use crate::stored;

/// Why a log is not opened.
#[derive(Debug, Error)]
pub enum OpenError {
    /// The store cannot be read, or is damaged where the log ends.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The store is new and could not be written to.
    #[error("the new store cannot be written: {0}")]
    Create(#[source] EngineError),
    /// The store is another one than was asked for.
    #[error("this is the store {found}, not {expected}")]
    OtherStore {
        /// The store that is there.
        found: StoreId,
        /// The store that was asked for.
        expected: StoreId,
    },
    /// The folder is marked as that of another store than the one that is in it.
    #[error(
        "the folder is marked as that of the store {marked} by its file QUIPU, but the store {found} is in it; if it was \
         put there on purpose, delete that file"
    )]
    OtherMark {
        /// The store that is there.
        found: StoreId,
        /// The store that the mark names.
        marked: StoreId,
    },
    /// What is kept of the store's history beside its events could not be brought up to date.
    #[error("the store cannot be brought up to date: {0}")]
    Update(#[source] EngineError),
    /// The appender's thread could not be started.
    #[error("cannot start the appender's thread: {0}")]
    Thread(#[source] std::io::Error),
}

pub(crate) type Started<E> = (Arc<LogState<E>>, Appender<E>);

/// What a log over this engine consists of, see [`LocalLog::open`](crate::LocalLog::open).
pub(crate) fn start<E: Engine>(
    engine: E,
    wanted: Option<Identity>,
    bounded: bool,
) -> Result<Started<E>, OpenError> {
    let reader = LogReader::new(Arc::new(engine));
    let (identity, held) = identify(&reader, wanted)?;
    let (last, released) = check_end(&reader, held)?;
    let digest =
        reader.catch_up_digest(last.map_or(0, |last| last.next().get())).map_err(|error| match error {
            CatchUpError::Read(error) => OpenError::Read(error),
            CatchUpError::Write(error) => OpenError::Update(error),
        })?;
    let known = KnownLog::new(&reader, identity, held, digest)?;
    let late = LateHeads::of(&reader, released, last)?;
    let (tail_publisher, tail) = Tail::new(released);
    let (synced_publisher, synced) = Tail::new(last);
    let facts =
        late.newest(ProcessId::NODE).map_or_else(|| reader.head(ProcessId::NODE), |head| Ok(Some(head)))?;
    let moves = Moves::of(&reader, facts)?;
    let release = Release::new(held, last, late, moves, tail_publisher);
    let state = Arc::new(LogState::new(reader, identity, bounded, release, (tail, synced)));
    let appender = Appender::new(Arc::clone(&state), known, synced_publisher);
    Ok((state, appender))
}

/// Which store this is, and whether its events are released one by one; a new one is given its identity.
fn identify<E: Engine>(
    reader: &LogReader<E>,
    wanted: Option<Identity>,
) -> Result<(Identity, bool), OpenError> {
    let marked = reader.engine().marked();
    let mark = |store| reader.engine().mark(store).map_err(OpenError::Create);
    if let Some((identity, held)) = reader.identity()? {
        let found = identity.store;
        if let Some(expected) = wanted.map(|wanted| wanted.store).filter(|store| *store != found) {
            return Err(OpenError::OtherStore { found, expected });
        }
        match marked {
            Some(marked) if marked != found => return Err(OpenError::OtherMark { found, marked }),
            Some(_) => {}
            None => mark(found)?,
        }
        if reader.terms()?.is_empty() {
            // From before terms had a place in the order.
            reader.engine().commit(&first_term(identity)).map_err(OpenError::Update)?;
        }
        return Ok((identity, held));
    }
    check_new(reader)?;
    let store = || marked.unwrap_or_else(StoreId::new);
    let identity = wanted.unwrap_or_else(|| Identity { store: store(), term: Term(1) });
    if marked != Some(identity.store) {
        mark(identity.store)?;
    }
    let key = StoreKey::identity();
    let mut batch = first_term(identity);
    batch.put(StoreTable::Meta, key, stored::seal(&key, stored::write_identity(&identity, false)));
    reader.engine().commit(&batch).map_err(OpenError::Create)?;
    info!(store = %identity.store, term = %identity.term, "made a new log");
    Ok((identity, false))
}

/// What remembers the term that a store was made in.
fn first_term(identity: Identity) -> StoreBatch {
    let mut batch = StoreBatch::default();
    let key = StoreKey::term(Seq::ZERO);
    batch.put(StoreTable::Meta, key, stored::seal(&key, stored::write_term(identity.term, NodeId::UNKNOWN)));
    batch
}
