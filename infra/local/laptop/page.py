"""The run's own report, which the rule on an execution's end has made: waited for, and kept where it outlives the stack."""

import shutil
import time
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError

from laptop.failure import Failure
from laptop.paths import REPORTS
from laptop.session import Session

# report.html is written last.
FILES = ("report.json", "openlineage.ndjson", "report.html")
_KEPT = 20
_POLL_SECONDS, _PATIENCE_SECONDS = 0.1, 30.0


def fetch(session: Session, execution_arn: str, run_id: str, out: Path | None) -> Path:
    """The page of a run that has ended, and beside it what else the report is made of; in the run's own folder here unless `out` is given."""
    try:
        _wait(session, execution_arn, run_id)
        folder = out or REPORTS / run_id
        folder.mkdir(parents=True, exist_ok=True)
        s3 = session.stack.client("s3")
        for name in FILES:
            s3.download_file(session.deployment.bucket, f"runs/{run_id}/{name}", str(folder / name))
    except (BotoCoreError, ClientError, OSError, ValueError) as error:
        raise Failure("ReportFailed", str(error)) from error
    _forget_old_ones()
    return folder / "report.html"


def _wait(session: Session, execution_arn: str, run_id: str) -> None:
    """A run that was redriven has a report from before, so the page's age counts, in the whole seconds that S3 tells."""
    ended = session.stack.client("stepfunctions").describe_execution(executionArn=execution_arn)["stopDate"].replace(microsecond=0)
    s3, key, deadline = session.stack.client("s3"), f"runs/{run_id}/{FILES[-1]}", time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < deadline:
        session.stack.check()
        found = s3.list_objects_v2(Bucket=session.deployment.bucket, Prefix=key).get("Contents", [])
        if found and found[0]["LastModified"] >= ended:
            return
        time.sleep(_POLL_SECONDS)
    raise Failure("ReportFailed", f"{_PATIENCE_SECONDS:.0f} s after the run's end {key} is not there: the log of trigger-glue-load says why")


def _forget_old_ones() -> None:
    folders = sorted(REPORTS.glob("*/"), key=lambda folder: folder.stat().st_mtime)
    for folder in folders[:-_KEPT]:
        shutil.rmtree(folder, ignore_errors=True)
