//! How far a copy is, beside the object that it makes: whoever calls next goes on from there.

use cloud::upload::Paused;
use serde::{Deserialize, Serialize};

use super::Job;
use super::tap::SavedTap;
use crate::error::Error;
use crate::ranges::Position;

#[derive(Serialize, Deserialize)]
pub(super) struct Checkpoint {
    /// The next byte to be read.
    pub(super) position: Position,
    pub(super) tap: SavedTap,
    pub(super) raw: Paused,
    pub(super) original: Option<Paused>,
}

/// What a former call has left; `None` when there is none, or none of our shape: then the copy begins anew.
pub(super) async fn load(job: &Job<'_>) -> Result<Option<Checkpoint>, Error> {
    let bytes = job.bucket.get_optional(&job.checkpoint_key()).await?;
    Ok(bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok().flatten()))
}

/// Nothing takes a checkpoint back: the function may not delete.
pub(super) async fn store(job: &Job<'_>, checkpoint: Option<&Checkpoint>) -> Result<(), Error> {
    Ok(job.bucket.put_json(&job.checkpoint_key(), &checkpoint).await?)
}
