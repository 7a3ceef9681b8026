"""What an API's refusal means to the person who asked, and which IAM action would have allowed it."""

import re

from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, NoRegionError

from laptop.doctor.findings import Finding, fail

_DENIED = {"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "AuthorizationError", "AuthorizationErrorException", "403"}
_LOGGED_OUT = {
    "AuthFailure",
    "ExpiredToken",
    "ExpiredTokenException",
    "InvalidAccessKeyId",
    "InvalidClientTokenId",
    "RequestExpired",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
}
# Some refusals name the action themselves; a HEAD's has no text at all.
_NAMED = re.compile(r"not authorized to perform:? ([a-z0-9-]+:\w+)")
_ACTIONS = {
    "DescribeStacks": "cloudformation:DescribeStacks",
    "DescribeStackResource": "cloudformation:DescribeStackResource",
    "GetFunctionConfiguration": "lambda:GetFunctionConfiguration",
    "GetSecretValue": "secretsmanager:GetSecretValue (and kms:Decrypt on its key)",
    # S3 answers 403, too, for an object that is not there if the caller may not list the bucket.
    "HeadObject": "s3:GetObject and s3:ListBucket",
    "GetObject": "s3:GetObject and s3:ListBucket (and kms:Decrypt on the bucket's key)",
    "HeadBucket": "s3:ListBucket",
    "GetJob": "glue:GetJob",
    "GetConnection": "glue:GetConnection",
    "DescribeSecurityGroups": "ec2:DescribeSecurityGroups",
    "DescribeSubnets": "ec2:DescribeSubnets",
    "DescribeRouteTables": "ec2:DescribeRouteTables",
    "DescribeVpcEndpoints": "ec2:DescribeVpcEndpoints",
    "GetWorkgroup": "redshift-serverless:GetWorkgroup",
    "GetNamespace": "redshift-serverless:GetNamespace",
    "ExecuteStatement": "redshift-data:ExecuteStatement",
    "DescribeStatement": "redshift-data:DescribeStatement",
    "GetStatementResult": "redshift-data:GetStatementResult",
    "GetSchedule": "scheduler:GetSchedule",
    "ListSubscriptionsByTopic": "sns:ListSubscriptionsByTopic",
}


def explain(error: BotoCoreError | ClientError) -> Finding:
    match error:
        case ClientError():
            return _of_the_service(error)
        case NoCredentialsError():
            return fail("there are no AWS credentials", "log in, or set AWS_PROFILE")
        case NoRegionError():
            return fail("there is no AWS Region", "set AWS_REGION to the stack's")
        case _:
            return fail(f"AWS does not answer, {str(error).rstrip('.')}", "look at the network, the proxy and AWS_REGION")


def code(error: ClientError) -> str:
    return error.response["Error"].get("Code", "")


def message(error: ClientError) -> str:
    return error.response["Error"].get("Message", "").rstrip(".")


def _of_the_service(error: ClientError) -> Finding:
    if code(error) in _DENIED:
        named = _NAMED.search(message(error))
        action = named[1] if named else _ACTIONS.get(error.operation_name, error.operation_name)
        return fail(f"you may not look, {error.operation_name} is refused", f"have {action} allowed to the credentials that you call with")
    if code(error) in _LOGGED_OUT:
        return fail(f"AWS does not take your credentials, {code(error)}", "log in again")
    return fail(f"{error.operation_name} failed with {code(error)}, {message(error) or 'without a word'}", "correct what it names, and look again")
