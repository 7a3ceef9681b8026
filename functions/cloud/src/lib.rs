//! The shell the three functions share: telemetry, configuration from the environment, S3, secrets, the run's contract, errors.

pub mod bucket;
pub mod checksum;
pub mod contract;
pub mod env;
pub mod error;
#[cfg(any(test, feature = "testing"))]
pub mod memory;
pub mod metrics;
pub mod pipe;
pub mod secrets;
pub mod telemetry;
pub mod upload;

pub use error::Error;

/// AWS configuration from the environment, read once at start.
pub async fn aws_config() -> aws_config::SdkConfig {
    aws_config::load_defaults(aws_config::BehaviorVersion::latest()).await
}
