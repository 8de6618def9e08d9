//! How many requests one address may send: a bucket of tokens for each, which fills as time passes.
//!
//! What is kept of an address is the time at which its bucket will be full again: one that is full is as good as one
//! that is not there. So few addresses are kept, the latest, in memory that does not grow with how many there are.

use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroUsize;
use std::str::FromStr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use lru::LruCache;
use thiserror::Error;

/// How many addresses are remembered; each takes about 100 bytes.
const ADDRESSES_MAX: NonZeroUsize = NonZeroUsize::new(1 << 16).expect("it is not 0");
/// The bits of an address of IPv6 that are one client's: whoever has one address there has all of them.
const CLIENT_BITS: u32 = 64;
/// More than any machine can answer.
const REQUESTS_MAX: u32 = 1_000_000;

/// So many requests in so much time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// The time in which one more request may come.
    every: Duration,
    /// How many may come at once.
    burst: u32,
}

/// A text is no rate.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "expected requests in a second, minute or hour, such as 50/s, 600/m or 1000/h, and after a colon how many may come \
     at once, such as 50/s:200; each number from 1 to {REQUESTS_MAX}"
)]
pub struct NoRate;

impl FromStr for Rate {
    type Err = NoRate;

    fn from_str(text: &str) -> Result<Self, NoRate> {
        let number = |text: &str| {
            let number = text.trim().parse().ok();
            number.filter(|number| (1..=REQUESTS_MAX).contains(number)).ok_or(NoRate)
        };
        let (rate, burst) = text.split_once(':').map_or((text, None), |(rate, burst)| (rate, Some(burst)));
        let (count, unit) = rate.split_once('/').map_or((rate, "s"), |(count, unit)| (count, unit.trim()));
        let seconds = match unit {
            "s" => 1,
            "m" => 60,
            "h" => 3600,
            _ => return Err(NoRate),
        };
        let count: u32 = number(count)?;
        // Those of one second, if nothing is said.
        let burst = burst.map_or(Ok((count / seconds).max(1)), number)?;
        Ok(Self { every: Duration::from_secs(seconds.into()) / count, burst })
    }
}

/// Counts the requests of each address.
#[derive(Debug)]
pub struct RateLimiter {
    rate: Rate,
    began: Instant,
    /// When the bucket of each will be full again, from the beginning on.
    full: Mutex<LruCache<IpAddr, Duration>>,
}

impl RateLimiter {
    /// Counts from now on.
    pub fn new(rate: Rate) -> Self {
        Self { rate, began: Instant::now(), full: Mutex::new(LruCache::new(ADDRESSES_MAX)) }
    }

    /// Counts a request.
    ///
    /// # Errors
    /// When it is one too many: how long it is until there may be another.
    pub fn check(&self, address: IpAddr) -> Result<(), Duration> {
        self.check_at(address, self.began.elapsed())
    }

    fn check_at(&self, address: IpAddr, now: Duration) -> Result<(), Duration> {
        let Rate { every, burst } = self.rate;
        let mut full = self.full.lock().unwrap_or_else(PoisonError::into_inner);
        let full = full.get_or_insert_mut(client(address), || now);
        let begins = (*full).max(now);
        // One request may come when the bucket lacks less than a burst of them.
        let wait = (begins - now).saturating_sub(every.saturating_mul(burst - 1));
        if !wait.is_zero() {
            return Err(wait);
        }
        *full = begins.saturating_add(every);
        Ok(())
    }
}

/// Whose bucket it is.
fn client(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(six) => Ipv6Addr::from_bits(six.to_bits() >> CLIENT_BITS << CLIENT_BITS).into(),
        four => four,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use std::net::Ipv4Addr;

    use super::*;

    const MILLISECOND: Duration = Duration::from_millis(1);

    fn limiter(rate: &str) -> RateLimiter {
        RateLimiter::new(rate.parse().unwrap())
    }

    fn address(number: u32) -> IpAddr {
        Ipv4Addr::from_bits(number).into()
    }

    #[test]
    fn rates_are_read() {
        let rate = |text: &str| text.parse::<Rate>().map(|rate| (rate.every.as_micros(), rate.burst));
        assert_eq!(rate("50/s"), Ok((20_000, 50)));
        assert_eq!(rate("50"), Ok((20_000, 50)));
        assert_eq!(rate(" 600 / m "), Ok((100_000, 10)));
        assert_eq!(rate("60/h"), Ok((60_000_000, 1)));
        assert_eq!(rate("50/s:200"), Ok((20_000, 200)));
        for wrong in ["", "0", "50/d", "-1/s", "1.5/s", "50/s:0", "50/s:", "1000001", "many", "/s", "50/s/s"]
        {
            assert_eq!(rate(wrong), Err(NoRate), "{wrong}");
        }
    }

    #[test]
    fn a_burst_comes_at_once_and_the_rest_as_time_passes() {
        let limiter = limiter("10/s:3");
        for _ in 0..3 {
            limiter.check_at(address(1), Duration::ZERO).unwrap();
        }
        assert_eq!(limiter.check_at(address(1), Duration::ZERO), Err(100 * MILLISECOND));
        // Who is refused does not wait longer for it.
        assert_eq!(limiter.check_at(address(1), 60 * MILLISECOND), Err(40 * MILLISECOND));
        limiter.check_at(address(2), 60 * MILLISECOND).unwrap();
        limiter.check_at(address(1), 100 * MILLISECOND).unwrap();
        limiter.check_at(address(1), 100 * MILLISECOND).unwrap_err();
        let taken = (0..1000).filter(|tenth| limiter.check_at(address(1), 10 * MILLISECOND * *tenth).is_ok());
        assert_eq!(taken.count(), 98, "ten seconds bring a hundred, and a burst of which four went before");
        // Whoever waits for long has no more than a burst.
        let later = Duration::from_secs(3600);
        assert_eq!((0..10).filter(|_| limiter.check_at(address(1), later).is_ok()).count(), 3);
    }

    #[test]
    fn a_client_has_one_bucket_whatever_its_address_is_written_as() {
        let limiter = limiter("1/s");
        let check = |text: &str| limiter.check_at(text.parse().unwrap(), Duration::ZERO).is_ok();
        assert!(check("203.0.113.7") && !check("::ffff:203.0.113.7") && check("203.0.113.8"));
        assert!(check("2001:db8::1") && !check("2001:db8::ffff:2") && check("2001:db8:0:1::1"));
    }

    #[test]
    fn however_many_addresses_there_are_few_are_kept() {
        let limiter = limiter("1/h");
        let kept = u32::try_from(ADDRESSES_MAX.get()).unwrap();
        for number in 0..3 * kept {
            limiter.check_at(address(number), Duration::ZERO).unwrap();
        }
        assert_eq!(limiter.full.lock().unwrap().len(), ADDRESSES_MAX.get());
        limiter.check_at(address(3 * kept - 1), Duration::ZERO).unwrap_err();
    }
}
