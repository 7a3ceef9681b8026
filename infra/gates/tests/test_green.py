"""The tree as it is passes every gate, with what is accepted accepted and nothing accepted for nothing."""

import pytest
from gates.__main__ import GATES, ROOT, run
from gates.project import Project

PROJECT = Project(ROOT)


@pytest.mark.parametrize("gate", GATES)
def test_the_tree_is_green(gate: str):
    assert [str(finding) for finding in run(gate, PROJECT)] == []
