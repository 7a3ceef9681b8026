//! Secrets Manager, for what a function must not carry.

use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::error::ProvideErrorMetadata;
use aws_sdk_secretsmanager::operation::get_secret_value::GetSecretValueError;

use crate::error::Error;

/// The text of a secret's current version.
pub async fn text(client: &Client, id: &str) -> Result<String, Error> {
    let response = client.get_secret_value().secret_id(id).send().await.map_err(|e| {
        if e.as_service_error().is_some_and(GetSecretValueError::is_resource_not_found_exception) {
            return Error::SecretMissing { id: id.to_owned() };
        }
        let invalid = |why| Error::SecretInvalid { id: id.to_owned(), why };
        match e.code() {
            Some("AccessDeniedException") => {
                invalid("may not be read by this function: allow its role secretsmanager:GetSecretValue on it, and kms:Decrypt on its key")
            }
            Some("DecryptionFailure") => invalid("cannot be decrypted: enable its KMS key again, or store the secret under another"),
            Some("InvalidRequestException") => invalid("is marked for deletion: restore it, or correct the parameter that names it"),
            _ => Error::SecretUnavailable { id: id.to_owned(), source: Box::new(e) },
        }
    })?;
    response.secret_string.ok_or_else(|| Error::SecretInvalid { id: id.to_owned(), why: "holds bytes, not text: store it as text" })
}
