"""Ops' own two commands: `sam build`, and `sam deploy --config-env local` with the emulator as the endpoint."""

import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread

from laptop import build, environment, log_lines, network, seed
from laptop.failure import Failure
from laptop.paths import ROOT
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


class Build:
    """cargo and then `sam build`, in the background; calling it waits for the end. Cargo's own folder is shared: nothing is compiled twice."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._target = stack.folder / "sam" / "build"
        self._compiler_ended, self._ended = Event(), Event()
        self._error: BaseException | None = None
        Thread(target=self._build, daemon=True).start()

    def __call__(self) -> Path:
        """The folder that `sam deploy` takes."""
        return self._after(self._ended)

    def compiled(self) -> None:
        self._after(self._compiler_ended)

    def facts(self) -> tuple[str, ...]:
        return build.facts(self._stack.logs / "cargo.log")

    def _after(self, event: Event) -> Path:
        event.wait()
        if self._error:
            raise self._error
        return self._target

    def _build(self) -> None:
        words = ["sam", "build", "--config-file", CONFIG, "--config-env", ENVIRONMENT, "--build-dir", self._target]
        words += ["--parameter-overrides", f"Architecture={build.architecture()}"]
        variables = build.variables(environment.of_tools())
        try:
            with build.alone():
                cargo = self._stack.launch("cargo", build.command(), build.telling(variables))
                _finish("BuildFailed", cargo)
                log_lines.tidy(cargo.log)
                self._compiler_ended.set()
                _finish("BuildFailed", self._stack.launch("sam build", words, variables))
        except BaseException as error:
            self._error = error
        finally:
            self._compiler_ended.set()
            self._ended.set()


@contextmanager
def building(stack: Stack) -> Iterator[Build]:
    yield Build(stack)


def deploy(stack: Stack, built: Path, secrets: Secrets) -> Deployment:
    config = tomllib.loads(CONFIG.read_text())[ENVIRONMENT]
    # The command line replaces the list of the file, so that list comes along.
    parameters = dict(entry.split("=", 1) for entry in config["deploy"]["parameters"]["parameter_overrides"])
    parameters |= {
        "Architecture": build.architecture(),
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


def _finish(name: str, component: Component) -> None:
    code = component.wait()
    if code != 0:
        said = log_lines.most_telling(log_lines.of(component.log))
        raise Failure(name, f"`{component.name}` ended with exit code {code}: {said}", [component.log])
