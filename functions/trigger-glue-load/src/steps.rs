//! What Step Functions says of an execution.

use aws_sdk_sfn::Client;
use aws_sdk_sfn::config::http::HttpResponse;
use aws_sdk_sfn::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sfn::operation::describe_execution::DescribeExecutionOutput;
use aws_sdk_sfn::primitives::DateTime;
use aws_sdk_sfn::types::HistoryEvent;
use report::evidence::{Event, Execution};
use serde_json::Value;

use crate::error::Error;

/// An execution that has ended; `None` while it runs.
pub(crate) async fn execution(client: &Client, arn: &str) -> Result<Option<Execution>, Error> {
    let found = client.describe_execution().execution_arn(arn).send().await.map_err(|e| refused(arn, e))?;
    Ok(found.stop_date.and_then(millis).map(|ended| ended_at(&found, ended)))
}

fn ended_at(found: &DescribeExecutionOutput, ended: i64) -> Execution {
    let json = |text: Option<&str>| text.and_then(|text| serde_json::from_str::<Value>(text).ok());
    Execution {
        arn: found.execution_arn.clone(),
        status: found.status.as_str().to_owned(),
        started: millis(found.start_date).unwrap_or(ended),
        ended,
        redrives: found.redrive_count.and_then(|count| u32::try_from(count).ok()).unwrap_or_default(),
        input: json(found.input()).unwrap_or_default(),
        output: json(found.output()),
        error: found.error.clone(),
        cause: found.cause.clone(),
    }
}

/// Its history, without what went in and out of the states.
pub(crate) async fn history(client: &Client, arn: &str) -> Result<Vec<Event>, Error> {
    let request = client.get_execution_history().execution_arn(arn).include_execution_data(false).max_results(1000);
    let mut pages = request.into_paginator().send();
    let mut events = Vec::new();
    while let Some(page) = pages.next().await {
        events.extend(page.map_err(|e| refused(arn, e))?.events.iter().map(event));
    }
    Ok(events)
}

fn event(event: &HistoryEvent) -> Event {
    let entered = event.state_entered_event_details().map(|details| details.name());
    let left = || event.state_exited_event_details().map(|details| details.name());
    Event {
        at: millis(event.timestamp).unwrap_or_default(),
        kind: event.r#type.as_str().to_owned(),
        state: entered.or_else(left).map(str::to_owned),
    }
}

fn millis(time: DateTime) -> Option<i64> {
    time.to_millis().ok()
}

fn refused<E>(arn: &str, error: SdkError<E, HttpResponse>) -> Error
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    match error.code() {
        Some(code @ ("ExecutionDoesNotExist" | "InvalidArn")) => {
            Error::RunIncomplete(format!("there is no execution {arn} ({code}): report one of this state machine"))
        }
        Some(code @ "AccessDeniedException") => Error::ConfigInvalid(format!(
            "the execution {arn} may not be read ({code}): name one of this state machine, or allow the function's role the call"
        )),
        _ => Error::ExecutionUnavailable { arn: arn.to_owned(), source: Box::new(error) },
    }
}
