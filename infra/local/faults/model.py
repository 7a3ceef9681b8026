"""What the table and the books must hold after any committed executions, said without SQL, and how the actual ones differ from it."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

Values = Mapping[str, str | None]  # the other columns of a row, as text
Table = Mapping[str, Values]  # by key


@dataclass(frozen=True)
class Record:
    """A clean record of a source: its first byte, its key, and what the table holds if it wins."""

    offset: int
    key: str
    values: Values


@dataclass(frozen=True, order=True)
class Rejection:
    """A record that goes to the quarantine."""

    source: str
    offset: int
    rule: str
    column: str | None

    def __str__(self) -> str:
        return f"{self.source} at byte {self.offset}: {self.column}.{self.rule}"


@dataclass(frozen=True)
class SourceVersion:
    """What one pinned version of the transactions holds. `modified_at` only orders versions; `customers` are rejections of the other source."""

    name: str
    modified_at: int
    records: tuple[Record, ...]  # in byte order
    rejections: tuple[Rejection, ...] = ()
    customers: tuple[Rejection, ...] = ()

    @property
    def rows_read(self) -> int:
        return len(self.records) + len(self.rejections)


@dataclass(frozen=True)
class Damage:
    """What is not as it must be, each in words. `altered`: another content, or something that must not be there at all."""

    lost: tuple[str, ...] = ()
    duplicated: tuple[str, ...] = ()
    altered: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.lost or self.duplicated or self.altered)

    def __add__(self, other: Self) -> Self:
        return type(self)(self.lost + other.lost, self.duplicated + other.duplicated, self.altered + other.altered)

    def __str__(self) -> str:
        parts = (f"{len(things)} {kind}" + "".join(f"\n  {thing}" for thing in things) for kind, things in vars(self).items())
        return "\n".join(parts)


def table(loaded: Iterable[SourceVersion]) -> Table:
    """The rows after executions that loaded these versions, in whatever order and however often each.

    The newest version that has a key as a clean record gives its row, and in it the last such record. A key that newer versions do not have stays.
    """
    by_age = {version.modified_at: version for version in loaded}
    rows = {}
    for modified_at in sorted(by_age):
        for record in by_age[modified_at].records:
            rows[record.key] = record.values
    return rows


def damage(expected: Table, actual: Mapping[str, Sequence[Values]]) -> Damage:
    """The actual table, as all rows of each key, against the expected one. A surplus row is duplicated, and altered too if its content is wrong."""
    lost = [key for key in expected if not actual.get(key)]
    duplicated = [key for key, rows in actual.items() if key in expected for _surplus in rows[1:]]
    altered = [f"{key}: {_difference(expected.get(key), row)}" for key, rows in actual.items() for row in rows if row != expected.get(key)]
    return Damage(tuple(lost), tuple(duplicated), tuple(altered))


def books(committed: Mapping[str, SourceVersion], ledger: Mapping[str, Sequence[Values]], quarantine: Mapping[str, Sequence[Rejection]]) -> Damage:
    """Each committed run stands in the ledger once, with counts that its source has, and each of its rejections in the quarantine once;
    of other runs there is nothing. `ledger` and `quarantine` are by run."""
    found = Damage()
    for run_id, version in committed.items():
        found += _ledger(run_id, version, ledger.get(run_id, ()))
    for run_id in ledger.keys() - committed.keys():
        found += Damage(altered=(f"{run_id} stands in the ledger and was not committed",))
    for run_id in sorted(committed.keys() | quarantine.keys()):
        version = committed.get(run_id)
        expected = Counter(version.rejections + version.customers) if version else Counter()
        found += _quarantine(run_id, expected, Counter(quarantine.get(run_id, ())))
    return found


def _ledger(run_id: str, version: SourceVersion, rows: Sequence[Values]) -> Damage:
    expected = {"rows_read": version.rows_read, "rows_quarantined": len(version.rejections), "rows_loaded + rows_superseded": len(version.records)}
    altered = []
    for row in rows:
        counts = {name: sum(int(row[column] or 0) for column in name.split(" + ")) for name in expected}
        altered += [f"{run_id} in the ledger: {name} is {counts[name]}, not {expected[name]}" for name in expected if counts[name] != expected[name]]
    here = f"{run_id} in the ledger"
    return Damage((here,) if not rows else (), (here,) * (len(rows) - 1), tuple(altered))


def _quarantine(run_id: str, expected: Counter[Rejection], actual: Counter[Rejection]) -> Damage:
    def named(rejections: Iterable[Rejection]) -> tuple[str, ...]:
        return tuple(f"{run_id} in the quarantine: {rejection}" for rejection in sorted(rejections))

    surplus = (actual - expected).elements()
    by_kind = {True: [], False: []}
    for rejection in surplus:
        by_kind[rejection in expected].append(rejection)
    return Damage(named((expected - actual).elements()), named(by_kind[True]), named(by_kind[False]))


def _difference(expected: Values | None, actual: Values) -> str:
    if expected is None:
        return "must not be there"
    columns = sorted(expected.keys() | actual.keys())
    return ", ".join(f"{c} is {actual.get(c)!r}, not {expected.get(c)!r}" for c in columns if c not in expected or c not in actual or actual[c] != expected[c])
