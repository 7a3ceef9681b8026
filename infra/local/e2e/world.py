"""The deployed stack in the hands of a test: its sources may be spoiled, its functions given other parameters, its warehouse looked into."""

import json
import os
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime

from faults.steps import Steps
from laptop import execution, ledger, seed
from laptop.execution import Execution, State
from laptop.inputs import Inputs
from laptop.ledger import Ledger
from laptop.session import Session
from laptop.sight import Sight
from laptop.stack import Stack

FINAL = {"FINISHED", "FAILED", "ABORTED"}
FETCH = "FetchAzureToS3Function"
# How a test's runs are loaded unless it asks for Glue, whose job takes a JVM some seconds to start. Both run the same statements: test_load_modes.py.
BY_THE_DATA_API = {"LOAD_MODE": "direct"}
# A fifth of each wait: a Glue job that is busy is asked again after 6 s, and for 114 s in all, which a run of it on a slow machine may need.
WAIT_SCALE = 0.2


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
    """Whoever uses it seeds it first; nobody has to clean up behind himself."""

    session: Session
    started: int = 0
    deployed: dict[str, Configuration] = field(default_factory=dict)

    @property
    def stack(self) -> Stack:
        return self.session.stack

    @property
    def steps(self) -> Steps:
        return Steps(self.stack)

    def seed(self, inputs: Inputs | None = None) -> None:
        """Puts everything in place, whatever state it was left in; the samples, unless other inputs are given."""
        inputs, bucket = inputs or Inputs(), self.session.deployment.bucket
        self.configure()
        self.put_secret(seed.connection_string(self.stack))
        seed.transactions(self.stack, inputs.transactions)
        seed.customers(self.stack, inputs.customers)
        self.stack.client("s3").delete_object(Bucket=bucket, Key=seed.CONTRACT_KEY)
        seed.contract(self.stack, bucket, inputs.contract)

    def put_secret(self, text: str) -> None:
        self.stack.client("secretsmanager").put_secret_value(SecretId=self.session.secrets.azure, SecretString=text)

    def configure(self, **variables: str) -> None:
        """As a deployment with other parameters would, for the functions that know these variables; the others become as deployed, but load by the Data API."""
        now = self._now()
        for name, deployed in self.deployed.items():
            wanted = {variable: value for variable, value in (BY_THE_DATA_API | variables).items() if variable in deployed.variables}
            self._become(name, now[name], Configuration(deployed.variables | wanted, deployed.seconds))

    def configure_fetch(self, seconds: int | None = None, **variables: str) -> None:
        """The function that fetches alone, as deployed but for these; also with what no deployment gives it, as another endpoint or less time."""
        now = self._now()
        for name, deployed in self.deployed.items():
            if FETCH in name:
                self._become(name, now[name], Configuration(deployed.variables | variables, seconds or deployed.seconds))

    def _now(self) -> dict[str, Configuration]:
        """Each function as it is configured now. What is seen first is what was deployed."""
        functions = self.stack.client("lambda").list_functions()["Functions"]
        now = {function["FunctionName"]: Configuration.of(function) for function in functions}
        self.deployed = self.deployed or now
        return now

    def _become(self, name: str, now: Configuration, wanted: Configuration) -> None:
        if now != wanted:
            client = self.stack.client("lambda")
            client.update_function_configuration(FunctionName=name, Environment={"Variables": wanted.variables}, Timeout=wanted.seconds)

    def put_blob(self, content: bytes) -> None:
        seed.blob_service(self.stack).get_blob_client(seed.CONTAINER, seed.BLOB).upload_blob(content, overwrite=True)

    def put_object(self, key: str, content: bytes) -> None:
        self.stack.client("s3").put_object(Bucket=self.session.deployment.bucket, Key=key, Body=content)

    def body(self, key: str) -> bytes:
        """An object of the data bucket."""
        return self.stack.client("s3").get_object(Bucket=self.session.deployment.bucket, Key=key)["Body"].read()

    def read(self, key: str):
        """A JSON object of the data bucket."""
        return json.loads(self.body(key))

    def start(self, name: str | None = None, **given) -> Execution:
        """Starts an execution; what is given is its input."""
        self.started += 1
        return execution.start(self.stack, self.session.deployment.state_machine, name or f"test-{os.getpid()}-{self.started}", json.dumps(given))

    def run(self, name: str | None = None, **given) -> Execution:
        running = self.start(name, **given)
        execution.follow(self.stack, running)
        return running

    def facts(self, run: Execution, state: str, reads_the_blob: bool = True) -> tuple[str, ...]:
        """What somebody who watches the run would be shown while it is in this state, asked now."""
        being_there = Execution(run.arn, run.name, states={state: State(state, 1, 0.0, datetime.now(UTC))})
        (stay,) = Sight(self.session, run.name, reads_the_blob).stays(being_there, with_facts=True)
        assert (stay.name, stay.how) == (state, "in")
        return stay.facts

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
