//! The Glue job: one run of it per run of ours.

use aws_sdk_glue::Client;
use aws_sdk_glue::operation::start_job_run::StartJobRunError;
use aws_sdk_glue::types::JobRunState;
use pipeline::manifest::RunId;

use crate::error::Error;

/// Where a job run stands.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum JobState {
    /// Waiting, starting, running or stopping.
    Unfinished,
    Succeeded,
    /// Ended otherwise, with what Glue says of it.
    Failed(String),
}

/// What the job is told: nothing but where the sealed manifest lies.
#[derive(Debug)]
pub(crate) struct JobArguments<'a> {
    pub(crate) run_id: &'a RunId,
    /// `s3://` address.
    pub(crate) manifest: String,
    pub(crate) manifest_sha256: String,
}

pub(crate) async fn start(client: &Client, job: &str, arguments: JobArguments<'_>) -> Result<String, Error> {
    let started = client
        .start_job_run()
        .job_name(job)
        .arguments("--run_id", arguments.run_id.as_str())
        .arguments("--manifest", arguments.manifest)
        .arguments("--manifest_sha256", arguments.manifest_sha256)
        .send()
        .await;
    let started = started.map_err(|e| {
        if e.as_service_error().is_some_and(StartJobRunError::is_concurrent_runs_exceeded_exception) {
            return Error::GlueBusy { job: job.to_owned() };
        }
        if e.as_service_error().is_some_and(StartJobRunError::is_entity_not_found_exception) {
            return Error::LoadFailed(format!("there is no Glue job {job}: deploy the stack again"));
        }
        Error::GlueUnavailable { job: job.to_owned(), source: Box::new(e) }
    })?;
    started.job_run_id.ok_or_else(|| Error::LoadFailed(format!("the Glue job {job} was started without a run id")))
}

pub(crate) async fn state(client: &Client, job: &str, job_run_id: &str) -> Result<JobState, Error> {
    let found = client.get_job_run().job_name(job).run_id(job_run_id).send().await;
    let run = found.map_err(|e| Error::GlueUnavailable { job: job.to_owned(), source: Box::new(e) })?.job_run;
    let Some(run) = run else {
        return Err(Error::LoadFailed(format!("the Glue job {job} has no run {job_run_id}")));
    };
    let message = || run.error_message.clone().unwrap_or_else(|| "Glue gave no reason".to_owned());
    Ok(match run.job_run_state {
        Some(JobRunState::Succeeded) => JobState::Succeeded,
        Some(state @ (JobRunState::Failed | JobRunState::Error | JobRunState::Timeout | JobRunState::Stopped | JobRunState::Expired)) => {
            JobState::Failed(format!("{}: {}", state.as_str(), message()))
        }
        _ => JobState::Unfinished,
    })
}
