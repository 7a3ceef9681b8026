"""The run's own report, asked for as the rule on an execution's end would ask for it, and kept where it outlives the stack."""

import json
import shutil
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError

from laptop import deployed
from laptop.failure import Failure
from laptop.paths import REPORTS
from laptop.session import Session

# report.html is written last.
FILES = ("report.json", "openlineage.ndjson", "report.html")
_KEPT = 20


def fetch(session: Session, execution_arn: str, run_id: str, out: Path | None) -> Path:
    """The page of a run that has ended, and beside it what else the report is made of; in the run's own folder here unless `out` is given."""
    try:
        _ask(session, execution_arn)
        folder = out or REPORTS / run_id
        folder.mkdir(parents=True, exist_ok=True)
        s3 = session.stack.client("s3")
        for name in FILES:
            s3.download_file(session.deployment.bucket, f"runs/{run_id}/{name}", str(folder / name))
    except (BotoCoreError, ClientError, OSError, ValueError) as error:
        raise Failure("ReportFailed", str(error)) from error
    _forget_old_ones()
    return folder / "report.html"


def _ask(session: Session, execution_arn: str) -> None:
    name = deployed.resource(session.stack.client, session.deployment.stack, deployed.LOADS)
    payload = json.dumps({"action": "report", "execution_arn": execution_arn})
    answer = session.stack.client("lambda").invoke(FunctionName=name, Payload=payload)
    said = json.loads(answer["Payload"].read())
    if "FunctionError" in answer:
        raise Failure(said.get("errorType", "ReportFailed"), said.get("errorMessage", "the function does not say why"))


def _forget_old_ones() -> None:
    folders = sorted(REPORTS.glob("*/"), key=lambda folder: folder.stat().st_mtime)
    for folder in folders[:-_KEPT]:
        shutil.rmtree(folder, ignore_errors=True)
