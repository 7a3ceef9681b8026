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

use aws_sdk_s3::config::SharedHttpClient;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;

pub use error::Error;

/// The configuration of every AWS client, read from the environment once, at start.
pub async fn aws_config() -> aws_config::SdkConfig {
    aws_config::defaults(aws_config::BehaviorVersion::latest()).http_client(http_client()).load().await
}

/// The HTTP client of every AWS client.
///
/// Its TLS runs on ring, as reqwest's does towards Azure, so that one TLS stack is compiled and shipped (2026-11-30). The SDK's own
/// default, aws-lc, would also offer post-quantum key exchange.
pub fn http_client() -> SharedHttpClient {
    let tls = Provider::Rustls(CryptoMode::Ring);
    aws_smithy_http_client::Builder::new().tls_provider(tls).build_https()
}
