//! The binary form of COPY, as Postgres documents it: the quickest way in.

/// Rows of one table, ready to be sent.
#[derive(Debug)]
pub(super) struct CopyRows {
    table: &'static str,
    columns: &'static [&'static str],
    bytes: Vec<u8>,
    count: u64,
}

const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
const TRAILER: [u8; 2] = (-1_i16).to_be_bytes();
/// Memory that a batch of large items needed once is not kept for ever.
const KEPT_BYTES_MAX: usize = 32 << 20;

impl CopyRows {
    pub(super) fn new(table: &'static str, columns: &'static [&'static str]) -> Self {
        Self { table, columns, bytes: HEADER.to_vec(), count: 0 }
    }

    pub(super) fn clear(&mut self) {
        self.bytes.truncate(HEADER.len());
        self.bytes.shrink_to(KEPT_BYTES_MAX);
        self.count = 0;
    }

    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The statement that takes the rows into the table of this name in a schema.
    pub(super) fn statement(&self, schema: &str) -> String {
        format!("copy {schema}.{} ({}) from stdin (format binary)", self.table, self.columns.join(", "))
    }

    /// All of them with what stands around them; to be asked once before [`CopyRows::clear`].
    pub(super) fn message(&mut self) -> &[u8] {
        self.bytes.extend_from_slice(&TRAILER);
        &self.bytes
    }

    /// Begins a row, which must get as many values as there are columns, in their order.
    pub(super) fn row(&mut self) -> CopyRow<'_> {
        self.count += 1;
        let columns = i16::try_from(self.columns.len()).unwrap_or(i16::MAX);
        self.bytes.extend_from_slice(&columns.to_be_bytes());
        CopyRow { bytes: &mut self.bytes }
    }
}

/// One row, value by value.
pub(super) struct CopyRow<'a> {
    bytes: &'a mut Vec<u8>,
}

impl CopyRow<'_> {
    /// Text, bytea, json, uuid: what is sent as it is.
    pub(super) fn bytes(self, value: &[u8]) -> Self {
        // An item has at most 10 MiB; the API and the log see to that.
        let length = i32::try_from(value.len()).unwrap_or(i32::MAX);
        self.bytes.extend_from_slice(&length.to_be_bytes());
        self.bytes.extend_from_slice(value);
        self
    }

    pub(super) fn text(self, value: impl AsRef<str>) -> Self {
        self.bytes(value.as_ref().as_bytes())
    }

    pub(super) fn int8(self, value: i64) -> Self {
        self.bytes(&value.to_be_bytes())
    }

    pub(super) fn int2(self, value: i16) -> Self {
        self.bytes(&value.to_be_bytes())
    }

    pub(super) fn bool(self, value: bool) -> Self {
        self.bytes(&[u8::from(value)])
    }

    pub(super) fn null(self) -> Self {
        self.bytes.extend_from_slice(&(-1_i32).to_be_bytes());
        self
    }

    pub(super) fn optional<T>(self, value: Option<T>, put: impl FnOnce(Self, T) -> Self) -> Self {
        match value {
            Some(value) => put(self, value),
            None => self.null(),
        }
    }
}
