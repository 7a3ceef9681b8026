//! What the template tells this function.

use cloud::{Error, env};

#[derive(Debug, Clone)]
pub(crate) struct Config {
    pub(crate) data_bucket: String,
    /// Names this deployment in its metrics.
    pub(crate) pipeline_name: String,
    /// The secret with the salt of masks by hash; empty where no contract needs it.
    pub(crate) mask_salt_secret_id: String,
}

impl Config {
    pub(crate) fn from_env() -> Result<Self, Error> {
        Ok(Self {
            data_bucket: env::required("DATA_BUCKET")?,
            pipeline_name: env::required("PIPELINE_NAME")?,
            mask_salt_secret_id: env::optional("MASK_SALT_SECRET_ID"),
        })
    }
}
