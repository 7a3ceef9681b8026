"""Everything around the job is real: Spark, Postgres, and S3, Secrets Manager and Glue's GetConnection over HTTP.

The JVM runs in America/New_York on purpose: no time may depend on the machine's zone.
"""

import json
import os
import shlex
import shutil
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from pyspark.sql import SparkSession

GLUE = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(GLUE), str(GLUE.parent / "local")]

from house import BUCKET, House  # noqa: E402  (found by the line above)
from laptop import components, environment, postgres  # noqa: E402
from laptop.setup import machine  # noqa: E402


@pytest.fixture(scope="session")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    logs, scratch = tmp_path_factory.mktemp("aws-logs"), tmp_path_factory.mktemp("aws")
    # No gateway of ours here: the job asks Glue only for its connection, and that the emulator answers itself.
    component, endpoint = components.start_aws(logs, scratch, gateway="http://127.0.0.1:9")
    try:
        variables = environment.of_aws(endpoint, endpoint)
        os.environ.update(variables)
        boto3.client("s3").create_bucket(Bucket=BUCKET)
        yield
    finally:
        component.stop()


@pytest.fixture(scope="session")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[postgres.Warehouse]:
    component, warehouse = postgres.start(tmp_path_factory.mktemp("postgres-logs"), tmp_path_factory.mktemp("postgres") / "warehouse")
    try:
        yield warehouse
    finally:
        component.stop()
        shutil.rmtree(warehouse.folder)


@pytest.fixture(scope="session")
def mirror(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which Spark finds what s3://BUCKET/ names: Hadoop's own overlay file system, no S3 client."""
    return tmp_path_factory.mktemp("bucket")


@pytest.fixture(scope="session")
def spark(aws: None, warehouse: postgres.Warehouse, mirror: Path) -> Iterator[SparkSession]:
    tools = machine.recall()
    settings = {
        "spark.master": "local[2]",
        "spark.ui.enabled": "false",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.extraClassPath": tools["jdbc"],
        # Most of its CPU would go into compiling Spark; one quick compiler and one collector do for a few rows.
        "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
        "spark.hadoop.fs.s3.impl": "org.apache.hadoop.fs.viewfs.ViewFileSystemOverloadScheme",
        "spark.hadoop.fs.viewfs.overload.scheme.target.s3.impl": "org.apache.hadoop.fs.LocalFileSystem",
        f"spark.hadoop.fs.viewfs.mounttable.{BUCKET}.linkFallback": mirror.as_uri(),
    }
    os.environ["JAVA_HOME"] = tools["java"]  # after the warehouse: the choice of tools is remembered for one environment
    os.environ["TZ"] = "America/New_York"
    time.tzset()
    os.environ["PYSPARK_SUBMIT_ARGS"] = " ".join(f"--conf {key}={shlex.quote(value)}" for key, value in settings.items()) + " pyspark-shell"
    session = SparkSession.builder.getOrCreate()
    assert session.sparkContext._jvm.java.util.TimeZone.getDefault().getID() == "America/New_York"
    yield session
    session.stop()


@pytest.fixture
def house(spark: SparkSession, warehouse: postgres.Warehouse, mirror: Path) -> Iterator[House]:
    name = f"run-{uuid.uuid4().hex[:12]}"
    login = json.dumps({"username": warehouse.user, "password": warehouse.password})
    boto3.client("secretsmanager").create_secret(Name=name, SecretString=login)
    with warehouse.connect() as database:
        database.execute("DROP SCHEMA IF EXISTS crosstally CASCADE; DROP SCHEMA IF EXISTS analytics CASCADE; SET timezone TO 'UTC'")
        here = House(spark, mirror, name, database, warehouse)
        here.connect_glue()
        yield here
