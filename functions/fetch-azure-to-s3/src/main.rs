//! Lambda: pins the sources and copies the transactions from Azure Blob Storage to S3, byte for byte, with proof.

mod azure;
mod buffers;
mod config;
mod copy;
mod error;
mod handler;
mod inflate;
mod pinned;
mod progress;
mod ranges;
mod replay;
mod retry;
mod source;

use lambda_runtime::{Error, LambdaEvent, run, service_fn};

use crate::config::Config;
use crate::handler::{Deps, handle};

// One thread moves the bytes, and hashes and scans have others: woken across two, the same copy took 4 % more CPU and was 7 % slower
// (2026-11-26, `make bench-fetch`).
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    cloud::telemetry::init();
    let config = Config::from_env()?;
    let aws = cloud::aws_config().await;
    let deps = Deps::new(config, &aws);
    run(service_fn(|event: LambdaEvent<_>| handle(&deps, event.payload, event.context.deadline))).await
}
