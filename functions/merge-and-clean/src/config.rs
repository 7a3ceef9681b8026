//! What the template tells this function.

use cloud::{Error, env};

#[derive(Debug, Clone)]
pub(crate) struct Config {
    pub(crate) data_bucket: String,
}

impl Config {
    pub(crate) fn from_env() -> Result<Self, Error> {
        Ok(Self { data_bucket: env::required("DATA_BUCKET")? })
    }
}
