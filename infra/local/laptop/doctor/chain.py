"""The chain from the stack to the table, link by link: what is checked, in which order, and what builds on what."""

import functools

from laptop.doctor import alerts, azure, glue, network, sources, stack, warehouse
from laptop.doctor.checkup import Check


def chain(name: str) -> list[Check]:
    return [
        Check("stack", functools.partial(stack.stack, name=name)),
        Check("functions", functools.partial(stack.functions, name=name), ("stack",)),
        Check("Azure secret", azure.secret, ("functions",)),
        Check("blob", azure.blob, ("functions", "Azure secret")),
        Check("customers", sources.customers, ("stack", "functions")),
        Check("contract", sources.contract, ("functions",)),
        Check("mask salt", sources.salt, ("functions", "contract")),
        Check("warehouse secret", warehouse.secret, ("functions",)),
        Check("workgroup", warehouse.workgroup, ("functions",)),
        Check("Region", warehouse.region, ("functions", "workgroup")),
        Check("COPY role", warehouse.copy_role, ("functions", "workgroup")),
        Check("Data API", warehouse.data_api, ("functions", "warehouse secret")),
        Check("tables", warehouse.tables, ("Data API", "contract")),
        Check("Glue job", glue.job, ("functions",)),
        Check("Glue connection", glue.connection, ("functions", "Glue job")),
        Check("subnet", network.subnet, ("Glue connection", "Glue job")),
        Check("security group", network.security_group, ("Glue connection", "subnet")),
        Check("way to the warehouse", network.way_to_the_warehouse, ("Glue connection", "subnet", "workgroup")),
        Check("routes", network.routes, ("subnet",)),
        Check("S3 endpoint", network.s3, ("subnet", "routes")),
        Check("service endpoints", network.services, ("subnet", "routes", "Glue connection")),
        Check("schedule", functools.partial(alerts.schedule, name=name), ("stack",)),
        Check("alerts", alerts.topic, ("stack",)),
    ]
