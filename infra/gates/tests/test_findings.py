"""A finding is mended or accepted with a reason; an acceptance is met or goes."""

from pathlib import Path

import gates.__main__ as gates
import pytest
from conftest import Copy
from gates import findings
from gates.findings import Acceptance, Finding, settle

HERE = Finding("R1", "template.yaml:Bucket", "is open")
THERE = Finding("R1", "template.yaml:Queue", "is open")


def test_what_nobody_accepts_stays():
    assert settle([HERE, HERE], []) == [HERE]


def test_what_is_accepted_goes_and_only_there():
    assert settle([HERE, THERE], [Acceptance("R1", ("*:Bucket",), "why")]) == [THERE]


def test_another_rule_is_not_accepted():
    (finding, stale) = settle([HERE], [Acceptance("R2", ("*:Bucket",), "why")])
    assert finding == HERE
    assert stale.rule == "R2"


def test_each_place_of_an_acceptance_must_be_met():
    (stale,) = settle([HERE], [Acceptance("R1", ("*:Bucket", "*:Topic"), "why")])
    assert (stale.rule, stale.where) == ("R1", "*:Topic")
    assert "take the acceptance out" in stale.message


@pytest.mark.parametrize(
    ("entry", "complaint"),
    [
        ("{rule: R1, where: ['a:b'], reason: because}", "without a reason"),
        ("{rule: R1, where: [], reason: a whole sentence that says why}", "everywhere"),
        ("{rule: R1, where: ['*'], reason: a whole sentence that says why}", "everywhere"),
    ],
)
def test_an_acceptance_without_reason_or_place_is_refused(tmp_path: Path, entry: str, complaint: str):
    file = tmp_path / findings.ACCEPTED
    file.parent.mkdir(parents=True)
    file.write_text(f"checkov: [{entry}]")
    with pytest.raises(ValueError, match=complaint):
        findings.read(tmp_path, "checkov")


def test_an_acceptance_under_no_gate_is_refused(copy: Copy):
    copy.append(str(findings.ACCEPTED), "\nchekov: []\n")
    with pytest.raises(ValueError, match="no gate chekov"):
        findings.check_names(copy.root, gates.GATES)


def test_one_line_for_each_gate_and_the_exit_code(copy: Copy, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.setattr(gates, "ROOT", copy.root)
    assert gates.main(["wiring", "samconfig"]) == 0
    assert [line.split()[:2] for line in capsys.readouterr().out.splitlines()] == [["wiring", "ok"], ["samconfig", "ok"]]
    copy.plant("template.yaml", "Parameters", "  Planted: {Type: String, Default: x}")
    assert gates.main(["wiring"]) == 1
    said = capsys.readouterr().out
    assert said.startswith("wiring         1 findings")
    assert "parameter-unused  template.yaml:Planted" in said


def test_a_gate_that_cannot_do_its_work_is_red(copy: Copy, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.setattr(gates, "ROOT", copy.root)
    copy.append("infra/guard/rules.guard", "\nrule broken {\n")
    assert gates.main(["cfn-guard", "samconfig"]) == 1
    said = capsys.readouterr().out
    assert said.startswith("cfn-guard      not judged")
    assert "samconfig      ok" in said


def test_an_unknown_gate_is_refused():
    with pytest.raises(SystemExit) as ended:
        gates.main(["lint"])
    assert ended.value.code == 2
