"""cargo-deny goes by deny.toml: one mistake for each of its policies, against the real crates, and against advisories made up for the test."""

import subprocess
from pathlib import Path

import pytest
from conftest import Copy
from gates import dependencies


def rules(copy: Copy, checks: tuple[str, ...] = dependencies.CHECKS) -> set[tuple[str, str]]:
    return {(finding.rule, finding.where.split("@")[0]) for finding in dependencies.check(copy.project, checks)}


def test_a_licence_that_is_not_allowed(copy: Copy):
    copy.replace("deny.toml", '    "Zlib",', "    #")
    assert rules(copy) == {("rejected", "foldhash")}


def test_an_allowed_licence_that_nothing_has(copy: Copy):
    copy.replace("deny.toml", '    "Zlib",', '    "Zlib", "GPL-3.0-only",')
    assert rules(copy) == {("license-not-encountered", "deny.toml")}


def test_a_banned_crate(copy: Copy):
    copy.replace("deny.toml", '{ crate = "native-tls"', '{ crate = "serde_json"')
    assert rules(copy) == {("banned", "serde_json")}


def test_a_crate_in_any_version(copy: Copy):
    copy.replace("Cargo.toml", 'bytes = "1.12"', 'bytes = "*"')
    assert ("wildcard", "pipeline") in rules(copy)


def test_a_crate_from_elsewhere(copy: Copy):
    copy.replace("deny.toml", "https://github.com/rust-lang/crates.io-index", "https://example.com/another-index")
    assert {rule for rule, _ in rules(copy)} == {"source-not-allowed"}


def test_a_deny_toml_that_is_none_fails_loudly(copy: Copy):
    copy.append("deny.toml", "\n[planted]\nx = 1\n")
    with pytest.raises(RuntimeError, match="cargo-deny"):
        dependencies.check(copy.project)


def advisory(folder: Path, crate: str, identity: str) -> None:
    file = folder / "crates" / crate / f"{identity}.md"
    file.parent.mkdir(parents=True)
    file.write_text(
        f'```toml\n[advisory]\nid = "{identity}"\npackage = "{crate}"\ndate = "2026-01-02"\n\n[versions]\npatched = []\n```\n\n# Planted\n\nIt is planted.\n'
    )


def test_an_advisory_that_nobody_has_weighed(copy: Copy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """git takes a database on this disk for the one on GitHub. It has the advisory that deny.toml ignores and one more, of a crate that is there."""
    database = tmp_path / "database"
    advisory(database, "azure_core", "RUSTSEC-2026-0275")
    advisory(database, "serde_json", "RUSTSEC-2026-9999")
    git = ["git", "-C", database, "-c", "user.name=x", "-c", "user.email=x@example.com", "-c", "init.defaultBranch=main"]
    for words in (["init", "--quiet"], ["add", "."], ["commit", "--quiet", "--message", "planted"]):
        subprocess.run([*git, *words], check=True)
    for name, value in (("COUNT", "1"), ("KEY_0", f"url.file://{database}.insteadOf"), ("VALUE_0", "https://github.com/RustSec/advisory-db")):
        monkeypatch.setenv(f"GIT_CONFIG_{name}", value)
    copy.replace("deny.toml", "[advisories]\n", f'[advisories]\ndb-path = "{tmp_path}/fetched"\n')
    found = dependencies.check(copy.project, ("advisories",))
    assert {(finding.rule, finding.where.split("@")[0]) for finding in found} == {("vulnerability", "serde_json")}
