//! A run obeys one contract: the copy that its first step made, known by its hash.

use pipeline::contract::Plan;
use pipeline::manifest::ContractRef;

use crate::bucket::{Bucket, Pin};
use crate::error::Error;

/// Compiles a contract; `uri` tells a person where to correct it.
pub fn compile(uri: &str, bytes: &[u8]) -> Result<Plan, Error> {
    Plan::compile(bytes).map_err(|faults| Error::ContractInvalid { uri: uri.to_owned(), faults })
}

/// The plan of a run's own copy of the contract.
pub async fn pinned(bucket: &Bucket, contract: &ContractRef) -> Result<Plan, Error> {
    let bytes = bucket.get(&contract.key, &Pin::default()).await?;
    let plan = compile(&bucket.uri(&contract.key), &bytes)?;
    if plan.sha256 != contract.sha256 {
        return Err(Error::ObjectChanged { bucket: bucket.name().to_owned(), key: contract.key.clone() });
    }
    Ok(plan)
}
