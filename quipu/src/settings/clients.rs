//! Which clients are let in, known by their addresses.

use clap::Args;
use gateway::{EndpointError, parse_file_url};
use limits::{ClientOptions, NoAddress, NoRate, Rate, parse_addresses};
use thiserror::Error;

/// Which clients are let in.
#[derive(Clone, Debug, Args)]
pub struct ClientArgs {
    /// A JSON array of the addresses, or ranges such as 203.0.113.0/24, that may send messages; it is fetched every 30
    /// seconds, and the last good one counts. While it was never read, and if it is empty, nobody may [default: all may]
    #[arg(long, env, value_name = "URL")]
    ip_whitelist_url: Option<String>,

    /// Addresses and ranges, separated by commas, of proxies that say in X-Real-IP or X-Forwarded-For whom a request is
    /// from; from others these headers count for nothing [default: none]
    #[arg(long, env, value_name = "ADDRESSES")]
    trusted_proxies: Option<String>,

    /// How many requests one address may send, in a second, a minute or an hour, and after a colon how many may come at
    /// once: 50/s, 600/m or 50/s:200. An address of IPv6 counts with all of its /64 [default: any number]
    #[arg(long, env, value_name = "RATE")]
    rate_limit: Option<String>,
}

/// A setting of clients that cannot be used.
#[derive(Debug, Error)]
pub enum ClientSettingError {
    /// A URL is none.
    #[error(transparent)]
    Url(#[from] EndpointError),
    /// A proxy has no address.
    #[error("TRUSTED_PROXIES, entry {number}: {error}")]
    Proxy {
        /// Which entry, from 1.
        number: usize,
        /// Why.
        error: NoAddress,
    },
    /// It is no rate.
    #[error("RATE_LIMIT: {0}")]
    Rate(#[from] NoRate),
}

impl ClientArgs {
    /// Which clients are let in.
    ///
    /// # Errors
    /// When one of the settings is not of its form.
    pub fn options(&self) -> Result<ClientOptions, ClientSettingError> {
        let url = self.ip_whitelist_url.as_deref().map(|url| parse_file_url("IP_WHITELIST_URL", url));
        let proxies = parse_addresses(self.trusted_proxies.as_deref().unwrap_or_default());
        Ok(ClientOptions {
            addresses: url.transpose()?,
            trusted_proxies: proxies
                .map_err(|(number, error)| ClientSettingError::Proxy { number, error })?,
            rate: self.rate_limit.as_deref().map(str::parse::<Rate>).transpose()?,
        })
    }
}
