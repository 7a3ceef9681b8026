"""bandit sees what it is there for, beside what is accepted."""

from conftest import Copy

PLANTED = """\
import hashlib
import pickle
import subprocess
import tempfile

PASSWORD = "hunter2"


def planted(words, file, cursor, name):
    subprocess.run(words, shell=True)
    pickle.load(file)
    eval(words)
    tempfile.mktemp()
    hashlib.md5(words)
    cursor.execute("SELECT * FROM t WHERE name = '%s'" % name)
"""


def test_a_mistake_in_the_python_is_found(copy: Copy):
    for folder in ("infra/glue", "samples"):
        (copy.root / folder).mkdir(parents=True, exist_ok=True)
        (copy.root / folder / "planted.py").write_text(PLANTED)
    found = {(finding.rule, finding.where) for finding in copy.open_findings("bandit")}
    for folder in ("infra/glue", "samples"):
        assert {rule for rule, where in found if where == f"{folder}/planted.py"} >= {"B105", "B301", "B306", "B307", "B324", "B602", "B608"}


def test_what_is_accepted_in_one_folder_is_not_in_another(copy: Copy):
    for file in ("infra/local/planted.py", "infra/glue/planted.py"):
        (copy.root / file).parent.mkdir(parents=True, exist_ok=True)
        (copy.root / file).write_text("import subprocess\n\nsubprocess.run(['true'])\n")
    found = {(finding.rule, finding.where) for finding in copy.open_findings("bandit")}
    assert ("B603", "infra/glue/planted.py") in found
    assert ("B603", "infra/local/planted.py") not in found
