"""The key that a person gives to `make trace`, for a table of any contract."""

import re

import pytest
from laptop.failure import Failure
from laptop.paths import ROOT
from laptop.trace import Target


def test_the_key_of_any_contract() -> None:
    golden = (ROOT / "functions/pipeline/tests/golden/load.redshift.sql").read_text()
    create = re.search(r"^/\* crosstally create_target of .*?;$", golden, re.DOTALL | re.MULTILINE)[0]
    assert target_of(create) == Target("analytics", "customer_transactions", ["transaction_id"])
    two = target_of(create.replace('KEY ("transaction_id")', 'KEY ("customer_id", "transaction_id")'))
    assert two.key == ["customer_id", "transaction_id"]
    assert two.values_of("C1,T1") == ["C1", "T1"]
    assert two.values_of('"C,1",T1') == ["C,1", "T1"]
    assert target_of(create).values_of("T,1") == ["T,1"]
    with pytest.raises(Failure, match="KEY=T1: .* customer_id, transaction_id; give KEY=<customer_id>,<transaction_id>"):
        two.values_of("T1")


def target_of(create: str) -> Target:
    return Target.of({"load": {"dialects": {"redshift": {"transaction": [{"name": "create_target", "sql": create}]}}}})
