"""Sessions in the warehouse as Redshift would open them: in UTC, with backslash escapes in strings, and with Redshift's functions within reach."""

import threading
from pathlib import Path

import psycopg

_SYSTEM = Path(__file__).with_name("redshift_system.sql")
# The last in the search path, so that what a user has made comes first.
_SETTINGS = {
    "search_path": '"$user",public,redshift_system',
    "standard_conforming_strings": "off",
    "escape_string_warning": "off",
    "timezone": "UTC",
}


class Sessions:
    def __init__(self, host: str, port: int) -> None:
        self._address = {"host": host, "port": port}
        self._set_up: set[str] = set()
        self._lock = threading.Lock()

    def open(self, database: str, login: dict[str, str], autocommit: bool) -> psycopg.Connection:
        options = " ".join(f"-c {name}={value}" for name, value in _SETTINGS.items())
        connection = psycopg.connect(**self._address, **login, dbname=database, options=options, client_encoding="utf8", autocommit=True)
        try:
            with self._lock:
                if database not in self._set_up:
                    connection.execute(_SYSTEM.read_text())
                    self._set_up.add(database)
            connection.autocommit = autocommit
        except BaseException:
            connection.close()
            raise
        return connection
