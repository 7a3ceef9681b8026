"""How a Glue script is run here: pyspark's own Spark in local mode, with the JDBC driver on its class path and S3 mirrored to a folder.

`s3://` is served by Hadoop's ViewFileSystemOverloadScheme, by configuration only: each bucket that an argument names is mounted on a folder, into which the
folder of that object was copied first. The mirror is read-only in effect: what a script wrote there would not go back to S3.

Every run has a JVM of its own, as on Glue, and a short run spends most of its CPU on getting that JVM up to speed: 44 s for a load of 10,000 rows. With one
compiler instead of two it takes 24 s, and 14 s with an archive of Spark's classes, where somebody has made one (2026-11-30, two cores shared with other
work). Neither changes a result. A JVM shared by several runs would save more, but a killed run would leave something to the next.
"""

import fcntl
import hashlib
import importlib.metadata
import json
import os
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

from laptop import clients
from laptop.failure import Failure
from laptop.paths import CACHE
from laptop.setup import java, machine

_ERROR_FILE = "error.json"
_RUNNER = Path(__file__).with_name("script_runner.py")
_TRAINER = Path(__file__).with_name("train_spark.py")
_JVM_OPTIONS = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
_ARCHIVES = CACHE / "spark"
# Stays empty: a folder with files on the class path is more than an archive allows, and a folder per run would be another class path.
_CONF = _ARCHIVES / "conf"


def prepare(folder: Path, script_location: str, arguments: dict[str, str]) -> tuple[list[str], dict[str, str]]:
    """Lays out a run's folder; returns the command and its environment."""
    mirror = folder / "s3"
    mirror.mkdir(parents=True)
    script = folder / Path(urlsplit(script_location).path).name
    _download(script_location, script)
    mounts = {f"spark.hadoop.fs.viewfs.mounttable.{bucket}.linkFallback": (mirror / bucket).as_uri() for bucket in _mirror(arguments.values(), mirror)}
    archive = _archive()
    environment = _environment(folder, mounts, f"-XX:SharedArchiveFile={archive} -Xlog:cds*=off" if archive.exists() else "")
    words = [word for name, value in arguments.items() for word in (name, value)]
    return [sys.executable, str(_RUNNER), str(folder / _ERROR_FILE), str(script), *words], environment


def error_of(folder: Path) -> str | None:
    """What the script ended with, as Glue shows it: the exception's class and message."""
    try:
        error = json.loads((folder / _ERROR_FILE).read_text())
    except FileNotFoundError:
        return None
    return f"{error['type']}: {error['message']}" if error["message"] else error["type"]


def archive_classes() -> None:
    """Makes the archive of Spark's classes, unless it is there: later runs map them into memory instead of parsing some 15,000 one by one.

    It costs as much CPU as three runs and 145 MB in the cache, so only the tests ask for it: they have dozens of runs before them. A JVM ignores an archive
    that was made from other jars or by another Java.
    """
    archive = _archive()
    _ARCHIVES.mkdir(parents=True, exist_ok=True)
    with (_ARCHIVES / "lock").open("w") as lock, tempfile.TemporaryDirectory(dir=_ARCHIVES) as scratch:
        fcntl.flock(lock, fcntl.LOCK_EX)  # another process may be making it
        if archive.exists():
            return
        home = Path(machine.recall()["java"])
        if not (home / java.BASE_ARCHIVE).exists():
            raise Failure(
                "SetupFailed", f"{home} has no {java.BASE_ARCHIVE}, on which the archive of Spark's classes builds: run `{home}/bin/java -Xshare:dump`"
            )
        folder, log = Path(scratch), _ARCHIVES / "training.log"
        made = folder / archive.name
        environment = _environment(folder, {}, f"-XX:ArchiveClassesAtExit={made} -Xlog:cds*=off")
        with log.open("wb") as output:
            ended = subprocess.run([sys.executable, _TRAINER, folder], env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT)
        if ended.returncode != 0 or not made.exists():
            raise Failure("SetupFailed", f"the archive of Spark's classes was not made (exit code {ended.returncode})", [log])
        for older in _ARCHIVES.glob("*.jsa"):
            older.unlink()
        made.rename(archive)


def _archive() -> Path:
    """Named after what it depends on."""
    tools = machine.recall()
    home, jdbc = Path(tools["java"]), Path(tools["jdbc"])
    parts = [home, (home / "bin" / "java").stat().st_mtime_ns, jdbc, jdbc.stat().st_mtime_ns, sys.prefix, importlib.metadata.version("pyspark"), _JVM_OPTIONS]
    return _ARCHIVES / f"{hashlib.sha256(repr(parts).encode()).hexdigest()[:16]}.jsa"


def _environment(folder: Path, settings: dict[str, str], jvm_options: str) -> dict[str, str]:
    """For a Python process that uses Spark: its settings go into a file in `folder`, where its scratch files go, too."""
    scratch, file = folder / "scratch", folder / "spark.conf"
    scratch.mkdir()
    _CONF.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(f"{key} {value}\n" for key, value in (_settings(scratch, jvm_options) | settings).items()))
    environment = {
        **os.environ,
        "JAVA_HOME": machine.recall()["java"],
        "SPARK_CONF_DIR": str(_CONF),
        "PYSPARK_SUBMIT_ARGS": f"--properties-file {shlex.quote(str(file))} pyspark-shell",
        "SPARK_LOCAL_IP": "127.0.0.1",
        "SPARK_LOCAL_DIRS": str(scratch),
        "PYSPARK_PYTHON": sys.executable,
        "PYTHONDONTWRITEBYTECODE": "1",
        "TZ": "UTC",
        "TMPDIR": str(scratch),
    }
    environment.pop("PYTHONPATH", None)  # the script sees what Glue has, not our modules
    return environment


def _settings(scratch: Path, jvm_options: str) -> dict[str, str]:
    return {
        "spark.master": "local[*]",
        "spark.driver.extraClassPath": machine.recall()["jdbc"],
        "spark.driver.extraJavaOptions": f"{_JVM_OPTIONS} {jvm_options} -Duser.timezone=UTC -Djava.io.tmpdir={scratch} -Dderby.system.home={scratch}",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        "spark.ui.enabled": "false",
        "spark.sql.warehouse.dir": str(scratch / "warehouse"),
        "spark.hadoop.fs.s3.impl": "org.apache.hadoop.fs.viewfs.ViewFileSystemOverloadScheme",
        "spark.hadoop.fs.viewfs.overload.scheme.target.file.impl": "org.apache.hadoop.fs.LocalFileSystem",
    }


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
