"""The preflight on a real stack: all in order as it is seeded, and for each thing that may be wrong the line that says so and what to do."""

import base64
import contextlib
import json
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import boto3
import pytest
from azure.storage.blob import AccountSasPermissions, ResourceTypes, Services, generate_account_sas, generate_container_sas
from faults.gateway import Gateway
from laptop import doctor, network, seed
from laptop.inputs import Inputs
from laptop.paths import ROOT
from world import World

SUBJECTS = [
    "stack",
    "functions",
    "Azure secret",
    "blob",
    "customers",
    "contract",
    "mask salt",
    "warehouse secret",
    "workgroup",
    "Region",
    "COPY role",
    "Data API",
    "tables",
    "Glue job",
    "Glue connection",
    "subnet",
    "security group",
    "way to the warehouse",
    "routes",
    "S3 endpoint",
    "service endpoints",
    "schedule",
    "alerts",
]
AS_DEPLOYED = {"LOAD_MODE": "glue"}
ABSENT = "arn:aws:secretsmanager:us-east-1:000000000000:secret:absent-AbCdEf"


@dataclass(frozen=True)
class Seen:
    code: int
    lines: list[tuple[str, str, str]]  # level, subject, text
    raw: str

    def subjects(self, level: str) -> list[str]:
        return [subject for its, subject, _ in self.lines if its == level]

    def text(self, level: str, subject: str) -> str:
        return "\n".join(text for its, about, text in self.lines if (its, about) == (level, subject))


@dataclass(frozen=True)
class Ward:
    """The seeded stack, what may be done to it, and the doctor's look at it."""

    world: World
    capsys: pytest.CaptureFixture

    def look(self, stack: str | None = None) -> Seen:
        self.capsys.readouterr()
        code = doctor.main(self.world.stack.client, stack or self.world.session.deployment.stack)
        said = self.capsys.readouterr().out
        found = (re.fullmatch(r"(ok  |warn|FAIL|skip)  (.{22}) (.+)", line) for line in said.splitlines()[:-2])
        return Seen(code, [(line[1].strip(), line[2].strip(), line[3]) for line in found], said)

    def client(self, service: str):
        return self.world.stack.client(service)

    @property
    def bucket(self) -> str:
        return self.world.session.deployment.bucket


@pytest.fixture(scope="module", autouse=True)
def seeded(world: World) -> None:
    """As deployed, Glue job included: the doctor looks at all of it."""
    world.empty_warehouse()
    world.seed()
    world.configure(**AS_DEPLOYED)


@pytest.fixture
def ward(world: World, capsys: pytest.CaptureFixture) -> Ward:
    return Ward(world, capsys)


def assert_well(seen: Seen) -> None:
    # The shipped contract masks nothing.
    assert [subject for _, subject, _ in seen.lines] == [subject for subject in SUBJECTS if subject != "mask salt"], seen.raw
    assert (seen.subjects("FAIL"), seen.code) == ([], 0), seen.raw
    # Postgres in Redshift's place stands in no security group, and nobody on a laptop waits for mail.
    assert (seen.subjects("skip"), seen.subjects("warn")) == (["way to the warehouse"], ["alerts"]), seen.raw
    assert re.search(r"\n\n[\w-]+: 20 ok, 1 warn, 1 skip\n$", seen.raw)


def test_a_seeded_stack_is_well(ward: Ward) -> None:
    seen = ward.look()
    assert_well(seen)
    for subject, says in [
        ("stack", "crosstally-local in us-east-1, account 000000000000, "),
        ("blob", f"{Inputs().transactions.stat().st_size:,} bytes, of 20"),
        ("customers", f"s3://{seed.CUSTOMERS_BUCKET}/{seed.CUSTOMERS_KEY}, {Inputs().customers.stat().st_size:,} bytes"),
        ("contract", "the shipped one, for the table analytics.customer_transactions"),
        ("tables", "analytics.customer_transactions and crosstally.* will be made"),
        ("COPY role", "as its default"),
        ("Data API", f"it answers {ward.world.stack.warehouse.user} in the database {ward.world.stack.warehouse.database}"),
        ("schedule", "DISABLED, so that runs start by hand only; it says cron(0 2 * * ? *), UTC"),
    ]:
        assert says in seen.text("ok", subject)


