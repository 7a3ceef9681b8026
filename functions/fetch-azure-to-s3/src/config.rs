//! What the template tells this function.

use cloud::{Error, env};

#[derive(Debug, Clone)]
pub(crate) struct Config {
    pub(crate) data_bucket: String,
    /// Names this deployment in its metrics.
    pub(crate) pipeline_name: String,
    /// Name or ARN of the secret that holds the Azure connection string.
    pub(crate) azure_secret_id: String,
    pub(crate) azure_container: String,
    pub(crate) azure_blob: String,
    /// Where the customers file is: the data bucket, or one that the business has already.
    pub(crate) customers_bucket: String,
    pub(crate) customers_key: String,
    pub(crate) split_bytes: u64,
}

impl Config {
    pub(crate) fn from_env() -> Result<Self, Error> {
        Ok(Self {
            data_bucket: env::required("DATA_BUCKET")?,
            pipeline_name: env::required("PIPELINE_NAME")?,
            azure_secret_id: env::required("AZURE_SECRET_ID")?,
            azure_container: env::required("AZURE_CONTAINER")?,
            azure_blob: env::required("AZURE_BLOB")?,
            customers_bucket: env::required("CUSTOMERS_BUCKET")?,
            customers_key: env::required("CUSTOMERS_KEY")?,
            split_bytes: env::positive("SPLIT_BYTES")?,
        })
    }
}
