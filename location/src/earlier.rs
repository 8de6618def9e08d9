//! Where clients are led who look for a wallet that signed here before: processes that were spawned with it name it for ever.

use ans104::Address;
use gateway::{ToldLocations, Url};

use crate::readers::{HyperbeamRecords, readings};

/// A wallet that signed here before, and where its records lead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EarlierWallet {
    /// Its address.
    pub wallet: Address,
    /// Why clients that look for it do not come here, if that is so; that cannot be mended without its key.
    pub trouble: Option<String>,
    /// Whether they are led elsewhere, and not nowhere.
    pub misleads: bool,
}

impl EarlierWallet {
    /// What is known of it now; nothing where no gateway answers.
    pub(crate) fn of(wallet: Address, told: &[ToldLocations], url: &Url) -> Option<Self> {
        let answered: Vec<_> =
            told.iter().filter_map(|told| Some((&told.gateway, told.records.as_ref().ok()?))).collect();
        if answered.is_empty() {
            return None;
        }
        let known = answered.iter().filter(|(_, records)| !records.is_empty());
        let misled = known.clone().find_map(|(gateway, records)| {
            let hyperbeam =
                HyperbeamRecords { title_case: (*records).clone(), ..HyperbeamRecords::default() };
            let mut readings = readings(records, &hyperbeam, url).into_iter();
            let (reader, reason) =
                readings.find_map(|reading| Some((reading.reader, reading.found.err()?)))?;
            Some(format!("{reader}, which asks {gateway}: {reason}"))
        });
        let is_known = known.count() > 0;
        let trouble =
            misled.clone().or_else(|| (!is_known).then(|| "no gateway has a record of it".to_owned()));
        Some(Self { wallet, trouble, misleads: misled.is_some() })
    }
}