def test_it_asks_the_real_services_and_says_no_secret(ward: Ward) -> None:
    """Also that each operation it calls has an IAM action in the table of those that it names."""
    called = set()

    def client(service: str):
        its = ward.client(service)
        its.meta.events.register("before-call.*.*", lambda model, **_: called.add(model.name))
        return its

    assert doctor.main(client, ward.world.session.deployment.stack) == 0
    said = ward.capsys.readouterr().out
    assert called - set(doctor.checkup.refusals._ACTIONS) == set()
    key = re.search("AccountKey=([^;]+)", seed.connection_string(ward.world.stack))[1]
    assert not any(word in said for word in (key, ward.world.stack.warehouse.password))


def test_tables_that_a_run_has_made_are_its_own(ward: Ward) -> None:
    ward.world.configure()
    assert ward.world.run().status == "SUCCEEDED"
    seen = ward.look()
    assert "crosstally.ledger, crosstally.quarantine, analytics.customer_transactions are there and its own" in seen.text("ok", "tables")
    assert "LOAD_MODE is direct: no Glue job runs" in seen.text("skip", "Glue job")
    assert "subnet" not in [subject for _, subject, _ in seen.lines]
    assert seen.code == 0
    ward.world.configure(**AS_DEPLOYED)
    ward.world.empty_warehouse()


# --- one fault each: how it is planted and taken away, which line says so, and what it says -----------------------------------------------------------------

Fault = Callable[[Ward], AbstractContextManager]


def configured(**variables: str) -> Fault:
    """As a deployment with another parameter would have it."""

    @contextmanager
    def fault(ward: Ward) -> Iterator[None]:
        ward.world.configure(**AS_DEPLOYED | variables)
        yield
        ward.world.configure(**AS_DEPLOYED)

    return fault


def azure_secret(make: Callable[[Ward], str]) -> Fault:
    @contextmanager
    def fault(ward: Ward) -> Iterator[None]:
        ward.world.put_secret(make(ward))
        yield
        ward.world.put_secret(seed.connection_string(ward.world.stack))

    return fault


def azure_sas(days: float = 100, permission: str = "r", services: Services | None = None) -> Fault:
    def make(ward: Ward) -> str:
        service = seed.blob_service(ward.world.stack)
        expiry = datetime.now(UTC) + timedelta(days=days)
        sas = generate_account_sas(
            service.account_name,
            service.credential.account_key,
            ResourceTypes(object=True),
            AccountSasPermissions.from_string(permission),
            expiry,
            services=services or Services(blob=True),
        )
        return f"BlobEndpoint={service.url};SharedAccessSignature={sas}"

    return azure_secret(make)


def sas_of_another_container(ward: Ward) -> str:
    service = seed.blob_service(ward.world.stack)
    expiry = datetime.now(UTC) + timedelta(days=100)
    sas = generate_container_sas(service.account_name, "another", account_key=service.credential.account_key, permission="r", expiry=expiry)
    return f"BlobEndpoint={service.url};SharedAccessSignature={sas}"


@contextmanager
def azure_secret_deleted(ward: Ward) -> Iterator[None]:
    secret, client = ward.world.session.secrets.azure, ward.client("secretsmanager")
    client.delete_secret(SecretId=secret, RecoveryWindowInDays=7)
    yield
    client.restore_secret(SecretId=secret)


def blob(content: bytes | None) -> Fault:
    @contextmanager
    def fault(ward: Ward) -> Iterator[None]:
        if content is None:
            seed.blob_service(ward.world.stack).get_blob_client(seed.CONTAINER, seed.BLOB).delete_blob()
        else:
            ward.world.put_blob(content)
        yield
        seed.transactions(ward.world.stack, Inputs().transactions)

    return fault


@contextmanager
def listing_without_permission(ward: Ward) -> Iterator[None]:
    with azure_sas(permission="r")(ward), configured(AZURE_BLOB="trans*")(ward):
        yield


def customers(content: bytes | None) -> Fault:
    @contextmanager
    def fault(ward: Ward) -> Iterator[None]:
        place = {"Bucket": seed.CUSTOMERS_BUCKET, "Key": seed.CUSTOMERS_KEY}
        if content is None:
            ward.client("s3").delete_object(**place)
        else:
            ward.client("s3").put_object(**place, Body=content)
        yield
        seed.customers(ward.world.stack, Inputs().customers)

    return fault


def contract(content: bytes) -> Fault:
    @contextmanager
    def fault(ward: Ward) -> Iterator[None]:
        ward.world.put_object(seed.CONTRACT_KEY, content)
        yield
        ward.client("s3").delete_object(Bucket=ward.bucket, Key=seed.CONTRACT_KEY)

    return fault


