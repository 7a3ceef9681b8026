"""What the gateway says of the warehouse is what is there."""

import psycopg
import pytest
from laptop.gateway.redshift_serverless import DEFAULT_ROLE
from laptop.stack import Stack


def test_a_workgroup_leads_to_the_warehouse(stack: Stack) -> None:
    client, warehouse = stack.client("redshift-serverless"), stack.warehouse
    workgroup = client.get_workgroup(workgroupName="local")["workgroup"]
    assert (workgroup["workgroupName"], workgroup["status"], workgroup["publiclyAccessible"]) == ("local", "AVAILABLE", False)
    namespace = client.get_namespace(namespaceName=workgroup["namespaceName"])["namespace"]
    address = {"host": workgroup["endpoint"]["address"], "port": workgroup["endpoint"]["port"], "dbname": namespace["dbName"]}
    with psycopg.connect(**address, user=warehouse.user, password=warehouse.password) as connection:
        assert connection.execute("SELECT current_database()").fetchone() == (warehouse.database,)
    # As the service spells it.
    assert namespace["iamRoles"] == [f"IamRole(applyStatus=in-sync, iamRoleArn={namespace['defaultIamRoleArn']})"]
    assert namespace["defaultIamRoleArn"] == DEFAULT_ROLE


def test_there_is_one_workgroup_and_one_namespace(stack: Stack) -> None:
    client = stack.client("redshift-serverless")
    with pytest.raises(client.exceptions.ResourceNotFoundException):
        client.get_workgroup(workgroupName="other")
    with pytest.raises(client.exceptions.ResourceNotFoundException):
        client.get_namespace(namespaceName="other")
    with pytest.raises(client.exceptions.ClientError, match="UnknownOperation"):
        client.list_workgroups()
