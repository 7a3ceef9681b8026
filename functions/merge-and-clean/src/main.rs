//! Lambda: parses, cleans and joins one split into Parquet, with its ledger.

mod config;
mod error;
mod handler;
mod split;

use lambda_runtime::{Error, LambdaEvent, run, service_fn};

use crate::config::Config;
use crate::handler::{Deps, handle};

#[tokio::main]
async fn main() -> Result<(), Error> {
    cloud::telemetry::init();
    let config = Config::from_env()?;
    let aws = cloud::aws_config().await;
    let deps = Deps::new(config, &aws);
    run(service_fn(|event: LambdaEvent<_>| handle(&deps, event.payload))).await
}
