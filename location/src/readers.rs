//! What those who look for a scheduler make of its records.

use std::time::Duration;

use gateway::{LocationRecord, Url};
use protocol::values;

use crate::decision::newest;
use crate::record::{leads_to, legible};

/// What one of them makes of the records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocationReading {
    /// Who.
    pub reader: &'static str,
    /// Where it is led to and how it goes on, or why it does not get there.
    pub found: Result<String, String>,
}

/// The records of a wallet that HyperBEAM reads, the names of their tags in any case.
#[derive(Clone, Debug, Default)]
pub struct HyperbeamRecords {
    /// Those of the type `location`, which it prefers.
    pub lowercase: Vec<LocationRecord>,
    /// Those whose `Type` is `Location` or `Scheduler-Location`, which count where there is none of the others.
    pub title_case: Vec<LocationRecord>,
}

impl HyperbeamRecords {
    /// Whether it finds none.
    pub(crate) fn is_empty(&self) -> bool {
        self.lowercase.is_empty() && self.title_case.is_empty()
    }
}

/// The reader that reads other records than everybody else.
pub const HYPERBEAM: &str = "HyperBEAM";

/// The name by which all but HyperBEAM look for the tag.
pub(crate) const EXACT_URL: &str = "named exactly Url";

const NO_RECORD: &str = "there is no record of the type Scheduler-Location";

/// What each of them makes of the records of a wallet: those of the type `Scheduler-Location` of the protocol ao, and those
/// that HyperBEAM reads. All of them are to be led to this URL.
pub fn readings(
    records: &[LocationRecord],
    hyperbeam_records: &HyperbeamRecords,
    url: &Url,
) -> Vec<LocationReading> {
    let reading = |reader, found| LocationReading { reader, found };
    vec![
        reading("message unit", of_each(records, &|record| message_unit(record, url))),
        reading("scheduler-utils", of_each(records, &|record| scheduler_utils(record, url))),
        reading(HYPERBEAM, hyperbeam(hyperbeam_records, url)),
    ]
}

/// What a reader makes of the newest record; of each of them, where there are several.
fn of_each(
    records: &[LocationRecord],
    read: &dyn Fn(&LocationRecord) -> Result<String, String>,
) -> Result<String, String> {
    let newest = newest(records);
    let mut found = Err(NO_RECORD.to_owned());
    for record in &newest {
        found = Ok(read(record)?);
    }
    found
}

fn message_unit(record: &LocationRecord, url: &Url) -> Result<String, String> {
    leads(record, EXACT_URL, url)?;
    Ok(format!("is led there by {}, and looks again every quarter of an hour", record.id))
}

fn scheduler_utils(record: &LocationRecord, url: &Url) -> Result<String, String> {
    leads(record, EXACT_URL, url)?;
    let left = record.time_to_live.filter(|left| !left.is_zero()).ok_or_else(|| {
        format!("{} has no Time-To-Live in milliseconds, without which it is no record", record.id)
    })?;
    Ok(format!("is led there by {}, and keeps that for {}", record.id, lasting(left)))
}

fn hyperbeam(records: &HyperbeamRecords, url: &Url) -> Result<String, String> {
    let HyperbeamRecords { lowercase, title_case } = records;
    let (preferred, why) = match lowercase.is_empty() {
        true => (title_case, ""),
        false => (lowercase, " of the type location, which it prefers"),
    };
    let read = |record: &LocationRecord| {
        leads(record, "named Url in any case", url).map_err(|reason| format!("{reason}{why}"))?;
        match record.variant.as_deref() {
            Some(values::AO_TN_1) => {
                Ok(format!("is led there by {}{why}, and reads as other clients do", record.id))
            }
            other => Err(format!(
                "{}{why} has the variant {}: it takes the scheduler for one of HyperBEAM's, and writes in a form that is \
                 not taken here; expected {}",
                record.id,
                other.map_or_else(|| "none".to_owned(), legible),
                values::AO_TN_1
            )),
        }
    };
    let found = of_each(preferred, &read)?;
    // Whoever has read one before takes none in its place but one of a higher nonce.
    for record in kept_by_nonce(preferred) {
        read(record)
            .map_err(|reason| format!("{reason}; whoever knows it by its nonce takes none of a lower one"))?;
    }
    Ok(found)
}

/// The records that keep a newest one out, as it has no higher nonce.
pub(crate) fn kept_by_nonce(records: &[LocationRecord]) -> impl Iterator<Item = &LocationRecord> {
    let lowest = newest(records).iter().map(|record| record.nonce).min().flatten();
    records.iter().filter(move |record| record.nonce >= lowest)
}

