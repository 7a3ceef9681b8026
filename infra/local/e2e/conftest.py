"""One deployed stack for all tests of a process. What only needs the servers does not wait for the build."""

import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "samples"))

from faults.arena import Relay
from faults.http_proxy import HttpProxy
from fetching import Fetching
from laptop import deploy, seed
from laptop.gateway import spark
from laptop.session import Session
from laptop.stack import Stack
from world import WAIT_SCALE, DataApi, World


@pytest.fixture(scope="session")
def relay() -> Iterator[Relay]:
    """Between the stack and its warehouse, so that a test may break what passes there."""
    relay = Relay()
    yield relay
    relay.close()


@pytest.fixture(scope="session")
def stack(relay: Relay) -> Iterator[Stack]:
    spark.archive_classes()
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


@pytest.fixture(scope="session")
def data_api(stack: Stack, secrets: seed.Secrets) -> DataApi:
    login = {"Database": stack.warehouse.database, "WorkgroupName": "local", "SecretArn": secrets.warehouse}
    return DataApi(stack.client("redshift-data"), login)


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
def fetching(world: World, proxies: tuple[HttpProxy, HttpProxy]) -> Iterator[Fetching]:
    """As deployed and seeded, but for the proxies before the stores of the function that fetches."""
    world.seed()
    fetching = Fetching(world, *proxies)
    fetching.configure()
    world.put_secret(fetching.connection_string)
    yield fetching
    fetching.reset()


@pytest.fixture
def anew(world: World) -> World:
    """An empty warehouse, and everything seeded."""
    world.empty_warehouse()
    world.seed()
    return world
