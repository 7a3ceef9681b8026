"""The PostgreSQL JDBC driver: the machine's, else Debian's package unpacked into the checkout, else Maven's artifact."""

import shutil
from pathlib import Path

from laptop.failure import Failure
from laptop.paths import CACHE, JDBC
from laptop.setup import child, debian, machine, stamp

NAME, TITLE = "jdbc", "PostgreSQL JDBC driver"  # the jar
_SYSTEM_JAR = Path("/usr/share/java/postgresql.jar")
_PACKAGE = "libpostgresql-jdbc-java"
_ARTIFACT = "org.postgresql:postgresql:42.7.7"


def find() -> str | None:
    return str(_SYSTEM_JAR) if _SYSTEM_JAR.exists() and not machine.PINNED_ONLY else None


def install() -> str:
    jar = JDBC / "postgresql.jar"
    stamp.ensure(jar, [_PACKAGE, _ARTIFACT], lambda: _fetch(jar))
    return str(jar)


def _fetch(jar: Path) -> None:
    shutil.rmtree(JDBC, ignore_errors=True)
    JDBC.mkdir(parents=True)
    tried = []
    for program, way in (("apt-get", _from_debian), ("mvn", _from_maven)):
        if shutil.which(program) is None:
            tried.append(f"there is no {program}")
            continue
        try:
            way(jar)
            return
        except Failure as failure:
            tried.append(failure.message)
    raise Failure(
        "SetupFailed",
        f"no PostgreSQL JDBC driver: put one at {_SYSTEM_JAR} (Debian: apt install {_PACKAGE}). Tried: " + "; ".join(tried),
        [child.log()],
    )


def _from_debian(jar: Path) -> None:
    folder = JDBC / "debian"
    debian.unpack(_PACKAGE, folder)
    shutil.copy(folder / "usr" / "share" / "java" / "postgresql.jar", jar)
    shutil.rmtree(folder)


def _from_maven(jar: Path) -> None:
    repository = CACHE / "maven"
    child.run("mvn", "--batch-mode", f"-Dmaven.repo.local={repository}", "dependency:get", f"-Dartifact={_ARTIFACT}", "-Dtransitive=false")
    group, name, version = _ARTIFACT.split(":")
    shutil.copy(repository.joinpath(*group.split("."), name, version, f"{name}-{version}.jar"), jar)
