//! JSON logs on standard output, which Lambda hands to CloudWatch.

use tracing::level_filters::LevelFilter;
use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::filter::{FilterFn, Targets};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt};

use crate::env;

/// The crates whose debug and trace logs may be seen.
///
/// All others are capped at info whatever the level: azure_core writes the authorization header to its debug and trace logs
/// (RUSTSEC-2026-0275, unpatched in 0.21), the AWS crates their requests, the runtime the events.
const OURS: [&str; 5] = ["cloud", "pipeline", "fetch_azure_to_s3", "merge_and_clean", "trigger_glue_load"];

/// Starts logging at `LOG_LEVEL` (error, warn, info, debug or trace; info when missing or anything else).
pub fn init() {
    let level: LevelFilter = env::optional("LOG_LEVEL").to_ascii_lowercase().parse().unwrap_or(LevelFilter::INFO);
    subscriber(level, std::io::stdout).init();
}

/// What [`init`] starts, writing to where a test can read it.
pub fn subscriber(level: LevelFilter, writer: impl for<'w> MakeWriter<'w> + Send + Sync + 'static) -> impl Subscriber + Send + Sync {
    let layer = fmt::layer().json().with_current_span(false).with_ansi(false).with_writer(writer);
    tracing_subscriber::registry().with(layer.with_filter(Targets::new().with_default(level)).with_filter(FilterFn::new(may_be_seen)))
}

fn may_be_seen(metadata: &Metadata<'_>) -> bool {
    let krate = metadata.target().split("::").next().unwrap_or_default();
    *metadata.level() <= Level::INFO || OURS.contains(&krate)
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn other_crates_never_log_below_info() {
        let sink = Sink::default();
        let writer = sink.clone();
        tracing::subscriber::with_default(subscriber(LevelFilter::TRACE, move || writer.clone()), || {
            tracing::trace!(target: "azure_core::http_client", "authorization: SharedKey a:secret");
            tracing::debug!(target: "aws_smithy_runtime", "authorization: secret");
            tracing::trace!(target: "aws_sdk_sts::operation", "WebIdentityToken: secret");
            tracing::debug!(target: "azure_storage::authorization", "?sig=secret");
            tracing::trace!(target: "reqwest::connect", "https://a.net?sig=secret");
            tracing::trace!(target: "hyper_util::client", "authorization: Bearer secret");
            tracing::debug!(target: "lambda_runtime", "secret");
            tracing::info!(target: "azure_core", "seen");
            tracing::trace!(target: "cloud::bucket", "seen too");
        });
        let text = String::from_utf8(sink.0.lock().unwrap().clone()).unwrap();
        assert!(!text.contains("secret"), "{text}");
        assert!(text.contains("seen") && text.contains("seen too"), "{text}");
    }
}
