//! What the template tells this function.

use cloud::{Error, env};

#[derive(Debug, Clone)]
pub(crate) struct Config {
    pub(crate) data_bucket: String,
    /// Name or ARN of the secret that holds the Azure connection string.
    pub(crate) azure_secret_id: String,
    pub(crate) azure_container: String,
    pub(crate) azure_blob: String,
    /// Key of the customers file in the data bucket.
    pub(crate) customers_key: String,
    pub(crate) split_bytes: u64,
}

impl Config {
    pub(crate) fn from_env() -> Result<Self, Error> {
        Ok(Self {
            data_bucket: env::required("DATA_BUCKET")?,
            azure_secret_id: env::required("AZURE_SECRET_ID")?,
            azure_container: env::required("AZURE_CONTAINER")?,
            azure_blob: env::required("AZURE_BLOB")?,
            customers_key: env::required("CUSTOMERS_KEY")?,
            split_bytes: env::positive("SPLIT_BYTES")?,
        })
    }
}
