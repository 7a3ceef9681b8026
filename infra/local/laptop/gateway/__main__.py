"""python -m laptop.gateway --socket FD --warehouse HOST:PORT/DATABASE --folder DIR --logs DIR; the emulator's address comes as AWS_ENDPOINT_URL."""

import argparse
import logging
import os
import signal
import sys
from pathlib import Path

from laptop.gateway.control import Control
from laptop.gateway.faults import Faults
from laptop.gateway.glue_runs import GlueRuns
from laptop.gateway.redshift_data import RedshiftData
from laptop.gateway.redshift_serverless import RedshiftServerless
from laptop.gateway.server import Server


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--socket", type=int, required=True)
    parser.add_argument("--warehouse", required=True)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--logs", type=Path, required=True)
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s", stream=sys.stderr)

    address, _, database = arguments.warehouse.partition("/")
    host, _, port = address.rpartition(":")
    faults = Faults(operations={*RedshiftData.OPERATIONS, *RedshiftServerless.OPERATIONS, *GlueRuns.OPERATIONS})
    glue = GlueRuns(arguments.folder / "glue", arguments.logs, faults)
    services = {
        "RedshiftData": RedshiftData(host, int(port), faults),
        "RedshiftServerless": RedshiftServerless(host, int(port), database),
        "AWSGlue": glue,
    }
    server = Server(arguments.socket, services, faults, Control(faults, glue), passed_on_to=os.environ["AWS_ENDPOINT_URL"])
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        server.serve_forever()
    finally:
        glue.stop_all()


if __name__ == "__main__":
    main()
