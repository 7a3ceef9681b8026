"""The boto3 clients of the emulated services: each is made once, and shared.

Making one takes 10 to 20 ms of CPU, the first of a service up to 300 ms (2026-11-30, two shared cores), and whoever waits for a run asks ten times a second.
"""

import os
import threading

import boto3

from laptop import environment

# Threads may share a client, but only one at a time may make one: boto3's session, from which it comes, is not safe for threads.
_lock = threading.Lock()
_clients: dict[tuple[str, str], object] = {}


def client(service: str, endpoint: str):
    with _lock:
        if (service, endpoint) not in _clients:
            _clients[service, endpoint] = boto3.client(
                service,
                endpoint_url=endpoint,
                region_name=environment.REGION,
                aws_access_key_id="test",
                aws_secret_access_key="test",
            )
        return _clients[service, endpoint]


def of_emulator(service: str):
    """For a process whose environment names the emulator, as the gateway's does."""
    return client(service, os.environ["AWS_ENDPOINT_URL"])
