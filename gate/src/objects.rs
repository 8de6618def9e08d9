//! A gate in an object store, or in a folder.
//!
//! ```text
//! records/00000000000000000042     one object for each record, which has the record's number for its name
//! conditional                      what shows that the store creates an object only where there is none
//! ```
//!
//! A record is put by creating its object, which a store does once: who comes later is refused. That alone decides. The
//! term is not in the name, or two writers could each have an object of the same number; nothing is ever listed, replaced
//! or deleted; and as numbers have no gaps the end is found by looking for numbers that are there.
//!
//! The store itself compares nothing, so what a record must go on from is read before it is put: what is there never
//! changes, and as its number is taken once, it is still the last when its successor is created.

mod opening;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use futures_util::{StreamExt, stream};
use object_store::path::Path;
use object_store::{Error as StoreError, ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload};
use tokio::time::timeout;

use crate::contract::{Durability, Gate, GateError, Put};
use crate::place::GateContents;
use crate::record::GateRecord;
use crate::rule::{PutVerdict, judge};

use opening::{CONDITIONAL, MARK};
pub use opening::{ObjectGateError, ObjectGateOptions};

const RECORDS: &str = "records";
/// How many records are fetched at a time: a store takes long to answer, whatever it is asked for.
const AT_A_TIME: usize = 16;
/// For so long what was last in the store is taken to be there still: a store that is set back is found out by then.
const SEEN_FOR: Duration = Duration::from_secs(1);

/// A gate in an object store.
pub struct ObjectGate {
    store: Box<dyn ObjectStore>,
    folder: Path,
    durability: Durability,
    answer_within: Duration,
    seen_for: Duration,
    seen: Mutex<Seen>,
}

/// What is known of the store.
#[derive(Default)]
struct Seen {
    /// That it creates an object only where there is none.
    is_conditional: bool,
    /// The newest record, and when it was known to be there.
    last: Option<(GateContents, Instant)>,
}

