//! The Glue job: runs of it that carry out a load.

use aws_sdk_glue::Client;
use aws_sdk_glue::config::retry::RetryConfig;
use aws_sdk_glue::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_glue::operation::start_job_run::StartJobRunError;
use aws_sdk_glue::types::{JobRun, JobRunState};
use pipeline::manifest::RunId;

use crate::error::Error;

/// Where a job run stands.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum JobState {
    /// Waiting, starting, running or stopping.
    Unfinished,
    Succeeded,
    /// It ended without the job's script having said why: the service failed, or a machine died. Another attempt may pass.
    Interrupted(String),
    /// Ended otherwise, with what Glue says of it.
    Failed(String),
}

/// What the job is told: nothing but where the sealed manifest lies, and which attempt at it this is.
#[derive(Debug)]
pub(crate) struct JobArguments<'a> {
    pub(crate) run_id: &'a RunId,
    /// `s3://` address.
    pub(crate) manifest: String,
    pub(crate) manifest_sha256: String,
    pub(crate) attempt: u32,
}

/// How many of the newest job runs are looked through for one of ours.
const LOOKED_THROUGH: i32 = 100;

/// Starts the job run of this attempt, unless it has been started: StartJobRun has no token that would keep a repeated call from
/// starting a second one, and its answer can be lost.
pub(crate) async fn start(client: &Client, job: &str, arguments: &JobArguments<'_>) -> Result<String, Error> {
    if let Some(id) = find(client, job, arguments).await? {
        return Ok(id);
    }
    // The SDK would repeat a call whose answer was lost.
    let no_retry = aws_sdk_glue::config::Builder::new().retry_config(RetryConfig::disabled());
    let started = client
        .start_job_run()
        .job_name(job)
        .arguments("--run_id", arguments.run_id.as_str())
        .arguments("--manifest", &arguments.manifest)
        .arguments("--manifest_sha256", &arguments.manifest_sha256)
        .arguments("--attempt", arguments.attempt.to_string())
        .customize()
        .config_override(no_retry)
        .send()
        .await;
    let error = match started {
        Ok(started) => {
            return started.job_run_id.ok_or_else(|| Error::LoadFailed(format!("the Glue job {job} was started without a run id")));
        }
        Err(error) => error,
    };
    let is_busy = error.as_service_error().is_some_and(|e| {
        e.is_concurrent_runs_exceeded_exception() || matches!(e, StartJobRunError::ResourceNumberLimitExceededException(_))
    });
    let error = if is_busy { Error::GlueBusy { job: job.to_owned() } } else { refused(job, error) };
    // Whatever the answer was: has the job run come to be?
    match find(client, job, arguments).await {
        Ok(Some(id)) => Ok(id),
        _ => Err(error),
    }
}

/// The job run of this attempt.
async fn find(client: &Client, job: &str, arguments: &JobArguments<'_>) -> Result<Option<String>, Error> {
    let found = client.get_job_runs().job_name(job).max_results(LOOKED_THROUGH).send().await.map_err(|e| refused(job, e))?;
    let is_ours = |run: &JobRun| {
        let argument = |name: &str| run.arguments.as_ref().and_then(|given| given.get(name)).map(String::as_str);
        argument("--run_id") == Some(arguments.run_id.as_str())
            && argument("--manifest_sha256") == Some(&arguments.manifest_sha256)
            && argument("--attempt") == Some(&arguments.attempt.to_string())
    };
    Ok(found.job_runs.unwrap_or_default().into_iter().find(is_ours).and_then(|run| run.id))
}

/// The DPU-seconds of all job runs that loaded a run; `None` when there is none any more.
pub(crate) async fn used(client: &Client, job: &str, run_id: &RunId) -> Result<Option<f64>, Error> {
    let found = client.get_job_runs().job_name(job).max_results(LOOKED_THROUGH).send().await.map_err(|e| refused(job, e))?;
    let is_ours =
        |run: &&JobRun| run.arguments.as_ref().and_then(|given| given.get("--run_id")).map(String::as_str) == Some(run_id.as_str());
    let runs = found.job_runs.unwrap_or_default();
    Ok(runs.iter().filter(is_ours).filter_map(dpu_seconds).reduce(|all, one| all + one))
}

