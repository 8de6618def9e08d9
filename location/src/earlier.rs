//! Where clients are led who look for a wallet that signed here before: processes that were spawned with it name it for ever.

use ans104::Address;
use gateway::{LocationRecord, ToldLocations, Url};

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
    pub(crate) fn of(wallet: Address, told: &ToldOfWallet, url: &Url) -> Option<Self> {
        let answered =
            || told.records.iter().filter_map(|one| Some((&one.gateway, one.records.as_ref().ok()?)));
        answered().next()?;
        let misled = answered().find_map(|(gateway, records)| {
            let hyperbeam = told.hyperbeam(gateway, records);
            let is_known = !(records.is_empty() && hyperbeam.is_empty());
            let readings = if is_known { readings(records, &hyperbeam, url) } else { Vec::new() };
            let wrong = readings.into_iter().find_map(|reading| Some((reading.reader, reading.found.err()?)));
            wrong.map(|(reader, reason)| format!("{reader}, which asks {gateway}: {reason}"))
        });
        let is_known = answered().any(|(_, records)| !records.is_empty());
        let trouble =
            misled.clone().or_else(|| (!is_known).then(|| "no gateway has a record of it".to_owned()));
        Some(Self { wallet, trouble, misleads: misled.is_some() })
    }
}

/// What gateways tell of a wallet.
pub(crate) struct ToldOfWallet {
    /// Its records that everybody reads.
    pub(crate) records: Vec<ToldLocations>,
    /// Those that HyperBEAM prefers.
    pub(crate) lowercase: Vec<ToldLocations>,
    /// Those that it reads else.
    pub(crate) title_case: Vec<ToldLocations>,
}

impl ToldOfWallet {
    /// What HyperBEAM reads of a gateway, as far as that tells it, and at least what everybody reads.
    fn hyperbeam(&self, gateway: &str, records: &[LocationRecord]) -> HyperbeamRecords {
        let of = |told: &[ToldLocations]| {
            let one = told.iter().find(|one| one.gateway == gateway);
            one.and_then(|one| one.records.clone().ok()).unwrap_or_default()
        };
        let mut title_case = of(&self.title_case);
        for record in records {
            if title_case.iter().all(|known| known.id != record.id) {
                title_case.push(record.clone());
            }
        }
        HyperbeamRecords { lowercase: of(&self.lowercase), title_case }
    }
}
