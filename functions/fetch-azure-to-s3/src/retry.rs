//! What is tried again, how often, and how long is waited before.

use std::future::Future;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::azure::Failure;
use crate::error::Error;

/// Tries of one request. With the waits below they reach over half a minute of a store that is busy.
const ATTEMPTS: u32 = 10;

/// The first wait is up to this long, each further one up to twice as long as the one before it, and none longer than the second.
const FIRST_WAIT: Duration = Duration::from_millis(200);
const LONGEST_WAIT: Duration = Duration::from_secs(20);

/// The longest wait that a store may ask for.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(120);

/// Retries of a call, whatever it copies: a burst of refusals meets all requests at once.
const RETRIES: u32 = 64;

/// Further retries for each range: a long copy meets more bursts. Past them the store is not busy but broken.
const RETRIES_A_RANGE: u32 = 2;

/// The retries that one call may spend.
#[derive(Debug)]
pub(crate) struct Budget {
    all: AtomicU32,
    spent: AtomicU32,
}

impl Budget {
    pub(crate) fn new() -> Self {
        Self { all: AtomicU32::new(RETRIES), spent: AtomicU32::new(0) }
    }

    /// A range is asked for as well.
    pub(crate) fn add_range(&self) {
        self.all.fetch_add(RETRIES_A_RANGE, Ordering::Relaxed);
    }

    /// Retries so far.
    pub(crate) fn spent(&self) -> u32 {
        self.spent.load(Ordering::Relaxed)
    }

    /// Whether there was one left.
    fn spend(&self) -> bool {
        let all = self.all.load(Ordering::Relaxed);
        self.spent.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |spent| (spent < all).then_some(spent + 1)).is_ok()
    }
}

/// A try that failed.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) error: Error,
    pub(crate) retry_after: Option<Duration>,
    pub(crate) is_transient: bool,
}

impl Fault {
    pub(crate) fn new(error: Error, failure: Failure) -> Self {
        Self { error, retry_after: failure.retry_after, is_transient: failure.is_transient }
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        let is_transient = matches!(error, Error::SourceUnavailable { .. });
        Self { error, retry_after: None, is_transient }
    }
}

/// Tries until it succeeds, fails for good, or has been tried often enough.
pub(crate) async fn retrying<T, F>(budget: &Budget, mut once: impl FnMut() -> F) -> Result<T, Error>
where
    F: Future<Output = Result<T, Fault>>,
{
    let mut attempt = 1;
    loop {
        let fault = match once().await {
            Ok(value) => return Ok(value),
            Err(fault) => fault,
        };
        if !fault.is_transient || attempt >= ATTEMPTS || !budget.spend() {
            return Err(fault.error);
        }
        let wait = wait(attempt, fault.retry_after, fastrand::f64());
        tracing::debug!(attempt, millis = wait.as_millis(), error = cloud::error::sentence(&fault.error), "trying again");
        tokio::time::sleep(wait).await;
        attempt += 1;
    }
}

/// Full jitter: anything up to the wait, so that what was refused together does not come back together. `random` is below 1.
///
/// Source: "Exponential Backoff And Jitter", AWS Architecture Blog.
fn wait(attempt: u32, retry_after: Option<Duration>, random: f64) -> Duration {
    let longest = FIRST_WAIT.saturating_mul(2u32.saturating_pow(attempt - 1)).min(LONGEST_WAIT);
    let jittered = longest.mul_f64(random);
    // Asked to wait, all wait at least so long, and not all of them the same.
    retry_after.map_or(jittered, |asked| asked.min(LONGEST_RETRY_AFTER) + FIRST_WAIT.mul_f64(random))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    fn fault(is_transient: bool, retry_after: Option<u64>) -> Fault {
        let error = Error::SourceChanged { uri: "u".into() };
        Fault { error, retry_after: retry_after.map(Duration::from_secs), is_transient }
    }

    #[test]
    fn waits_double_up_to_their_limit_and_honour_what_is_asked() {
        let check = |attempt, asked: Option<u64>, random, expected: u64| {
            let waited = wait(attempt, asked.map(Duration::from_secs), random);
            assert_eq!(waited, Duration::from_millis(expected), "{attempt} {asked:?} {random}");
        };
        check(1, None, 0.0, 0);
        check(1, None, 0.5, 100);
        check(4, None, 0.5, 800);
        check(9, None, 0.5, 10_000);
        check(u32::MAX, None, 0.5, 10_000);
        check(1, Some(3), 0.5, 3_100);
        check(9, Some(0), 0.0, 0);
        check(1, Some(86_400), 0.0, 120_000);
    }

    #[tokio::test(start_paused = true)]
    async fn what_may_pass_is_tried_again_and_nothing_else() {
        let check = async |failures: u32, is_transient, expected: Result<u32, ()>| {
            let (budget, tries) = (Budget::new(), Cell::new(0));
            let tried = retrying(&budget, async || {
                tries.set(tries.get() + 1);
                if tries.get() > failures { Ok(tries.get()) } else { Err(fault(is_transient, None)) }
            });
            assert_eq!(tried.await.map_err(|_| ()), expected);
            assert_eq!(budget.spent(), tries.get() - 1);
        };
        check(0, true, Ok(1)).await;
        check(9, true, Ok(10)).await;
        check(10, true, Err(())).await;
        check(1, false, Err(())).await;
    }

    #[tokio::test(start_paused = true)]
    async fn retry_after_is_waited_for() {
        let begun = tokio::time::Instant::now();
        let (budget, tries) = (Budget::new(), Cell::new(0));
        let tried = retrying(&budget, async || {
            tries.set(tries.get() + 1);
            if tries.get() > 2 { Ok(()) } else { Err(fault(true, Some(7))) }
        });
        tried.await.unwrap();
        assert!((14..16).contains(&begun.elapsed().as_secs()), "{:?}", begun.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn the_budget_is_shared_and_ends() {
        let budget = Budget::new();
        for _ in 0..3 {
            budget.add_range();
        }
        let mut failed = 0;
        while failed < 100 {
            failed += 1;
            let before = budget.spent();
            assert!(retrying(&budget, async || Err::<(), _>(fault(true, None))).await.is_err());
            if budget.spent() == before {
                break;
            }
        }
        assert_eq!((budget.spent(), failed), (RETRIES + 3 * RETRIES_A_RANGE, 9));
    }
}
