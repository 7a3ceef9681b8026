"""python -m laptop.emulator: the emulated AWS, with checksums computed by a library.

The emulator (ministack 1.5.33) computes CRC-64/NVME and CRC-32C byte by byte in Python, 5 MB/s at best, on the one thread that also answers every
other request. The pipeline sends a CRC-64 with every object and part, as current AWS SDKs do, so a source of 215 MB waited 43 to 68 s for its checksums
alone. awscrt, AWS's own C library, gives the same numbers at about 1 GB/s. Decided 2026-11-30.

Upstream would be offered this: `_crc64nvme` and `_crc32c` of ministack/services/s3.py take awscrt's functions where awscrt can be imported, as botocore
does, and keep their tables where it cannot. Once a release does so, components.py starts `-m ministack` again and this file goes.
"""

from types import ModuleType

from awscrt import checksums

_FAST = {"_crc64nvme": checksums.crc64nvme, "_crc32c": checksums.crc32c}
_SAMPLE = b"123456789"  # the bytes over which catalogues of CRCs state their check value


class EmulatorChanged(Exception):
    """This release of ministack computes checksums in another way than the one that this wrapper was written for."""


def speed_up(s3: ModuleType) -> None:
    """Replaces the emulated S3's checksum functions. Fails with EmulatorChanged if one is missing or gives another value than the library's."""
    for name, fast in _FAST.items():
        slow = getattr(s3, name, None)
        if slow is None:
            raise EmulatorChanged(f"ministack.services.s3 has no {name} any more; see whether laptop/emulator.py is still needed, then adapt or remove it")
        if slow(_SAMPLE) != fast(_SAMPLE):
            raise EmulatorChanged(f"{name} of ministack.services.s3 gives another value than awscrt's; adapt laptop/emulator.py")
        setattr(s3, name, fast)


def main() -> None:
    # Neither import is at the top: a program that only wants to know of `speed_up` does not load an emulator.
    from ministack import app
    from ministack.services import s3

    speed_up(s3)
    app.main()


if __name__ == "__main__":
    main()
