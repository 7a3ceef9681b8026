"""When a run starts, and who hears of one that fails."""

from laptop import deployed
from laptop.deployed import Client
from laptop.doctor.findings import Look, ok, warn
from laptop.doctor.stack import Description

_SCHEDULE = "StateMachineNightly"  # as SAM names the state machine's event Nightly
_PENDING = ("PendingConfirmation", "pending confirmation")


def schedule(client: Client, _: Description, name: str) -> Look:
    found = client("scheduler").get_schedule(Name=deployed.resource(client, name, _SCHEDULE).rpartition("/")[2])
    when = f"{found['ScheduleExpression']}, {found.get('ScheduleExpressionTimezone', 'UTC')}"
    if found["State"] == "ENABLED":
        yield ok(f"ENABLED, {when}")
    else:
        yield ok(f"{found['State']}, so that runs start by hand only; it says {when}")
    return found


def topic(client: Client, stack: Description) -> Look:
    arn = stack.outputs["AlertTopicArn"]
    pages = client("sns").get_paginator("list_subscriptions_by_topic").paginate(TopicArn=arn)
    subscriptions = [subscription for page in pages for subscription in page["Subscriptions"]]
    confirmed = [subscription for subscription in subscriptions if subscription["SubscriptionArn"] not in _PENDING]
    if confirmed:
        yield ok(f"{', '.join(sorted({subscription['Protocol'] for subscription in confirmed}))} is subscribed to {arn}")
    elif subscriptions:
        yield warn(f"no subscription to {arn} is confirmed", "open the link in the mail that AWS has sent")
    else:
        yield warn(f"nobody is subscribed to {arn}", "deploy with AlertEmail, or subscribe to it; a run that fails is told to nobody")
    return None
