//! What the template tells this function.

use cloud::{Error, env};
use report::cost::Prices;
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
    /// MB of the three functions, for what they cost.
    pub(crate) memory: Memory,
    pub(crate) prices: Prices,
    /// Of a warehouse that the template has made.
    pub(crate) base_rpus: Option<f64>,
    pub(crate) jdbc_url: String,
    pub(crate) lineage: Lineage,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Memory {
    pub(crate) fetch: u64,
    pub(crate) merge: u64,
    pub(crate) trigger: u64,
}

/// Where OpenLineage events are sent.
#[derive(Debug, Clone)]
pub(crate) struct Lineage {
    /// Empty for nowhere.
    pub(crate) url: String,
    /// Secret with the key that the receiver wants; empty for none.
    pub(crate) api_key_secret_id: String,
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
            memory: Memory {
                fetch: env::positive("FETCH_MEMORY")?,
                merge: env::positive("MERGE_MEMORY")?,
                trigger: env::positive("TRIGGER_MEMORY")?,
            },
            prices: Prices {
                lambda_gb_second: env::number("PRICE_LAMBDA_GB_SECOND")?,
                state_transition: env::number("PRICE_STATE_TRANSITION")?,
                glue_dpu_hour: env::number("PRICE_GLUE_DPU_HOUR")?,
                redshift_rpu_hour: env::number("PRICE_REDSHIFT_RPU_HOUR")?,
            },
            base_rpus: if env::optional("WAREHOUSE_BASE_RPUS").is_empty() { None } else { Some(env::number("WAREHOUSE_BASE_RPUS")?) },
            jdbc_url: env::required("WAREHOUSE_JDBC_URL")?,
            lineage: Lineage { url: env::optional("OPENLINEAGE_URL"), api_key_secret_id: env::optional("OPENLINEAGE_API_KEY_SECRET_ID") },
        })
    }
}
