"""How a Glue script is run here: pyspark's own Spark in local mode, with the JDBC driver on its class path and S3 mirrored to a folder.

`s3://` is served by Hadoop's ViewFileSystemOverloadScheme, by configuration only: each bucket that an argument names is mounted on a folder, into which the
folder of that object was copied first. The mirror is read-only in effect: what a script wrote there would not go back to S3.
"""

import json
import os
import sys
from pathlib import Path
from urllib.parse import urlsplit

from laptop import clients
from laptop.setup import machine

_ERROR_FILE = "error.json"
_RUNNER = Path(__file__).with_name("script_runner.py")


def prepare(folder: Path, script_location: str, arguments: dict[str, str]) -> tuple[list[str], dict[str, str]]:
    """Lays out a run's folder; returns the command and its environment."""
    mirror, conf = folder / "s3", folder / "conf"
    for path in (mirror, conf, folder / "scratch"):
        path.mkdir(parents=True)
    script = folder / Path(urlsplit(script_location).path).name
    _download(script_location, script)
    buckets = _mirror(arguments.values(), mirror)
    (conf / "spark-defaults.conf").write_text("".join(f"{key} {value}\n" for key, value in _settings(folder, mirror, buckets).items()))
    tools = machine.recall()
    environment = {
        **os.environ,
        "JAVA_HOME": tools["java"],
        "SPARK_CONF_DIR": str(conf),
        "SPARK_LOCAL_IP": "127.0.0.1",
        "SPARK_LOCAL_DIRS": str(folder / "scratch"),
        "PYSPARK_PYTHON": sys.executable,
        "PYTHONDONTWRITEBYTECODE": "1",
        "TZ": "UTC",
        "TMPDIR": str(folder / "scratch"),
    }
    environment.pop("PYTHONPATH", None)  # the script sees what Glue has, not our modules
    words = [word for name, value in arguments.items() for word in (name, value)]
    return [sys.executable, str(_RUNNER), str(folder / _ERROR_FILE), str(script), *words], environment


def error_of(folder: Path) -> str | None:
    """What the script ended with, as Glue shows it: the exception's class and message."""
    try:
        error = json.loads((folder / _ERROR_FILE).read_text())
    except FileNotFoundError:
        return None
    return f"{error['type']}: {error['message']}" if error["message"] else error["type"]


def _settings(folder: Path, mirror: Path, buckets: set[str]) -> dict[str, str]:
    settings = {
        "spark.master": "local[*]",
        "spark.driver.extraClassPath": machine.recall()["jdbc"],
        "spark.driver.extraJavaOptions": f"-Duser.timezone=UTC -Djava.io.tmpdir={folder / 'scratch'} -Dderby.system.home={folder / 'scratch'}",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        "spark.ui.enabled": "false",
        "spark.sql.warehouse.dir": str(folder / "scratch" / "warehouse"),
        "spark.hadoop.fs.s3.impl": "org.apache.hadoop.fs.viewfs.ViewFileSystemOverloadScheme",
        "spark.hadoop.fs.viewfs.overload.scheme.target.file.impl": "org.apache.hadoop.fs.LocalFileSystem",
    }
    mounts = {f"spark.hadoop.fs.viewfs.mounttable.{bucket}.linkFallback": (mirror / bucket).as_uri() for bucket in buckets}
    return settings | mounts


def _mirror(values, mirror: Path) -> set[str]:
    """Copies the folder that each S3 object lies in, for a manifest stands beside the files it names."""
    places = {(parts.netloc, parts.path.lstrip("/").rpartition("/")[0]) for value in values if (parts := urlsplit(value)).scheme == "s3"}
    client = clients.of_emulator("s3")
    for bucket, prefix in places:
        (mirror / bucket).mkdir(exist_ok=True)
        for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=f"{prefix}/"):
            for entry in page.get("Contents", []):
                target = mirror / bucket / entry["Key"]
                target.parent.mkdir(parents=True, exist_ok=True)
                client.download_file(bucket, entry["Key"], str(target))
    return {bucket for bucket, _ in places}


def _download(uri: str, target: Path) -> None:
    parts = urlsplit(uri)
    clients.of_emulator("s3").download_file(parts.netloc, parts.path.lstrip("/"), str(target))
