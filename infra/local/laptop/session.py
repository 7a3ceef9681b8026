"""A stack that is ready for executions: started, built, deployed and seeded. What `run`, `up` and the tests share."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from laptop import deploy, seed
from laptop.deploy import Deployment
from laptop.inputs import Inputs
from laptop.screen import step
from laptop.seed import Secrets
from laptop.stack import Relay, Servers, Stack


@dataclass(frozen=True)
class Session:
    stack: Servers
    deployment: Deployment
    secrets: Secrets


@contextmanager
def ready(command: str, inputs: Inputs, relay: Relay = lambda warehouse: warehouse) -> Iterator[Session]:
    with Stack(command) as stack, deploy.building(stack) as build:
        with step("start the emulated clouds and the warehouse"):
            stack.start(relay)
        with step("put the secrets and the blob in place"):
            secrets = seed.secrets(stack)
            seed.transactions(stack, inputs.transactions)
        with step("compile the functions", build.facts):
            build.compiled()
        with step("sam build"):
            built = build()
        with step("sam deploy --config-env local"):
            deployment = deploy.deploy(stack, built, secrets)
        with step("put the customers in place"):
            seed.customers(stack, inputs.customers)
            seed.contract(stack, deployment.bucket, inputs.contract)
        yield Session(stack, deployment, secrets)