def masking(ward: Ward) -> AbstractContextManager:
    """The shipped contract, with one value masked."""
    plain, mask = "{property: clean, value: [trim, empty_to_null, lowercase]}", "{property: mask, value: sha256}"
    shipped = (ROOT / "contract.odcs.yaml").read_text()
    assert shipped.count(plain) == 1
    return contract(shipped.replace(plain, mask).encode())(ward)


def warehouse_secret(login: object) -> Fault:
    @contextmanager
    def fault(ward: Ward) -> Iterator[None]:
        secret, client = ward.world.session.secrets.warehouse, ward.client("secretsmanager")
        kept = client.get_secret_value(SecretId=secret)["SecretString"]
        client.put_secret_value(SecretId=secret, SecretString=login if isinstance(login, str) else json.dumps(login))
        yield
        client.put_secret_value(SecretId=secret, SecretString=kept)

    return fault


def bucket_elsewhere(variable: str) -> Fault:
    @contextmanager
    def fault(ward: Ward) -> Iterator[None]:
        at = {"endpoint_url": ward.world.stack.endpoints.aws, "aws_access_key_id": "test", "aws_secret_access_key": "test"}
        client, name = boto3.client("s3", region_name="eu-west-1", **at), "crosstally-elsewhere"
        client.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
        client.upload_file(str(Inputs().customers), name, seed.CUSTOMERS_KEY)
        with configured(**{variable: name})(ward):
            yield
        client.delete_object(Bucket=name, Key=seed.CUSTOMERS_KEY)
        client.delete_bucket(Bucket=name)

    return fault


def revoked(privilege: str) -> Fault:
    @contextmanager
    def fault(ward: Ward) -> Iterator[None]:
        warehouse = ward.world.stack.warehouse
        ward.world.execute(f"REVOKE {privilege} ON DATABASE {warehouse.database} FROM {warehouse.user}, PUBLIC")
        yield
        ward.world.execute(f"GRANT {privilege} ON DATABASE {warehouse.database} TO {warehouse.user}")
        if privilege == "TEMP":  # Postgres gives it to everybody
            ward.world.execute(f"GRANT TEMP ON DATABASE {warehouse.database} TO PUBLIC")

    return fault


def closed_schema(privilege: str) -> Fault:
    @contextmanager
    def fault(ward: Ward) -> Iterator[None]:
        user = ward.world.stack.warehouse.user
        ward.world.execute(f"CREATE SCHEMA crosstally; CREATE TABLE crosstally.ledger (run_id TEXT); REVOKE {privilege} ON SCHEMA crosstally FROM {user}")
        yield
        ward.world.execute(f"GRANT {privilege} ON SCHEMA crosstally TO {user}")
        ward.world.empty_warehouse()

    return fault


def connection_of(ward: Ward) -> dict:
    return ward.client("glue").get_connection(Name=ward.world.session.deployment.stack)["Connection"]


@contextmanager
def replaced(ward: Ward, change: Callable[[dict], dict]) -> Iterator[None]:
    """Another connection of the same name. The emulator knows no UpdateConnection."""
    kept, glue = connection_of(ward), ward.client("glue")
    given = {name: kept[name] for name in ("Name", "ConnectionType", "ConnectionProperties", "PhysicalConnectionRequirements")}
    for connection in (change(given), given):
        glue.delete_connection(ConnectionName=kept["Name"])
        glue.create_connection(ConnectionInput=connection)
        if connection is not given:
            yield


def reconnected(**properties: str) -> Fault:
    return lambda ward: replaced(ward, lambda given: given | {"ConnectionProperties": given["ConnectionProperties"] | properties})


def no_network(ward: Ward) -> AbstractContextManager:
    return replaced(ward, lambda given: {name: value for name, value in given.items() if name != "PhysicalConnectionRequirements"})


@contextmanager
def no_self_reference(ward: Ward) -> Iterator[None]:
    (group,) = connection_of(ward)["PhysicalConnectionRequirements"]["SecurityGroupIdList"]
    ec2 = ward.client("ec2")
    ec2.revoke_security_group_ingress(GroupId=group, IpPermissions=network.self_reference(group))
    yield
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=network.self_reference(group))


