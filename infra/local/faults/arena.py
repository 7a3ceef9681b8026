"""Where scenarios are played: a deployed stack whose warehouse is reached through the proxy, three source versions, and the truth about them."""

import dataclasses
import itertools
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from laptop import execution, seed
from laptop.execution import Execution
from laptop.postgres import Warehouse
from laptop.session import Session

from faults import model, sources, warehouse
from faults.gateway import Gateway
from faults.model import Damage, SourceVersion
from faults.proxy import Proxy
from faults.rules import Rule
from faults.sources import Source
from faults.steps import Steps

_RUNS = itertools.count(1)
# Azure gives Last-Modified in whole seconds, and it orders the versions.
_BETWEEN_UPLOADS = 1.05


class Relay:
    """Puts a proxy in front of the warehouse when the stack starts, and is that proxy's owner."""

    def __init__(self) -> None:
        self.proxy: Proxy | None = None

    def __call__(self, real: Warehouse) -> Warehouse:
        self.proxy = Proxy("127.0.0.1", real.port)
        self.proxy.__enter__()
        return dataclasses.replace(real, port=self.proxy.port)

    def close(self) -> None:
        if self.proxy:
            self.proxy.__exit__(None, None, None)


@dataclass
class Arena:
    session: Session
    proxy: Proxy
    versions: Sequence[Source] = field(default_factory=sources.versions)
    # What has been committed as far as the players know, by run.
    committed: dict[str, SourceVersion] = field(default_factory=dict)
    _uploaded: float = 0.0
    _mode: str = ""

    @property
    def stack(self):
        return self.session.stack

    @property
    def gateway(self) -> Gateway:
        return Gateway(self.stack.endpoints.gateway)

    @property
    def steps(self) -> Steps:
        return Steps(self.stack)

    def empty(self) -> None:
        """No tables, no faults, the sample's customers, the shipped contract."""
        self.calm()
        with self.stack.warehouse.connect() as database:
            database.execute("DROP SCHEMA IF EXISTS analytics, crosstally CASCADE")
        seed.customers(self.stack, sources.CUSTOMERS)
        self.stack.client("s3").delete_object(Bucket=self.session.deployment.bucket, Key=seed.CONTRACT_KEY)
        self.committed = {}

    def calm(self) -> None:
        self.proxy.script([])
        self.gateway.clear()

    @contextmanager
    def faults(self, rules: Sequence[Rule], script: Sequence[dict]) -> Iterator[None]:
        self.proxy.script(rules)
        self.gateway.script(*script)
        try:
            yield
        finally:
            self.fired = self.proxy.fired() + self.gateway.fired()
            self.calm()

    def load_by(self, mode: str) -> None:
        if self._mode == mode:
            return
        client = self.stack.client("lambda")
        for function in client.list_functions()["Functions"]:
            variables = function["Environment"]["Variables"]
            if "LOAD_MODE" in variables:
                client.update_function_configuration(FunctionName=function["FunctionName"], Environment={"Variables": variables | {"LOAD_MODE": mode}})
        self._mode = mode

    def upload(self, source: Source) -> None:
        time.sleep(max(0.0, self._uploaded + _BETWEEN_UPLOADS - time.monotonic()))
        seed.blob_service(self.stack).get_blob_client(seed.CONTAINER, seed.BLOB).upload_blob(source.body, overwrite=True)
        self._uploaded = time.monotonic()

    def start(self, source: Source) -> Execution:
        """Starts an execution on this source, whose blob is there already."""
        name = f"fault-{next(_RUNS)}-{source.version.name}-{time.monotonic_ns() % 10**9}"
        self.committed[name] = source.version
        return execution.start(self.stack, self.session.deployment.state_machine, name)

    def wait(self, running: Execution) -> Execution:
        execution.follow(self.stack, running)
        return running

    def run(self, source: Source) -> Execution:
        self.upload(source)
        return self.wait(self.start(source))

    def pin(self, source: Source) -> str:
        """A run that is fetched and cleaned, and is not loaded yet."""
        self.upload(source)
        run_id = f"fault-{next(_RUNS)}-{source.version.name}-{time.monotonic_ns() % 10**9}"
        self.steps.fetch_and_clean(run_id)
        self.committed[run_id] = source.version
        return run_id

    def damage(self, committed: Mapping[str, SourceVersion] | None = None) -> Damage:
        """How table and books differ from what they must hold after these runs, all of them unless said otherwise."""
        committed = self.committed if committed is None else committed
        with self.stack.warehouse.connect() as database:
            found = warehouse.read(database)
        return model.damage(model.table(committed.values()), found.table) + model.books(committed, found.ledger, found.quarantine)

    def is_in_the_ledger(self, run_id: str) -> bool:
        with self.stack.warehouse.connect() as database:
            return run_id in warehouse.read(database).ledger

    def kill_the_job(self) -> None:
        """SIGKILL to the Glue job's run that is alive."""
        job = self.session.deployment.glue_job
        runs = self.stack.client("glue").get_job_runs(JobName=job)["JobRuns"]
        self.gateway.kill(next(run["Id"] for run in runs if run["JobRunState"] == "RUNNING"))
