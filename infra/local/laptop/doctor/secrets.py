"""The text of a secret. Nothing here puts any of it into a message."""

from botocore.exceptions import ClientError

from laptop.deployed import Client
from laptop.doctor import refusals
from laptop.doctor.findings import Look, fail


def text(client: Client, secret: str, parameter: str) -> Look:
    """Yields what is wrong with it; returns the text, or nothing."""
    try:
        answer = client("secretsmanager").get_secret_value(SecretId=secret)
    except ClientError as error:
        match refusals.code(error):
            case "ResourceNotFoundException":
                yield fail(f"{secret} does not exist", f"create it with `aws secretsmanager create-secret`, and deploy with its ARN as {parameter}")
            case "InvalidRequestException":
                yield fail(f"{secret} cannot be read, {refusals.message(error)}", "if it is marked for deletion, `aws secretsmanager restore-secret`")
            case _:
                raise
        return None
    if not answer.get("SecretString"):
        yield fail(f"{secret} holds bytes, not text", "store it with --secret-string")
        return None
    return answer["SecretString"]