@contextmanager
def no_way_out(ward: Ward) -> Iterator[None]:
    (group,) = connection_of(ward)["PhysicalConnectionRequirements"]["SecurityGroupIdList"]
    ec2 = ward.client("ec2")
    everything = [{"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]
    ec2.revoke_security_group_egress(GroupId=group, IpPermissions=everything)
    yield
    ec2.authorize_security_group_egress(GroupId=group, IpPermissions=everything)


def no_endpoint(service: str) -> Fault:
    @contextmanager
    def fault(ward: Ward) -> Iterator[None]:
        ec2 = ward.client("ec2")
        (door,) = [door for door in ec2.describe_vpc_endpoints()["VpcEndpoints"] if door["ServiceName"] == network.service(service)]
        ec2.delete_vpc_endpoints(VpcEndpointIds=[door["VpcEndpointId"]])
        yield
        places = {name: door[name] for name in ("RouteTableIds", "SubnetIds") if door.get(name)}
        ec2.create_vpc_endpoint(VpcEndpointType=door["VpcEndpointType"], VpcId=door["VpcId"], ServiceName=door["ServiceName"], **places)

    return fault


def refused(operation: str) -> Fault:
    """As IAM would refuse it to the caller."""

    @contextmanager
    def fault(ward: Ward) -> Iterator[None]:
        gateway = Gateway(ward.world.stack.endpoints.gateway)
        gateway.script({"operation": operation, "do": "refuse", "code": "AccessDeniedException", "message": "", "times": 10})
        yield
        gateway.clear()

    return fault


WRONG_KEY = base64.b64encode(b"wrong" * 12).decode()
NOT_ALLOWED = "does not permit reading"

FAULTS: dict[str, tuple[Fault, str, list[str], str]] = {
    "Azure secret gone": (configured(AZURE_SECRET_ID=ABSENT), "FAIL", ["Azure secret"], f"{ABSENT} does not exist: create it"),
    "Azure secret deleted": (azure_secret_deleted, "FAIL", ["Azure secret"], "if it is marked for deletion, `aws secretsmanager restore-secret`"),
    "no connection string": (azure_secret(lambda _: "hunter2"), "FAIL", ["Azure secret"], "it is no Azure connection string: copy it from the storage account"),
    "JSON of another form": (azure_secret(lambda _: '{"key": "hunter2"}'), "FAIL", ["Azure secret"], "it is JSON without connectionString: store"),
    "key is no base64": (azure_secret(lambda w: seed.connection_string(w.world.stack, "hunter2!")), "FAIL", ["Azure secret"], "the AccountKey is no base64"),
    "wrong key": (
        azure_secret(lambda w: seed.connection_string(w.world.stack, WRONG_KEY)),
        "FAIL",
        ["blob"],
        # Azure itself says AuthenticationFailed.
        "may not be read, AuthorizationFailure: the account's firewall keeps this machine out (Networking), or the key or SAS in the secret is wrong",
    ),
    "SAS expired": (azure_sas(days=-1), "FAIL", ["Azure secret"], "UTC: make a new one for reading blobs, and put it into the secret"),
    "SAS expires in 3 days": (azure_sas(days=3.1), "warn", ["Azure secret"], "in 3 days: put a newer one into the secret before"),
    "SAS does not read": (azure_sas(permission="l"), "FAIL", ["Azure secret"], NOT_ALLOWED),
    "SAS for queues": (azure_sas(services=Services(queue=True)), "FAIL", ["Azure secret"], "is not for the blob service (ss has no b)"),
    "SAS for another container": (azure_secret(sas_of_another_container), "FAIL", ["blob"], "may not be read, Auth"),
    "container missing": (
        configured(AZURE_CONTAINER="absent"),
        "FAIL",
        ["blob"],
        "has no container absent: create it, or correct the parameter",
    ),
    "blob missing": (blob(None), "FAIL", ["blob"], "does not exist: upload the transactions, or correct the parameters AzureContainer and AzureBlob"),
    "blob empty": (blob(b""), "FAIL", ["blob"], "/transactions/transactions.json is empty: upload the transactions again"),
    "blob is no JSON": (blob(b"a,b\n1,2\n"), "warn", ["blob"], "begins neither with [ nor with {: it must hold a JSON array of objects"),
    "no blob below a prefix": (configured(AZURE_BLOB="absent/"), "FAIL", ["blob"], "/transactions/absent/ holds no blob: upload the transactions, or correct"),
    "no blob of the day": (configured(AZURE_BLOB="{date}.json"), "FAIL", ["blob"], "does not exist: upload the transactions of 20"),
    "a name with a stray brace": (configured(AZURE_BLOB="{day}.json"), "FAIL", ["blob"], "AzureBlob is {day}.json: it may hold {date}"),
    "SAS does not list": (listing_without_permission, "FAIL", ["blob"], "the SAS in the secret lacks the permission"),
    "customers missing": (customers(None), "FAIL", ["customers"], "does not exist: `aws s3 cp customers.csv s3://"),
    "customers empty": (customers(b""), "FAIL", ["customers"], "is empty: upload the customers' CSV again"),
    "contract is none": (contract(b"schema: []"), "FAIL", ["contract"], "names no target table: check the file with `make contract"),
    "no salt to mask with": (masking, "FAIL", ["mask salt"], "the contract masks by sha256, and there is no salt: make a secret with a long random text"),
    "salt gone": (configured(MASK_SALT_SECRET_ID=ABSENT), "FAIL", ["mask salt"], "and deploy with its ARN as MaskSaltSecretArn"),
    "warehouse secret gone": (configured(WAREHOUSE_SECRET_ARN=ABSENT), "FAIL", ["warehouse secret", "Glue connection"], "with its ARN as WarehouseSecretArn"),
    "no password": (warehouse_secret({"username": "loader"}), "FAIL", ["warehouse secret"], 'has no password: store {"username": "…", "password": "…"}'),
    "warehouse secret is no JSON": (warehouse_secret("loader/hunter2"), "FAIL", ["warehouse secret"], "is no JSON object"),
    "wrong password": (
        warehouse_secret({"username": "loader", "password": "hunter2"}),
        "FAIL",
        ["Data API"],
        "correct the user, the password or WarehouseDatabase",
    ),
    "no such database": (
        configured(WAREHOUSE_DATABASE="absent"),
        "FAIL",
        ["Data API", "Glue connection"],
        "correct the user, the password or WarehouseDatabase",
    ),
    "workgroup missing": (
        configured(WAREHOUSE_WORKGROUP="absent"),
        "FAIL",
        ["workgroup", "Data API"],
        "there is no workgroup absent in this Region: correct the parameter WarehouseWorkgroup",
    ),
    "data in another Region": (bucket_elsewhere("DATA_BUCKET"), "FAIL", ["Region"], "crosstally-elsewhere is in eu-west-1, the workgroup in us-east-1: COPY"),
    "customers in another Region": (
        bucket_elsewhere("CUSTOMERS_BUCKET"),
        "FAIL",
        ["customers"],
        "is in eu-west-1, but the functions ask for it in us-east-1: keep the customers in a bucket of that Region",
    ),
    "role not attached": (
        configured(COPY_ROLE_ARN="arn:aws:iam::000000000000:role/other"),
        "FAIL",
        ["COPY role"],
        "role/other is not attached to the namespace local: attach it in the Redshift console",
    ),
    "no CREATE": (revoked("CREATE"), "FAIL", ["tables"], 'loader may not make schemas in dev: GRANT CREATE ON DATABASE "dev" TO "loader"'),
    "no TEMP": (revoked("TEMP"), "FAIL", ["tables"], 'GRANT TEMP ON DATABASE "dev" TO "loader"'),
    "no CREATE in a schema": (
        closed_schema("CREATE"),
        "FAIL",
        ["tables"],
        "loader has no CREATE on the schema crosstally: GRANT CREATE ON SCHEMA",
    ),
    "no USAGE of a schema": (closed_schema("USAGE"), "FAIL", ["tables"], 'GRANT USAGE ON SCHEMA "crosstally" TO "loader"'),
    "no job": (configured(GLUE_JOB_NAME="absent"), "FAIL", ["Glue job"], "there is no Glue job absent: deploy the stack again"),
    "connection to another database": (
        reconnected(JDBC_CONNECTION_URL="jdbc:redshift://127.0.0.1:1/prod"),
        "FAIL",
        ["Glue connection"],
        "leads to the database prod, the Data API to dev: make WarehouseDatabase and the URL's end the same",
    ),
    "connection with another secret": (reconnected(SECRET_ID=ABSENT), "FAIL", ["Glue connection"], "logs in with another secret than the Data API"),
    "connection to another host": (
        reconnected(JDBC_CONNECTION_URL="jdbc:redshift://warehouse.example:5439/dev"),
        "warn",
        ["Glue connection", "way to the warehouse"],
        "does not insist on encryption: deploy with JdbcEnforceSsl=true",
    ),
    "no network": (no_network, "skip", ["subnet"], "no network was given: the job runs outside a VPC"),
    "no self-reference": (no_self_reference, "FAIL", ["security group"], "does not let its own members in: add an inbound rule, all TCP ports"),
    "no outbound rule": (no_way_out, "FAIL", ["security group", "security group"], "does not let HTTPS out to S3: add an outbound rule, TCP 443"),
    "no S3 endpoint": (no_endpoint("s3"), "FAIL", ["S3 endpoint"], "add a gateway endpoint for com.amazonaws.us-east-1.s3 to rtb-"),
    "no endpoint for Glue": (no_endpoint("glue"), "FAIL", ["service endpoints"], "add an interface endpoint for com.amazonaws.us-east-1.glue"),
    "no endpoint for secrets": (no_endpoint("secretsmanager"), "FAIL", ["service endpoints"], "endpoint for com.amazonaws.us-east-1.secretsmanager"),
    "no endpoint for logs": (no_endpoint("logs"), "warn", ["service endpoints"], "and its logs do not arrive: add an interface endpoint"),
    "may not look at the workgroup": (refused("GetWorkgroup"), "FAIL", ["workgroup"], "have redshift-serverless:GetWorkgroup allowed"),
    "may not look at the namespace": (refused("GetNamespace"), "FAIL", ["COPY role"], "have redshift-serverless:GetNamespace allowed"),
    "may not ask the warehouse": (refused("ExecuteStatement"), "FAIL", ["Data API"], "have redshift-data:ExecuteStatement allowed"),
}
ALWAYS = {"FAIL": [], "warn": ["alerts"], "skip": ["way to the warehouse"]}


@pytest.mark.parametrize("name", FAULTS)
def test_what_is_wrong_is_told_with_what_to_do(ward: Ward, name: str) -> None:
    fault, level, subjects, says = FAULTS[name]
    with fault(ward):
        seen = ward.look()
    assert [subject for subject in seen.subjects(level) if "not looked at" not in seen.text(level, subject)] == sorted_as_shown(
        subjects + [usual for usual in ALWAYS[level] if name != "no network"]
    ), seen.raw
    assert any(says in seen.text(level, subject) for subject in subjects), seen.raw
    assert seen.code == (1 if level == "FAIL" else 0), seen.raw
    assert not any(word in seen.raw for word in ("hunter2", WRONG_KEY, "sig="))


def sorted_as_shown(subjects: list[str]) -> list[str]:
    return sorted(subjects, key=SUBJECTS.index)


def test_all_blobs_below_a_prefix_are_counted(ward: Ward) -> None:
    service, size = seed.blob_service(ward.world.stack), Inputs().transactions.stat().st_size
    with configured(AZURE_BLOB="trans*")(ward):
        service.get_blob_client(seed.CONTAINER, "transactions-2.json").upload_blob(b"[]", overwrite=True)
        service.get_blob_client(seed.CONTAINER, "transactions").upload_blob(b"", metadata={"hdi_isfolder": "true"}, overwrite=True)
        seen = ward.look()
        for name in ("transactions-2.json", "transactions"):
            service.get_blob_client(seed.CONTAINER, name).delete_blob()
    assert f"/transactions/trans, 2 blobs, {size + 2:,} bytes, of 20" in seen.text("ok", "blob"), seen.raw


def test_a_stack_that_does_not_exist_is_told(ward: Ward) -> None:
    seen = ward.look("no-such-stack")
    assert seen.lines[0] == (
        "FAIL",
        "stack",
        "no-such-stack does not exist in this account and Region: deploy it, or correct STACK, AWS_PROFILE or AWS_REGION",
    )
    assert seen.subjects("skip") == SUBJECTS[1:]
    assert {text for level, _, text in seen.lines if level == "skip"} == {"not looked at, since it builds on: stack"}
    assert seen.code == 1


def test_who_is_subscribed_is_told(ward: Ward) -> None:
    queue = ward.client("sqs").create_queue(QueueName="doctor")["QueueUrl"]
    sns = ward.client("sns")
    (topic,) = [topic["TopicArn"] for topic in sns.list_topics()["Topics"] if "AlertTopic" in topic["TopicArn"]]
    subscription = sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=f"arn:aws:sqs:us-east-1:000000000000:{queue.rpartition('/')[2]}")["SubscriptionArn"]
    assert f"sqs is subscribed to {topic}" in ward.look().text("ok", "alerts")
    sns.unsubscribe(SubscriptionArn=subscription)
    assert "deploy with AlertEmail, or subscribe to it" in ward.look().text("warn", "alerts")
    with contextlib.suppress(Exception):
        ward.client("sqs").delete_queue(QueueUrl=queue)


def test_nothing_of_it_has_stayed(ward: Ward) -> None:
    assert_well(ward.look())
