"""Ops' own two commands: `sam build`, and `sam deploy --config-env local` with the emulator as the endpoint."""

import fcntl
import platform
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from laptop import environment, network, seed
from laptop.failure import Failure
from laptop.paths import ROOT, STATE
from laptop.processes import Component
from laptop.seed import Secrets
from laptop.stack import Stack

CONFIG = ROOT / "samconfig.toml"
ENVIRONMENT = "local"


@dataclass(frozen=True)
class Deployment:
    stack: str
    state_machine: str
    bucket: str
    glue_job: str


@contextmanager
def building(stack: Stack) -> Iterator[Callable[[], Path]]:
    """Builds in the background; calling what it yields waits for the end. Cargo's own folder is shared: nothing is compiled twice."""
    target = stack.folder / "sam" / "build"
    command = ["sam", "build", "--config-file", CONFIG, "--config-env", ENVIRONMENT, "--build-dir", target]
    command += ["--parameter-overrides", f"Architecture={architecture()}"]
    with (STATE / "build.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two builds would write the same binaries in target/
        component = stack.launch("sam build", command, environment.of_tools())

        def finish() -> Path:
            _finish("BuildFailed", component)
            fcntl.flock(lock, fcntl.LOCK_UN)
            return target

        yield finish


def deploy(stack: Stack, built: Path, secrets: Secrets) -> Deployment:
    config = tomllib.loads(CONFIG.read_text())[ENVIRONMENT]
    # The command line replaces the list of the file, so that list comes along.
    parameters = dict(entry.split("=", 1) for entry in config["deploy"]["parameters"]["parameter_overrides"])
    parameters |= {
        "Architecture": architecture(),
        "AzureSecretArn": secrets.azure,
        "WarehouseSecretArn": secrets.warehouse,
        "WarehouseJdbcUrl": stack.relayed_warehouse.jdbc_url,
        **seed.own(stack),
        **network.parameters(network.make(stack)),
    }
    command = ["sam", "deploy", "--config-file", CONFIG, "--config-env", ENVIRONMENT, "--template-file", built / "template.yaml", "--no-progressbar"]
    command += ["--parameter-overrides", *(f"{key}={value}" for key, value in parameters.items())]
    variables = environment.without_aws(environment.of_tools()) | stack.aws_environment() | {"SAM_CLI_POLL_DELAY": "0.5"}
    _finish("DeployFailed", stack.launch("sam deploy", command, variables))
    name = config["global"]["parameters"]["stack_name"]
    described = stack.client("cloudformation").describe_stacks(StackName=name)["Stacks"][0]
    outputs = {output["OutputKey"]: output["OutputValue"] for output in described["Outputs"]}
    return Deployment(name, outputs["StateMachineArn"], outputs["DataBucketName"], outputs["GlueJobName"])


def architecture() -> str:
    return "arm64" if platform.machine().lower() in ("arm64", "aarch64") else "x86_64"


def _finish(name: str, component: Component) -> None:
    code = component.wait()
    if code != 0:
        said = [line.strip() for line in component.log.read_text(errors="replace").splitlines() if line.strip()]
        telling = [line for line in said if line.lower().startswith(("error", "failed", "build failed"))] or said or ["it said nothing"]
        raise Failure(name, f"`{component.name}` ended with exit code {code}: {telling[-1]}", [component.log])
