"""A failure that the user is told about: a stable name, one sentence, and the log files that say more."""

from pathlib import Path


class Failure(Exception):
    def __init__(self, name: str, message: str, logs: list[Path] | None = None) -> None:
        super().__init__(f"{name}: {message}")
        self.name = name
        self.message = message
        self.logs = logs or []
