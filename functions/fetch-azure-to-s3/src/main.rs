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

#[tokio::main]
async fn main() -> Result<(), Error> {
    cloud::telemetry::init();
    let config = Config::from_env()?;
    let aws = cloud::aws_config().await;
    let deps = Deps::new(config, &aws);
    run(service_fn(|event: LambdaEvent<_>| handle(&deps, event.payload, event.context.deadline))).await
}
