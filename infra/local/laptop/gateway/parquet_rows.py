"""The rows of a Parquet file as a Redshift table takes them: by position, each type exactly, nothing cut and nothing rounded."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

_BATCH_ROWS = 1024
# The codes of Redshift's load errors. Source: "Load error reference", Amazon Redshift Database Developer Guide; those above 15000 are Spectrum's,
# which reads Parquet for it.
NOT_NULL, MULTIBYTE, NOT_READABLE, SCAN, MANIFEST, SCHEMA = 1213, 1220, 8001, 15001, 15003, 15007
_TAB, _NEWLINE = pa.scalar("\t", pa.large_string()), pa.scalar("\n", pa.large_string())
_ESCAPES = [("\\", "\\\\"), ("\n", "\\n"), ("\r", "\\r"), ("\t", "\\t")]


@dataclass(frozen=True)
class Column:
    name: str
    kind: str  # the name of its type in pg_type
    length: int | None  # of a text, in bytes
    precision: int | None
    scale: int | None
    not_null: bool

    @property
    def limit(self) -> str:
        if self.precision is not None:
            return f"{self.precision},{self.scale}"
        return "" if self.length is None else str(self.length)

    @property
    def type(self) -> str:
        return f"{self.kind.upper()}({self.limit})" if self.limit else self.kind.upper()

    def takes(self, kind: pa.DataType) -> bool:
        match self.kind:
            case "varchar" | "bpchar" | "text":
                return pa.types.is_string(kind) or pa.types.is_large_string(kind)
            case "numeric":
                return pa.types.is_decimal(kind) and (kind.precision, kind.scale) == (self.precision, self.scale)
            case "timestamp":
                return pa.types.is_timestamp(kind) and kind.unit == "us" and kind.tz in (None, "UTC")
        return kind == _SAME.get(self.kind)


# No TIMESTAMPTZ: a Parquet file holds no zone. No SUPER: it would have to be a nested column, with SERIALIZETOJSON.
_SAME = {
    "int2": pa.int16(),
    "int4": pa.int32(),
    "int8": pa.int64(),
    "float4": pa.float32(),
    "float8": pa.float64(),
    "bool": pa.bool_(),
    "date": pa.date32(),
}


class LoadError(Exception):
    """What SYS_LOAD_ERROR_DETAIL tells of a load that failed."""

    def __init__(self, code: int, message: str, file: str, line: int = 0, column: Column | None = None) -> None:
        super().__init__(message)
        self.code, self.file, self.line, self.column = code, file, line, column


def read(file: BinaryIO, url: str, columns: list[Column]) -> Iterator[bytes]:
    """The rows in the text format of Postgres' COPY, some at a time, so that the file's size does not matter."""
    try:
        with pq.ParquetFile(file) as parquet:
            _check_schema(parquet, url, columns)
            line = 1
            for batch in parquet.iter_batches(_BATCH_ROWS, use_threads=False):
                for column, values in zip(columns, batch.columns, strict=True):
                    _check_values(column, values, url, line)
                yield _text(batch)
                line += batch.num_rows
    except (pa.ArrowInvalid, OSError) as error:
        raise LoadError(SCAN, f"File '{url}' cannot be read as Parquet: {error}", url) from error


def _check_schema(parquet: pq.ParquetFile, url: str, columns: list[Column]) -> None:
    schema = parquet.schema_arrow
    if len(schema) != len(columns):
        counts = f"Table columns: {len(columns)}, Data columns: {len(schema)}"
        raise LoadError(SCHEMA, f"Unmatched number of columns between table and file. {counts}, File name: {url}", url)
    for column, field in zip(columns, schema, strict=True):
        if not column.takes(field.type):
            text = f"File '{url}' has an incompatible Parquet schema for column '{url}.{field.name}'. Column type: {column.type}, Parquet schema: {field}"
            raise LoadError(SCHEMA, text, url, column=column)


def _check_values(column: Column, values: pa.Array, url: str, line: int) -> None:
    def refuse(bad: pa.BooleanArray, code: int, message: Callable[[int], str]) -> None:
        """Raises for the first bad value. The view has no column for it, so it stands at the end of the message, which may tell its bytes."""
        place = pc.index(bad, True).as_py()
        if place >= 0:
            value = values[place].as_py()
            shown = "" if value is None else f" Value: {value[:100]!r}"
            raise LoadError(code, message(len((value or "").encode())) + shown, url, line + place, column)

    if column.not_null and values.null_count:
        refuse(values.is_null(), NOT_NULL, lambda _: f"Missing data for not-null field. Column: {column.name}.")
    if column.kind == "bpchar":
        # A character of more bytes than one; the length of a CHAR counts bytes, too.
        wide = pc.greater(pc.binary_length(values), pc.utf8_length(values))
        refuse(wide, MULTIBYTE, lambda _: f"Multibyte character not supported for CHAR (Hint: try using VARCHAR). Column: {column.name}.")
    if column.length is not None:
        named = f"The length of the data column {column.name} is longer than the length defined in the table. Table: {column.length}, Data:"
        refuse(pc.greater(pc.binary_length(values), column.length), SCAN, lambda size: f"{named} {size}, File name: {url}.")


def _text(batch: pa.RecordBatch) -> bytes:
    fields = [_text_of(values) for values in batch.columns]
    rows = pc.binary_join_element_wise(*fields, _TAB, null_handling="replace", null_replacement="\\N")
    return pc.binary_join(pa.LargeListArray.from_arrays([0, len(rows)], rows), _NEWLINE)[0].as_buffer().to_pybytes() + b"\n"


def _text_of(values: pa.Array) -> pa.Array:
    if not (pa.types.is_string(values.type) or pa.types.is_large_string(values.type)):
        if pa.types.is_timestamp(values.type):
            values = values.cast(pa.timestamp("us"))  # already in UTC; its text would end with a Z
        return values.cast(pa.large_string())  # exact for decimals, and the shortest text that gives the same double again
    values = values.cast(pa.large_string())
    for character, escape in _ESCAPES:
        values = pc.replace_substring(values, character, escape)
    return values
