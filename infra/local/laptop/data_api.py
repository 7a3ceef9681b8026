"""The warehouse through the Redshift Data API, on AWS as on the laptop: a statement with named parameters, and its rows as text."""

import time
from dataclasses import dataclass
from typing import Any

from laptop.failure import Failure

_POLL_SECONDS = 0.1
_LIMIT_SECONDS = 300.0  # a Serverless warehouse that sleeps is woken up first


@dataclass(frozen=True)
class DataApi:
    client: Any
    login: dict[str, str]  # WorkgroupName, Database, SecretArn

    def rows(self, sql: str, **parameters: str) -> list[dict[str, str | None]]:
        given = {"Parameters": [{"name": name, "value": value} for name, value in parameters.items()]} if parameters else {}
        identity = self.client.execute_statement(Sql=sql, **self.login, **given)["Id"]
        self._wait_for(identity, sql)
        pages = list(self.client.get_paginator("get_statement_result").paginate(Id=identity))
        names = [column["name"] for column in pages[0]["ColumnMetadata"]]
        return [dict(zip(names, map(_text, record), strict=True)) for page in pages for record in page["Records"]]

    def _wait_for(self, identity: str, sql: str) -> None:
        deadline = time.monotonic() + _LIMIT_SECONDS
        while (described := self.client.describe_statement(Id=identity))["Status"] not in ("FINISHED", "FAILED", "ABORTED"):
            if time.monotonic() > deadline:
                raise Failure("WarehouseUnavailable", f"the warehouse has not answered within {_LIMIT_SECONDS:.0f} s; try again. The question was: {sql}")
            time.sleep(_POLL_SECONDS)
        if described["Status"] != "FINISHED":
            raise Failure("WarehouseRefused", f"{described.get('Error', described['Status'])}. The question was: {sql}")


def _text(field: dict) -> str | None:
    if field.get("isNull"):
        return None
    if "booleanValue" in field:
        return str(field["booleanValue"]).lower()
    return str(next(iter(field.values())))