/// Where HyperBEAM is led by the records that a gateway tells, if there are any and that is not to this URL.
pub(crate) fn hyperbeam_elsewhere(records: &HyperbeamRecords, url: &Url) -> Option<String> {
    if records.is_empty() {
        return None;
    }
    hyperbeam(records, url).err().map(|reason| format!("leads HyperBEAM elsewhere: {reason}"))
}

/// Whether a record leads to this URL, for who looks for a tag of this name.
fn leads(record: &LocationRecord, name: &str, url: &Url) -> Result<(), String> {
    let missing = || format!("{} has no tag {name}, or several", record.id);
    let text = record.url.as_deref().ok_or_else(missing)?;
    if leads_to(text, url) {
        return Ok(());
    }
    let (id, shown) = (record.id, legible(text));
    Err(match Url::parse(text) {
        Ok(_) => format!("{id} leads to {shown}"),
        Err(error) => format!("{id} leads to {shown}, which is no URL: {error}"),
    })
}

/// How long that is, roughly.
pub(crate) fn lasting(time: Duration) -> String {
    let hours = time.as_secs() / 3600;
    if hours < 48 { format!("{hours} hours") } else { format!("{} days", hours / 24) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use ans104::Id;
    use gateway::LocationBlock;

    use super::*;

    fn record(height: u64) -> LocationRecord {
        LocationRecord {
            id: Id::from_bytes([u8::try_from(height).unwrap(); 32]),
            url: Some("https://su.example".to_owned()),
            variant: Some("ao.TN.1".to_owned()),
            time_to_live: Some(Duration::from_secs(14 * 86_400)),
            nonce: Some(height),
            block: Some(LocationBlock { height, time: 0 }),
        }
    }

    /// Who of message unit, scheduler-utils and HyperBEAM is led there.
    fn led(
        records: &[LocationRecord],
        lowercase: &[LocationRecord],
        title_case: &[LocationRecord],
    ) -> Vec<bool> {
        let url = Url::parse("https://su.example/").unwrap();
        let hyperbeam = HyperbeamRecords { lowercase: lowercase.to_vec(), title_case: title_case.to_vec() };
        readings(records, &hyperbeam, &url).iter().map(|reading| reading.found.is_ok()).collect()
    }

    #[test]
    fn each_reader_needs_something_else() {
        let other = || LocationRecord { url: Some("https://other.example".to_owned()), ..record(6) };
        for (records, lowercase, expected) in [
            (vec![], vec![], [false, false, false]),
            (vec![record(5)], vec![], [true, true, true]),
            (vec![LocationRecord { time_to_live: None, ..record(5) }], vec![], [true, false, true]),
            (vec![LocationRecord { variant: None, ..record(5) }], vec![], [true, true, false]),
            (vec![LocationRecord { url: None, ..record(5) }], vec![], [false, false, false]),
            (
                vec![LocationRecord { url: Some(" https://su.example".to_owned()), ..record(5) }],
                vec![],
                [false, false, false],
            ),
            // The newest block counts, and in one block anybody's guess.
            (vec![record(5), other()], vec![], [false, false, false]),
            (vec![record(6), LocationRecord { url: other().url, ..record(5) }], vec![], [true, true, true]),
            // HyperBEAM keeps the highest nonce that it has seen.
            (
                vec![record(6), LocationRecord { url: other().url, nonce: Some(9), ..record(5) }],
                vec![],
                [true, true, false],
            ),
            (vec![record(6), other()], vec![], [false, false, false]),
            // The other type is HyperBEAM's alone.
            (vec![record(5)], vec![other()], [true, true, false]),
            (vec![], vec![record(5)], [false, false, true]),
        ] {
            assert_eq!(led(&records, &lowercase, &records), expected, "{records:?} {lowercase:?}");
        }
    }

    /// One whose tag is `url`, and one of the type `Location`, are HyperBEAM's alone.
    #[test]
    fn what_hyperbeam_alone_reads_is_told_apart() {
        let url = Url::parse("https://su.example/").unwrap();
        let unread = LocationRecord { url: None, ..record(5) };
        assert_eq!(led(std::slice::from_ref(&unread), &[], &[record(5)]), [false, false, true]);
        let elsewhere = LocationRecord { url: Some("https://other.example".to_owned()), ..record(6) };
        assert_eq!(led(&[record(5)], &[], &[record(5), elsewhere]), [true, true, false]);
        let hyperbeam = HyperbeamRecords { title_case: vec![unread.clone()], ..HyperbeamRecords::default() };
        let said: Vec<_> = readings(std::slice::from_ref(&unread), &hyperbeam, &url)
            .into_iter()
            .map(|reading| reading.found.unwrap_err().replace(&unread.id.to_string(), "R"))
            .collect();
        let exact = "R has no tag named exactly Url, or several";
        assert_eq!(said, [exact, exact, "R has no tag named Url in any case, or several"]);
    }
}
