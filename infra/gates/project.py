"""A project on disk, and what the gates make of it once and share."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from gates import definition, template
from gates.deployment import ACCOUNT, Stack, deploy
from gates.findings import Finding
from gates.template import REGION, ROOT_TEMPLATE

_SECRET = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret"

# Each condition of a template is true under one of these and false under another; the wiring gate sees to it.
DEPLOYMENTS: dict[str, dict[str, str]] = {
    # What a user gets who gives no more than must be given.
    "made": {"AzureSecretArn": f"{_SECRET}:azure-AbCdEf"},
    # The one that may be reached from outside its network, by a range of addresses.
    "opened": {
        "AzureSecretArn": f"{_SECRET}:azure-AbCdEf",
        "PermissionsBoundaryArn": f"arn:aws:iam::{ACCOUNT}:policy/boundary",
        "WarehousePubliclyAccessible": "true",
        "WarehousePublicCidr": "203.0.113.0/24",
    },
    # A warehouse without a network of its own, and no key for the job's logs: what a laptop has.
    "plain": {
        "AzureSecretArn": f"{_SECRET}:azure-AbCdEf",
        "EncryptJobLogs": "false",
        "JdbcEnforceSsl": "false",
        "WarehouseJdbcUrl": "jdbc:postgresql://127.0.0.1:5432/dev",
        "WarehouseSecretArn": f"{_SECRET}:warehouse-AbCdEf",
        "WarehouseWorkgroup": "local",
    },
    # All that may be brought is brought, and all that may be switched on is.
    "brought": {
        "AzureAccount": "business",
        "AzureClientId": "11111111-2222-3333-4444-555555555555",
        "AzureTenantId": "66666666-7777-8888-9999-000000000000",
        "AlertEmail": "data@example.com",
        "CopyRoleArn": f"arn:aws:iam::{ACCOUNT}:role/copy",
        "CustomersBucketName": "customers-of-the-business",
        "CustomersKmsKeyArn": f"arn:aws:kms:{REGION}:{ACCOUNT}:key/22222222-2222-3333-4444-555555555555",
        "KmsKeyArn": f"arn:aws:kms:{REGION}:{ACCOUNT}:key/33333333-2222-3333-4444-555555555555",
        "LoadMode": "direct",
        "MaskSaltSecretArn": f"{_SECRET}:salt-AbCdEf",
        "OpenLineageApiKeySecretArn": f"{_SECRET}:lineage-AbCdEf",
        "OpenLineageUrl": "https://lineage.example.com/api/v1/lineage",
        "PermissionsBoundaryArn": f"arn:aws:iam::{ACCOUNT}:policy/boundary",
        "ScheduleState": "DISABLED",
        "WarehouseAvailabilityZone": f"{REGION}a",
        "WarehouseJdbcUrl": "jdbc:redshift://warehouse.example.com:5439/dev",
        "WarehouseSecretArn": f"{_SECRET}:warehouse-AbCdEf",
        "WarehouseSecurityGroupId": "sg-0123456789abcdef0",
        "WarehouseSubnetId": "subnet-0123456789abcdef0",
        "WarehouseWorkgroup": "analytics",
    },
}


@dataclass(frozen=True)
class Project:
    """The folder in which everything lies; a test gives a spoiled copy."""

    root: Path

    @cached_property
    def written(self) -> dict[str, dict[str, Any]]:
        """Path → template as it is written."""
        return template.all_of(self.root)

    @cached_property
    def _written_deployments(self) -> dict[str, list[Stack]]:
        return {name: deploy(self.written, parameters) for name, parameters in DEPLOYMENTS.items()}

    @cached_property
    def definition(self) -> dict[str, Any]:
        """The state machine's definition with its substitutions filled in."""
        return definition.read(self.root, self._written_deployments["made"][0])

    @cached_property
    def expanded(self) -> dict[str, Any]:
        """The root template after the SAM transform, with the definition inside."""
        return template.expand(self.written[ROOT_TEMPLATE], self.definition)

    @cached_property
    def deployments(self) -> dict[str, list[Stack]]:
        """Name of a deployment → its stacks, the root's expanded."""
        templates = {**self.written, ROOT_TEMPLATE: self.expanded}
        return {name: deploy(templates, parameters) for name, parameters in DEPLOYMENTS.items()}

    def in_every_stack(self, check: Callable[[str, Stack], Iterable[tuple[str, str, str, str]]]) -> list[Finding]:
        """What `check` finds (rule, resource, place in it, message), once; where it depends on the deployment, `where` says on which."""
        seen: dict[tuple[str, str, str, str, str], set[str]] = defaultdict(set)
        made: dict[tuple[str, str], set[str]] = defaultdict(set)
        for name, stacks in self.deployments.items():
            for stack in stacks:
                for resource in stack.made():
                    made[stack.file, resource].add(name)
                for rule, resource, place, message in check(name, stack):
                    seen[stack.file, rule, resource, place, message].add(name)
        found = []
        for (file, rule, resource, place, message), names in seen.items():
            only = "" if names >= made[file, resource] else f" ({', '.join(sorted(names))})"
            found.append(Finding(rule, f"{file}:{resource}{place}{only}", message))
        return sorted(found)