impl ObjectGate {
    fn new(
        store: Box<dyn ObjectStore>,
        folder: Path,
        durability: Durability,
        answer_within: Duration,
    ) -> Self {
        let seen = Mutex::default();
        Self { store, folder, durability, answer_within, seen_for: SEEN_FOR, seen }
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        // Nothing is done under this lock that could panic half-way.
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn object(&self, number: u64) -> Path {
        self.folder.clone().join(RECORDS).join(format!("{number:020}"))
    }

    /// Waits for the store, but not for ever.
    async fn in_time<T>(&self, work: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
        let within = self.answer_within;
        let silent = |_| {
            let said = format!("no answer within {} s", within.as_secs_f32());
            StoreError::Generic { store: "gate", source: said.into() }
        };
        timeout(within, work).await.map_err(silent)?
    }

    /// Creates an object where there is none; whether there was none.
    async fn create(&self, object: &Path, bytes: PutPayload) -> Result<bool, StoreError> {
        let options = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
        match self.in_time(self.store.put_opts(object, bytes, options)).await {
            Ok(_) => Ok(true),
            Err(StoreError::AlreadyExists { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Sees once that the store does create an object only where there is none: some replace it in silence.
    async fn see_conditional(&self) -> Result<(), GateError> {
        if self.seen().is_conditional {
            return Ok(());
        }
        let object = self.folder.clone().join(CONDITIONAL);
        for _ in 0..2 {
            if !self.create(&object, PutPayload::from_static(MARK)).await.map_err(GateError::away)? {
                self.seen().is_conditional = true;
                return Ok(());
            }
        }
        Err(GateError::Unfit(
            "this store replaces objects that it was asked to create only where there is none (If-None-Match): of two \
             nodes each could take the same number"
                .to_owned(),
        ))
    }

    async fn is_there(&self, number: u64) -> Result<bool, GateError> {
        let object = self.object(number);
        match self.in_time(self.store.head(&object)).await {
            Ok(_) => Ok(true),
            Err(StoreError::NotFound { .. }) => Ok(false),
            Err(error) => Err(GateError::away(error)),
        }
    }

    /// The record of a number; none where there is none.
    async fn record(&self, number: u64) -> Result<Option<GateRecord>, GateError> {
        let object = self.object(number);
        let get = async { self.store.get(&object).await?.bytes().await };
        let bytes = match self.in_time(get).await {
            Ok(bytes) => bytes,
            Err(StoreError::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(GateError::away(error)),
        };
        let damaged = |reason: String| GateError::Damaged { number, reason };
        let record = GateRecord::decode(&bytes).map_err(|error| damaged(error.to_string()))?;
        if record.number() == number {
            Ok(Some(record))
        } else {
            Err(damaged("another one is there".to_owned()))
        }
    }

    /// What the gate holds up to this record.
    fn up_to(&self, last: &GateRecord) -> GateContents {
        let GateRecord { store, claim, .. } = *last;
        GateContents { store, end: last.after(), claim, durability: self.durability }
    }

    /// How many records there are: numbers have no gaps, so steps are doubled until one is missing, and halved then.
    async fn count(&self) -> Result<u64, GateError> {
        let known = self.seen().last.map_or(0, |(contents, _)| contents.end.records);
        // Records low-1 and before are there, if a store is not set back.
        let (mut low, mut step) = (known, 1_u64);
        if known > 0 && !self.is_there(known.saturating_sub(1)).await? {
            low = 0;
        }
        let mut high = loop {
            let next = low.saturating_add(step).saturating_sub(1);
            if !self.is_there(next).await? {
                break next;
            }
            (low, step) = (next.saturating_add(1), step.saturating_mul(2));
        };
        while low < high {
            let middle = low.midpoint(high);
            if self.is_there(middle).await? {
                low = middle.saturating_add(1);
            } else {
                high = middle;
            }
        }
        Ok(low)
    }

    async fn end(&self) -> Result<Option<GateContents>, GateError> {
        let count = self.count().await?;
        let Some(last) = count.checked_sub(1) else { return Ok(None) };
        let missing = || GateError::away("the end of the gate was changing");
        let contents = self.up_to(&self.record(last).await?.ok_or_else(missing)?);
        self.note(contents);
        Ok(Some(contents))
    }

    fn note(&self, contents: GateContents) {
        self.seen().last = Some((contents, Instant::now()));
    }

    /// What the gate holds before a record.
    async fn before(&self, record: &GateRecord) -> Result<Option<GateContents>, GateError> {
        let Some(last) = record.number().checked_sub(1) else { return Ok(None) };
        let seen = self.seen().last;
        let is_fresh = |(there, at): &(GateContents, Instant)| {
            there.end.records == record.number() && at.elapsed() < self.seen_for
        };
        if let Some((there, _)) = seen.filter(is_fresh) {
            return Ok(Some(there));
        }
        match self.record(last).await? {
            Some(last) => Ok(Some(self.up_to(&last))),
            None => Err(GateError::Forgot { there: self.count().await?, known: record.number() }),
        }
    }

    async fn refused(&self) -> Result<Put, GateError> {
        let nothing = || GateError::away("the end of the gate was changing");
        Ok(Put::Refused(self.end().await?.ok_or_else(nothing)?))
    }
}

#[async_trait]
impl Gate for ObjectGate {
    fn kind(&self) -> &'static str {
        "objects"
    }

    async fn contents(&self) -> Result<Option<GateContents>, GateError> {
        self.see_conditional().await?;
        self.end().await
    }

    async fn look(&self) -> Result<Option<GateContents>, GateError> {
        self.end().await
    }

    async fn put(&self, record: &GateRecord) -> Result<Put, GateError> {
        self.see_conditional().await?;
        let before = self.before(record).await?;
        match judge(before.as_ref(), record)? {
            PutVerdict::Next => {}
            PutVerdict::Earlier | PutVerdict::Refused => return self.refused().await,
        }
        let object = self.object(record.number());
        let is_new =
            self.create(&object, PutPayload::from(record.encode())).await.map_err(GateError::unknown)?;
        if !is_new {
            let there = self.record(record.number()).await?;
            let there = there.ok_or_else(|| GateError::unknown("it is there, and cannot be read"))?;
            if there != *record {
                return self.refused().await;
            }
        }
        self.note(self.up_to(record));
        Ok(Put::Taken)
    }

    async fn read(&self, from: u64, bytes: usize) -> Result<Vec<GateRecord>, GateError> {
        let at_a_time = if bytes < crate::BATCH_BYTES { 1 } else { AT_A_TIME };
        let numbers = (0..=u64::MAX).map_while(|step| from.checked_add(step));
        let mut records = stream::iter(numbers).map(|number| self.record(number)).buffered(at_a_time);
        let (mut page, mut size) = (Vec::new(), 0_usize);
        while let Some(record) = records.next().await {
            let Some(record) = record? else { break };
            size = size.saturating_add(record.size());
            if !page.is_empty() && size > bytes {
                break;
            }
            page.push(record);
        }
        Ok(page)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use std::sync::Arc;
    use std::{fs, path};

    use super::*;
    use crate::publisher::PublishError;
    use crate::suite::{GateSetup, all, batch, claimed, gate_suite, node};
    use tempfile::TempDir;
    use url::Url;

    /// A folder of a test's own, and one for its copy.
    struct InFolder([TempDir; 2]);

    impl InFolder {
        fn new() -> Self {
            Self([(); 2].map(|()| tempfile::tempdir().unwrap()))
        }

        fn open(&self) -> ObjectGate {
            let url = Url::from_directory_path(self.0[0].path()).unwrap().to_string();
            let answer_within = Duration::from_secs(20);
            let options =
                ObjectGateOptions { url, settings: Vec::new(), single_copy_accepted: true, answer_within };
            ObjectGate::open(&options).unwrap()
        }

        fn record(&self, number: u64) -> path::PathBuf {
            self.0[0].path().join(format!("{RECORDS}/{number:020}"))
        }
    }

    #[async_trait]
    impl GateSetup for InFolder {
        async fn gate(&self) -> Arc<dyn Gate> {
            let mut gate = self.open();
            gate.seen_for = Duration::ZERO;
            Arc::new(gate)
        }

        async fn back_up(&self) {
            copy(self.0[0].path(), self.0[1].path());
        }

        async fn restore(&self) {
            fs::remove_dir_all(self.0[0].path().join(RECORDS)).unwrap();
            copy(self.0[1].path(), self.0[0].path());
        }
    }

    fn copy(from: &path::Path, to: &path::Path) {
        fs::create_dir_all(to.join(RECORDS)).unwrap();
        for entry in fs::read_dir(from.join(RECORDS)).unwrap().map(Result::unwrap) {
            fs::copy(entry.path(), to.join(RECORDS).join(entry.file_name())).unwrap();
        }
    }

    gate_suite!(async { InFolder::new() });

    #[tokio::test]
    async fn the_end_is_found_however_many_there_are() {
        let folder = InFolder::new();
        let gate = folder.gate().await;
        let mut one = claimed(&gate, node(1)).await;
        for _ in 0..40 {
            let end = one.publish(batch(one.end(), &["a"])).await.unwrap();
            let fresh = folder.gate().await;
            assert_eq!(fresh.contents().await.unwrap().unwrap().end, end);
            assert_eq!(gate.contents().await.unwrap().unwrap().end, end);
        }
        assert_eq!(all(&gate).await.len(), 41);
    }

    #[tokio::test]
    async fn a_store_that_is_set_back_under_a_writer_is_found_out_soon() {
        let folder = InFolder::new();
        let gate: Arc<dyn Gate> = Arc::new(folder.open());
        let mut one = claimed(&gate, node(1)).await;
        for text in ["a", "b", "c"] {
            one.publish(batch(one.end(), &[text])).await.unwrap();
        }
        for number in [2, 3] {
            fs::remove_file(folder.record(number)).unwrap();
        }
        tokio::time::sleep(SEEN_FOR).await;
        let said = one.publish(batch(one.end(), &["d"])).await;
        assert!(
            matches!(said, Err(PublishError::Gate(GateError::Forgot { there: 2, known: 4 }))),
            "{said:?}"
        );
    }

    #[tokio::test]
    async fn what_is_damaged_is_told_with_its_number() {
        let folder = InFolder::new();
        let gate = folder.gate().await;
        let mut one = claimed(&gate, node(1)).await;
        for text in ["a", "b", "c"] {
            one.publish(batch(one.end(), &[text])).await.unwrap();
        }
        let whole = fs::read(folder.record(2)).unwrap();
        for damaged in [&whole[..50], &fs::read(folder.record(1)).unwrap(), b""] {
            fs::write(folder.record(2), damaged).unwrap();
            let said = gate.read(0, 1 << 30).await;
            assert!(matches!(said, Err(GateError::Damaged { number: 2, .. })), "{said:?}");
        }
    }

    #[test]
    fn addresses_are_told_what_is_wrong_with_them() {
        let open = |url: &str, single_copy_accepted| {
            let answer_within = Duration::from_secs(1);
            let settings = vec![("AWS_REGION".to_owned(), "eu-west-1".to_owned())];
            let options =
                ObjectGateOptions { url: url.to_owned(), settings, single_copy_accepted, answer_within };
            ObjectGate::open(&options).map(|gate| gate.durability).map_err(|error| error.to_string())
        };
        for (url, accepted, told) in [
            ("", true, "expected file:///folder"),
            ("bucket", true, "expected file:///folder"),
            ("ftp://host/folder", true, "not ftp:"),
            ("https://example.com/folder", true, "not https:"),
            ("memory:///", true, "not memory:"),
            ("file:///nowhere", false, "GATE_SINGLE_COPY=accept"),
            ("file:///proc/nowhere", true, "the folder /proc/nowhere"),
            ("file:///proc/self", true, "is no gate"),
            ("s3://key:secret@bucket/folder", true, "AWS_ACCESS_KEY_ID"),
        ] {
            let said = open(url, accepted).unwrap_err();
            assert!(said.contains(told), "{url}: {said}");
        }
        assert_eq!(open("s3://bucket/folder", false), Ok(Durability::Replicated));
    }
}
