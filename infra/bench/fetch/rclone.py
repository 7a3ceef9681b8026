"""rclone: the machine's, else Debian's package unpacked into the checkout; and how it is asked for the same copy."""

import shutil
import subprocess
from pathlib import Path

from laptop import environment as aws
from laptop.failure import Failure
from laptop.paths import STATE
from laptop.setup import debian, stamp

from fetch.stores import Place

_PACKAGE = "rclone"
_FOLDER = STATE / "rclone"


def ensure() -> str:
    """The program. Debian's comes first: everybody then measures against the same build."""
    program = _FOLDER / "usr" / "bin" / "rclone"
    if shutil.which("apt-get") is None:
        found = shutil.which("rclone")
        if found is None:
            raise Failure("ToolMissing", "there is no rclone, and no apt-get to get Debian's: install rclone")
        return found
    stamp.ensure(program, [_PACKAGE], lambda: debian.unpack(_PACKAGE, _FOLDER))
    return str(program)


def command(program: str, place: Place, key: str) -> list[str]:
    return [program, "copyto", f"azure:{place.container}/{place.blob}", f"s3:{place.bucket}/{key}"]


def environment(place: Place, home: Path) -> dict[str, str]:
    """Its two remotes. All else is as rclone comes, but for the buckets, which it need not look for."""
    of_aws = aws.of_aws(place.aws, place.aws)
    return {
        "HOME": str(home),
        "RCLONE_CONFIG": "/dev/null",
        "RCLONE_CONFIG_AZURE_TYPE": "azureblob",
        "RCLONE_CONFIG_AZURE_SAS_URL": f"{place.azure}?{place.sas}",
        "RCLONE_CONFIG_S3_TYPE": "s3",
        "RCLONE_CONFIG_S3_PROVIDER": "Other",
        "RCLONE_CONFIG_S3_ENDPOINT": place.aws,
        "RCLONE_CONFIG_S3_ACCESS_KEY_ID": of_aws["AWS_ACCESS_KEY_ID"],
        "RCLONE_CONFIG_S3_SECRET_ACCESS_KEY": of_aws["AWS_SECRET_ACCESS_KEY"],
        "RCLONE_CONFIG_S3_REGION": of_aws["AWS_REGION"],
        "RCLONE_CONFIG_S3_NO_CHECK_BUCKET": "true",
    }


def version(program: str) -> str:
    return subprocess.run([program, "version"], capture_output=True, text=True, check=True).stdout.splitlines()[0]
