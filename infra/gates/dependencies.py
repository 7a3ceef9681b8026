"""cargo-deny on the crates: licences, bans and sources by deny.toml. Advisories need the network and have a target of their own."""

import json

from gates import tools
from gates.findings import Finding
from gates.project import Project

CHECKS = ("bans", "licenses", "sources")


def check(project: Project, checks: tuple[str, ...] = CHECKS) -> list[Finding]:
    # Its findings come on standard error, one JSON object a line; 4 and the like are a bit for each check that failed.
    ended = tools.run("cargo-deny", "--format", "json", "--log-level", "error", "--locked", "check", *checks, cwd=project.root, finds=frozenset(range(16)))
    return findings(ended.stderr, ended.returncode)


def findings(said: str, code: int) -> list[Finding]:
    """What it says, and that it says something where it says no."""
    found = []
    for line in said.splitlines():
        if not line.startswith("{"):
            raise RuntimeError(f"cargo-deny could not do its work: {said[-2000:]}")
        entry = json.loads(line)
        fields = entry["fields"]
        if entry["type"] == "log":
            raise RuntimeError(f"cargo-deny could not do its work: {fields['message']}")
        if entry["type"] == "diagnostic" and fields["severity"] in ("error", "warning"):
            crate = next((graph["Krate"] for graph in fields.get("graphs", []) if "Krate" in graph), {})
            where = f"{crate['name']}@{crate['version']}" if crate else "deny.toml"
            labels = "; ".join(filter(None, ((label["message"] + " " + label.get("span", "")).strip() for label in fields.get("labels", []))))
            found.append(Finding(fields.get("code") or "error", where, f"{fields['message']}: {labels}"))
    if code and not found:
        raise RuntimeError(f"cargo-deny ended with exit code {code} and no finding: {said[-2000:]}")
    return found
