//! Where clients are led who look for a wallet that signed here before: processes that were spawned with it name it for ever.

use ans104::Address;
use gateway::Url;

use crate::gateways::GatewayMemory;
use crate::readers::{hyperbeam_elsewhere, readings};

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
    /// What is known of it now; nothing where no gateway has ever answered.
    pub(crate) fn of(wallet: Address, memory: &GatewayMemory, url: &Url) -> Option<Self> {
        memory.told().next()?;
        let misled = memory.told().find_map(|(gateway, records)| {
            let hyperbeam = memory.hyperbeam(gateway);
            // That a gateway lacks what others have worries nobody.
            if records.is_empty() {
                return hyperbeam_elsewhere(&hyperbeam, url).map(|reason| format!("{gateway} {reason}"));
            }
            let mut readings = readings(records, &hyperbeam, url).into_iter();
            let (reader, reason) =
                readings.find_map(|reading| Some((reading.reader, reading.found.err()?)))?;
            Some(format!("{reader}, which asks {gateway}: {reason}"))
        });
        let is_known = memory.told().any(|(_, records)| !records.is_empty());
        let trouble =
            misled.clone().or_else(|| (!is_known).then(|| "no gateway has a record of it".to_owned()));
        Some(Self { wallet, trouble, misleads: misled.is_some() })
    }
}