/// Where a job run stands.
pub(crate) async fn state(client: &Client, job: &str, job_run_id: &str) -> Result<JobState, Error> {
    let found = match client.get_job_run().job_name(job).run_id(job_run_id).send().await {
        Ok(found) => found.job_run,
        Err(e) if e.code() == Some("EntityNotFoundException") => None,
        Err(e) => return Err(refused(job, e)),
    };
    let Some(run) = found else {
        return Ok(JobState::Interrupted(format!("Glue knows its run {job_run_id} no more")));
    };
    Ok(judge(run.job_run_state.as_ref(), run.error_message.as_deref().unwrap_or("Glue gave no reason")))
}

/// What a job run is billed by, before rounding. Glue says it of FLEX and scaled runs; of others it says the time and the capacity.
fn dpu_seconds(run: &JobRun) -> Option<f64> {
    run.dpu_seconds.or_else(|| Some(f64::from(run.execution_time) * run.max_capacity?))
}

fn judge(state: Option<&JobRunState>, message: &str) -> JobState {
    let Some(state) = state else { return JobState::Unfinished };
    let words = format!("{}: {message}", state.as_str());
    match state {
        JobRunState::Succeeded => JobState::Succeeded,
        JobRunState::Failed if Error::is_named_by_the_job(message) => JobState::Failed(words),
        JobRunState::Failed | JobRunState::Error => JobState::Interrupted(words),
        JobRunState::Stopped => JobState::Failed(format!("{words}: somebody has stopped it, so redrive the execution to load after all")),
        JobRunState::Timeout => JobState::Failed(format!("{words}: raise the Timeout of the Glue job, then redrive the execution")),
        JobRunState::Expired => JobState::Failed(format!("{words}: it waited too long for its start, so redrive the execution")),
        // Waiting, starting, running, stopping; or a state that Glue has learnt since.
        _ => JobState::Unfinished,
    }
}

/// Glue has not taken a call: worth another try, or wrongly set up.
fn refused<E>(job: &str, error: SdkError<E>) -> Error
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    match error.code() {
        Some("EntityNotFoundException") => Error::ConfigInvalid(format!("there is no Glue job {job}: deploy the stack again")),
        Some(code @ ("AccessDeniedException" | "InvalidInputException" | "ValidationException")) => Error::ConfigInvalid(format!(
            "the Glue job {job} cannot be used ({code}: {}): correct it, or allow the function's role the call",
            error.message().unwrap_or("no reason given")
        )),
        _ => Error::GlueUnavailable { job: job.to_owned(), source: Box::new(error) },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_job_run_has_used_is_said_or_computed() {
        let run = JobRun::builder().execution_time(70);
        assert_eq!(dpu_seconds(&run.clone().max_capacity(2.0).build()), Some(140.0));
        assert_eq!(dpu_seconds(&run.clone().max_capacity(2.0).dpu_seconds(99.5).build()), Some(99.5));
        assert_eq!(dpu_seconds(&run.build()), None);
    }

    #[test]
    fn every_state_of_a_job_run_is_known() {
        let check = |state: JobRunState, message: &str, expected: &str| {
            let name = match judge(Some(&state), message) {
                JobState::Unfinished => "unfinished",
                JobState::Succeeded => "succeeded",
                JobState::Interrupted(_) => "interrupted",
                JobState::Failed(_) => "failed",
            };
            assert_eq!(name, expected, "{state:?} {message}");
        };
        for state in [JobRunState::Waiting, JobRunState::Starting, JobRunState::Running, JobRunState::Stopping, JobRunState::from("LATER")]
        {
            check(state, "", "unfinished");
        }
        check(JobRunState::Succeeded, "", "succeeded");
        check(JobRunState::Failed, "LoadFailed: fold: disk full", "failed");
        check(JobRunState::Failed, "Error Category: UNCLASSIFIED_ERROR; LedgerMismatch: 3 is not 4", "failed");
        check(JobRunState::Failed, "ConnectionLost: commit: the connection was closed", "interrupted");
        check(JobRunState::Failed, "Command failed with exit code 137", "interrupted");
        check(JobRunState::Error, "Glue gave no reason", "interrupted");
        for state in [JobRunState::Stopped, JobRunState::Timeout, JobRunState::Expired] {
            check(state, "Glue gave no reason", "failed");
        }
        assert_eq!(judge(None, ""), JobState::Unfinished);
    }
}
