//! How far a copy is: a line in the log every few seconds, and the time it has left.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::task::AbortOnDropHandle;
use tracing::{Instrument, Span, info};

use crate::retry::Budget;

const EVERY: Duration = Duration::from_secs(5);

/// What a call keeps of its time for the parts that are on their way, the checkpoint and the answer.
const MARGIN: Duration = Duration::from_secs(45);

/// When a call has to stop copying.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deadline(Option<Instant>);

impl Deadline {
    /// Of a call that ends at this time: milliseconds since 1970, as Lambda gives it.
    pub(crate) fn of_call(ends: u64) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let left = Duration::from_millis(ends).saturating_sub(now);
        // Half of a short time, or nothing would be done in it.
        Self::after(left - MARGIN.min(left / 2))
    }

    pub(crate) fn after(time: Duration) -> Self {
        Self(Instant::now().checked_add(time))
    }

    pub(crate) async fn passed(self) {
        match self.0 {
            Some(at) => tokio::time::sleep_until(at).await,
            None => std::future::pending().await,
        }
    }
}

/// Bytes of the source that are dealt with.
#[derive(Debug)]
pub(crate) struct Progress {
    copied: AtomicU64,
    fetched: AtomicU64,
    total: u64,
    budget: Arc<Budget>,
}

impl Progress {
    pub(crate) fn new(total: u64, budget: Arc<Budget>) -> Arc<Self> {
        Arc::new(Self { copied: AtomicU64::new(0), fetched: AtomicU64::new(0), total, budget })
    }

    /// The copy goes on where so many bytes are copied.
    pub(crate) fn begin_at(&self, copied: u64) {
        self.copied.store(copied, Ordering::Relaxed);
    }

    pub(crate) fn add(&self, bytes: u64) {
        self.copied.fetch_add(bytes, Ordering::Relaxed);
        self.fetched.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(crate) fn copied(&self) -> u64 {
        self.copied.load(Ordering::Relaxed)
    }

    /// In this call.
    pub(crate) fn fetched(&self) -> u64 {
        self.fetched.load(Ordering::Relaxed)
    }

    /// Logs how far it is until the handle is dropped.
    pub(crate) fn log(self: &Arc<Self>) -> AbortOnDropHandle<()> {
        let progress = self.clone();
        let logging = async move {
            let mut ticks = tokio::time::interval(EVERY);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            ticks.tick().await;
            let (mut since, mut before) = (Instant::now(), progress.copied());
            loop {
                ticks.tick().await;
                let (now, copied) = (Instant::now(), progress.copied());
                let mb_per_s = megabytes_per_second(copied.saturating_sub(before), now - since);
                info!(bytes = copied, total = progress.total, mb_per_s, retries = progress.budget.spent(), "copying the transactions");
                (since, before) = (now, copied);
            }
        };
        AbortOnDropHandle::new(tokio::spawn(logging.instrument(Span::current())))
    }
}

/// To one decimal.
#[expect(clippy::cast_precision_loss, reason = "a log needs no more")]
pub(crate) fn megabytes_per_second(bytes: u64, time: Duration) -> f64 {
    let rate = bytes as f64 / 1e6 / time.as_secs_f64().max(0.001);
    (rate * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_call_stops_a_margin_before_its_end() {
        let check = async |seconds: u64, expected: u64| {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
            let ends = u64::try_from((now + Duration::from_secs(seconds)).as_millis()).unwrap();
            let (begun, deadline) = (Instant::now(), Deadline::of_call(ends));
            deadline.passed().await;
            let passed = begun.elapsed().as_secs_f64();
            assert!((passed - expected as f64).abs() < 0.5, "{passed}");
        };
        check(900, 855).await;
        check(180, 135).await;
        check(20, 10).await;
        check(0, 0).await;
    }

    #[test]
    fn rates_have_one_decimal() {
        assert_eq!(megabytes_per_second(12_345_678, Duration::from_secs(2)), 6.2);
        assert_eq!(megabytes_per_second(0, Duration::ZERO), 0.0);
    }
}
