"""Named parameters of the Redshift Data API, `WHERE day = :day`, as the Postgres driver writes them."""

import re

from laptop.gateway.errors import ServiceError

# What is skipped comes first: strings, quoted names, dollar quotes, comments, and the double colon of a cast.
_TOKEN = re.compile(
    r"""'(?:[^']|'')*' | "(?:[^"]|"")*" | (?P<quote>\$\w*\$).*?(?P=quote) | --[^\n]* | /\*.*?\*/ | :: | :(?P<name>[A-Za-z_][A-Za-z0-9_]*)""",
    re.VERBOSE | re.DOTALL,
)


def bind(sql: str, parameters: list[dict]) -> tuple[str, dict[str, str] | None]:
    """The statement for `execute` and its values. Values are text whose type the database infers, as Redshift does."""
    if not parameters:
        return sql, None
    values = {parameter["name"]: parameter["value"] for parameter in parameters}
    used = set()
    pieces, end = [], 0
    for token in _TOKEN.finditer(sql):
        pieces.append(sql[end : token.start()].replace("%", "%%"))
        name, end = token["name"], token.end()
        if name is None:
            pieces.append(token[0].replace("%", "%%"))
            continue
        if name not in values:
            raise ServiceError("ValidationException", f"Cannot find parameter: {name}")
        used.add(name)
        pieces.append(f"%({name})s")
    pieces.append(sql[end:].replace("%", "%%"))
    if unused := sorted(values.keys() - used):
        raise ServiceError("ValidationException", f"Parameters list contains unused parameters. Unused parameters: {unused}")
    return "".join(pieces), values
