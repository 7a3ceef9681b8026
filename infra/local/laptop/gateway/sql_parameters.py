"""Named parameters of the Redshift Data API, `WHERE day = :day`, as the Postgres driver writes them."""

from laptop.gateway.errors import ServiceError
from laptop.gateway.sql_tokens import tokenize


def bind(sql: str, parameters: list[dict]) -> tuple[str, dict[str, str] | None]:
    """The statement for `execute` and its values. Values are text whose type the database infers, as Redshift does."""
    if not parameters:
        return sql, None
    values = {parameter["name"]: parameter["value"] for parameter in parameters}
    used, pieces = set(), []
    for token in tokenize(sql):
        if token.kind != "parameter":
            pieces.append(token.text.replace("%", "%%"))
            continue
        name = token.text[1:]
        if name not in values:
            raise ServiceError("ValidationException", f"Cannot find parameter: {name}")
        used.add(name)
        pieces.append(f"%({name})s")
    if unused := sorted(values.keys() - used):
        raise ServiceError("ValidationException", f"Parameters list contains unused parameters. Unused parameters: {unused}")
    return "".join(pieces), values
