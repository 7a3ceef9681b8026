"""One real stack for all tests here. What only needs the servers does not wait for the build."""

import json
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "samples"))

from faults.arena import Relay
from faults.http_proxy import HttpProxy
from faults.steps import Steps
from laptop import deploy, execution, ledger, seed
from laptop.execution import Execution
from laptop.inputs import Inputs
from laptop.ledger import Ledger
from laptop.session import Session
from laptop.stack import Stack

if TYPE_CHECKING:
    from fetching import Fetching

FINAL = {"FINISHED", "FAILED", "ABORTED"}
FETCH = "FetchAzureToS3Function"
# A fifth of each wait: a Glue job that is busy is asked again after 6 s, and for 114 s in all, which a run of it on a slow machine may need.
WAIT_SCALE = 0.2


@pytest.fixture(scope="session")
def relay() -> Iterator[Relay]:
    """Between the stack and its warehouse, so that a test may break what passes there."""
    relay = Relay()
    yield relay
    relay.close()


@pytest.fixture(scope="session")
def stack(relay: Relay) -> Iterator[Stack]:
    with Stack("test", WAIT_SCALE) as stack:
        stack.start(relay)
        yield stack


@pytest.fixture(scope="session")
def secrets(stack: Stack) -> seed.Secrets:
    return seed.secrets(stack)


@pytest.fixture(scope="session")
def session(stack: Stack, secrets: seed.Secrets) -> Session:
    with deploy.building(stack) as finish_build:
        built = finish_build()
    return Session(stack, deploy.deploy(stack, built, secrets), secrets)


@dataclass(frozen=True)
class DataApi:
    """The Redshift Data API as a caller uses it: submit, ask until it is over, fetch."""

    client: object
    login: dict[str, str]

    def submit(self, sql: str | list[str], **options) -> str:
        if isinstance(sql, list):
            return self.client.batch_execute_statement(Sqls=sql, **self.login, **options)["Id"]
        parameters = options.pop("parameters", None)
        if parameters:
            options["Parameters"] = [{"name": name, "value": value} for name, value in parameters.items()]
        return self.client.execute_statement(Sql=sql, **self.login, **options)["Id"]

    def wait(self, identity: str) -> dict:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            description = self.client.describe_statement(Id=identity)
            if description["Status"] in FINAL:
                return description
            time.sleep(0.05)
        raise AssertionError(f"{identity} is still {description['Status']}")

    def run(self, sql: str | list[str], **options) -> dict:
        return self.wait(self.submit(sql, **options))

    def rows(self, sql: str, **options) -> list[list[dict]]:
        identity = self.submit(sql, **options)
        description = self.wait(identity)
        assert description["Status"] == "FINISHED", description.get("Error")
        return self.client.get_statement_result(Id=identity)["Records"]


@pytest.fixture(scope="session")
def data_api(stack: Stack, secrets: seed.Secrets) -> DataApi:
    login = {"Database": stack.warehouse.database, "WorkgroupName": "local", "SecretArn": secrets.warehouse}
    return DataApi(stack.client("redshift-data"), login)


@dataclass(frozen=True)
class Configuration:
    """What a function is given, as far as tests change it."""

    variables: dict[str, str]
    seconds: int

    @classmethod
    def of(cls, function: dict) -> "Configuration":
        return cls(function["Environment"]["Variables"], function["Timeout"])


