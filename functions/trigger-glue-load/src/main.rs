//! Lambda: seals the run, starts the Glue job over its JDBC connection, and believes only the warehouse;
//! reports the run once it has ended.

mod balance;
mod config;
mod direct;
mod error;
mod glue;
mod handler;
mod load;
mod report;
mod seal;
mod steps;
mod warehouse;

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
