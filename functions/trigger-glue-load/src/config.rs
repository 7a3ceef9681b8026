//! What the template tells this function.

use cloud::{Error, env};

#[derive(Debug, Clone)]
pub(crate) struct Config {
    pub(crate) data_bucket: String,
    pub(crate) glue_job_name: String,
    /// Redshift Serverless workgroup.
    pub(crate) workgroup: String,
    pub(crate) database: String,
    /// Secret with the warehouse's `username` and `password`, for the Data API.
    pub(crate) warehouse_secret_arn: String,
    /// Role that COPY reads S3 with; the namespace's default role when empty.
    pub(crate) copy_role_arn: String,
}

impl Config {
    pub(crate) fn from_env() -> Result<Self, Error> {
        Ok(Self {
            data_bucket: env::required("DATA_BUCKET")?,
            glue_job_name: env::required("GLUE_JOB_NAME")?,
            workgroup: env::required("WAREHOUSE_WORKGROUP")?,
            database: env::required("WAREHOUSE_DATABASE")?,
            warehouse_secret_arn: env::required("WAREHOUSE_SECRET_ARN")?,
            copy_role_arn: env::optional("COPY_ROLE_ARN"),
        })
    }
}
