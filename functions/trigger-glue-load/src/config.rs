//! What the template tells this function.

use cloud::{Error, env};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone)]
pub(crate) struct Config {
    pub(crate) data_bucket: String,
    /// Names this deployment in its metrics.
    pub(crate) pipeline_name: String,
    pub(crate) load_mode: LoadMode,
    pub(crate) glue_job_name: String,
    /// Redshift Serverless workgroup.
    pub(crate) workgroup: String,
    pub(crate) database: String,
    /// Secret with the warehouse's `username` and `password`, for the Data API.
    pub(crate) warehouse_secret_arn: String,
    /// Role that COPY reads S3 with; the namespace's default role when empty.
    pub(crate) copy_role_arn: String,
}

/// Who runs the load's statements.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LoadMode {
    /// The Glue job, over its JDBC connection.
    Glue,
    /// The Data API, as one batch.
    Direct,
}

impl Config {
    pub(crate) fn from_env() -> Result<Self, Error> {
        let load_mode = match env::required("LOAD_MODE")?.as_str() {
            "glue" => LoadMode::Glue,
            "direct" => LoadMode::Direct,
            other => {
                return Err(Error::ConfigInvalid(format!("the environment variable LOAD_MODE is `{other}`: set it to glue or direct")));
            }
        };
        Ok(Self {
            data_bucket: env::required("DATA_BUCKET")?,
            pipeline_name: env::required("PIPELINE_NAME")?,
            load_mode,
            glue_job_name: env::required("GLUE_JOB_NAME")?,
            workgroup: env::required("WAREHOUSE_WORKGROUP")?,
            database: env::required("WAREHOUSE_DATABASE")?,
            warehouse_secret_arn: env::required("WAREHOUSE_SECRET_ARN")?,
            copy_role_arn: env::optional("COPY_ROLE_ARN"),
        })
    }
}
