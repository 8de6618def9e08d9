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

mod opening;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use object_store::path::Path;
use object_store::{Error as StoreError, ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload};
use tokio::time::timeout;

use crate::contract::{Durability, GateError};
use crate::numbered::{NumberedGate, NumberedRecords};

use opening::{CONDITIONAL, MARK};
pub use opening::{ObjectGateError, ObjectGateOptions};

const RECORDS: &str = "records";

/// A gate in an object store.
pub type ObjectGate = NumberedGate<ObjectRecords>;

/// The records in an object store.
pub struct ObjectRecords {
    store: Box<dyn ObjectStore>,
    folder: Path,
    durability: Durability,
    answer_within: Duration,
    /// Whether the store is known to create an object only where there is none.
    is_conditional: AtomicBool,
}

impl ObjectRecords {
    fn new(
        store: Box<dyn ObjectStore>,
        folder: Path,
        durability: Durability,
        answer_within: Duration,
    ) -> Self {
        Self { store, folder, durability, answer_within, is_conditional: AtomicBool::new(false) }
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
    async fn create_object(&self, object: &Path, bytes: PutPayload) -> Result<bool, StoreError> {
        let options = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
        match self.in_time(self.store.put_opts(object, bytes, options)).await {
            Ok(_) => Ok(true),
            Err(StoreError::AlreadyExists { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn is_there(&self, number: u64) -> Result<bool, GateError> {
        let object = self.object(number);
        match self.in_time(self.store.head(&object)).await {
            Ok(_) => Ok(true),
            Err(StoreError::NotFound { .. }) => Ok(false),
            Err(error) => Err(GateError::away(error)),
        }
    }
}

#[async_trait]
impl NumberedRecords for ObjectRecords {
    fn kind(&self) -> &'static str {
        "objects"
    }

    /// Sees once that the store does create an object only where there is none: some replace it in silence.
    async fn prepare(&self, _: bool) -> Result<Option<Durability>, GateError> {
        if self.is_conditional.load(Ordering::Relaxed) {
            return Ok(Some(self.durability));
        }
        let object = self.folder.clone().join(CONDITIONAL);
        for _ in 0..2 {
            let mark = PutPayload::from_static(MARK);
            if !self.create_object(&object, mark).await.map_err(GateError::away)? {
                self.is_conditional.store(true, Ordering::Relaxed);
                return Ok(Some(self.durability));
            }
        }
        Err(GateError::Unfit(
            "this store replaces objects that it was asked to create only where there is none (If-None-Match): of two \
             nodes each could take the same number"
                .to_owned(),
        ))
    }

    /// Numbers have no gaps, so steps are doubled until one is missing, and halved then.
    async fn look(&self, known: u64) -> Result<(u64, Durability), GateError> {
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
        Ok((low, self.durability))
    }

    async fn create(&self, number: u64, record: Bytes) -> Result<bool, GateError> {
        let object = self.object(number);
        self.create_object(&object, PutPayload::from(record)).await.map_err(GateError::unknown)
    }

    async fn bytes(&self, number: u64) -> Result<Option<Bytes>, GateError> {
        let object = self.object(number);
        let get = async { self.store.get(&object).await?.bytes().await };
        match self.in_time(get).await {
            Ok(bytes) => Ok(Some(bytes)),
            Err(StoreError::NotFound { .. }) => Ok(None),
            Err(error) => Err(GateError::away(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use std::sync::Arc;
    use std::{fs, path};

    use super::*;
    use crate::contract::Gate;
    use crate::numbered::SEEN_FOR;
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
            Arc::new(ObjectGate::looking(self.open().records))
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
            ObjectGate::open(&options).map(|gate| gate.records.durability).map_err(|error| error.to_string())
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