@dataclass
class World:
    """The deployed stack, with sources that a test may spoil."""

    session: Session
    started: int = 0
    deployed: dict[str, Configuration] = field(default_factory=dict)

    @property
    def stack(self) -> Stack:
        return self.session.stack

    @property
    def steps(self) -> Steps:
        return Steps(self.stack)

    def seed(self, inputs: Inputs) -> None:
        """Puts everything in place, whatever state it was left in."""
        bucket = self.session.deployment.bucket
        self.configure()
        self.put_secret(seed.connection_string(self.stack))
        seed.transactions(self.stack, inputs.transactions)
        seed.customers(self.stack, inputs.customers)
        self.stack.client("s3").delete_object(Bucket=bucket, Key=seed.CONTRACT_KEY)
        seed.contract(self.stack, bucket, inputs.contract)

    def put_secret(self, text: str) -> None:
        self.stack.client("secretsmanager").put_secret_value(SecretId=self.session.secrets.azure, SecretString=text)

    def configure(self, **variables: str) -> None:
        """As a deployment with other parameters would, for the functions that know these variables; without any, as it was deployed."""
        for name, deployed in self._as_deployed():
            known = {variable: value for variable, value in variables.items() if variable in deployed.variables}
            self._become(name, Configuration(deployed.variables | known, deployed.seconds))

    def configure_fetch(self, seconds: int | None = None, **variables: str) -> None:
        """The function that fetches alone, as deployed but for these; also with what no deployment gives it, as another endpoint or less time."""
        for name, deployed in self._as_deployed():
            if FETCH in name:
                self._become(name, Configuration(deployed.variables | variables, seconds or deployed.seconds))

    def _as_deployed(self) -> list[tuple[str, Configuration]]:
        for function in self.stack.client("lambda").list_functions()["Functions"]:
            self.deployed.setdefault(function["FunctionName"], Configuration.of(function))
        return list(self.deployed.items())

    def _become(self, name: str, wanted: Configuration) -> None:
        client = self.stack.client("lambda")
        if Configuration.of(client.get_function_configuration(FunctionName=name)) != wanted:
            client.update_function_configuration(FunctionName=name, Environment={"Variables": wanted.variables}, Timeout=wanted.seconds)

    def put_blob(self, content: bytes) -> None:
        seed.blob_service(self.stack).get_blob_client(seed.CONTAINER, seed.BLOB).upload_blob(content, overwrite=True)

    def put_object(self, key: str, content: bytes) -> None:
        self.stack.client("s3").put_object(Bucket=self.session.deployment.bucket, Key=key, Body=content)

    def start(self, name: str | None = None, **given) -> Execution:
        """Starts an execution; what is given is its input."""
        self.started += 1
        return execution.start(self.stack, self.session.deployment.state_machine, name or f"test-{os.getpid()}-{self.started}", json.dumps(given))

    def run(self, name: str | None = None, **given) -> Execution:
        running = self.start(name, **given)
        execution.follow(self.stack, running, show=lambda _: None)
        return running

    def empty_warehouse(self) -> None:
        self.execute("DROP SCHEMA IF EXISTS analytics, crosstally CASCADE")

    def ledger(self, run_id: str) -> Ledger | None:
        with self.stack.warehouse.connect() as connection:
            return ledger.read(connection, run_id)

    def tables(self) -> list[tuple]:
        """A fingerprint of every table in the warehouse that a load must leave alone when it fails."""
        names = "SELECT table_schema, table_name FROM information_schema.tables WHERE table_schema IN ('analytics', 'crosstally') ORDER BY 1, 2"
        fingerprint = "SELECT count(*), md5(string_agg(t::text, '|' ORDER BY t::text)) FROM {}.{} t"
        return [(schema, table, *self.query(fingerprint.format(schema, table))[0]) for schema, table in self.query(names)]

    def execute(self, sql: str) -> None:
        with self.stack.warehouse.connect() as connection:
            connection.execute(sql)

    def query(self, sql: str, *values) -> list[tuple]:
        with self.stack.warehouse.connect() as connection:
            return connection.execute(sql, values or None).fetchall()


@pytest.fixture(scope="session")
def world(session: Session) -> World:
    return World(session)


@pytest.fixture(scope="session")
def proxies(stack: Stack) -> Iterator[tuple[HttpProxy, HttpProxy]]:
    """Before Azure and before S3, for whoever is told to go by way of them."""
    azure, aws = (urlsplit(url) for url in (stack.endpoints.azure, stack.endpoints.aws))
    with HttpProxy(azure.hostname, azure.port) as before_azure, HttpProxy(aws.hostname, aws.port) as before_s3:
        yield before_azure, before_s3


@pytest.fixture
def fetching(world: World, proxies: tuple[HttpProxy, HttpProxy]) -> Iterator["Fetching"]:
    """As deployed and seeded, but for the proxies before the stores of the function that fetches."""
    from fetching import Fetching  # which knows World

    world.seed(Inputs())
    fetching = Fetching(world, *proxies)
    fetching.reset()
    fetching.configure()
    world.put_secret(fetching.connection_string)
    yield fetching
    fetching.reset()
    world.seed(Inputs())


@pytest.fixture(params=["glue", "direct"])
def anew(world: World, request: pytest.FixtureRequest) -> Iterator[World]:
    """An empty warehouse, loaded in either mode."""
    world.empty_warehouse()
    world.seed(Inputs())
    world.configure(LOAD_MODE=request.param)
    yield world
    world.seed(Inputs())
