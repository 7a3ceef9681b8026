"""The tokens of Redshift SQL: strings, quoted names and comments are one token each, so that nobody takes their content for code."""

import re
from dataclasses import dataclass

# A backslash escapes the next character in a string of Redshift's, as in PostgreSQL before standard_conforming_strings.
_TOKEN = re.compile(
    r"""
      (?P<space> \s+ | --[^\n]* )
    | (?P<comment> /\* )
    | (?P<string> '(?:[^'\\]|\\.|'')*' | (?P<quote>\$\w*\$).*?(?P=quote) )
    | (?P<name> "(?:[^"]|"")*" )
    | :(?P<parameter> [A-Za-z_][A-Za-z0-9_]* )
    | (?P<word> [^\W\d][\w$]* )
    | (?P<number> \d\w* )
    | (?P<symbol> :: | . )
    """,
    re.VERBOSE | re.DOTALL,
)
_COMMENT_MARK = re.compile(r"/\*|\*/")


@dataclass(frozen=True, slots=True)
class Token:
    kind: str  # a group of _TOKEN
    text: str

    @property
    def is_code(self) -> bool:
        return self.kind not in ("space", "comment")

    @property
    def word(self) -> str:
        """A keyword or unquoted name in upper case; empty for everything else."""
        return self.text.upper() if self.kind == "word" else ""


def tokenize(sql: str) -> list[Token]:
    """All of the text, in order: joined, the tokens are the statement again."""
    tokens, start = [], 0
    while start < len(sql):
        match = _TOKEN.match(sql, start)
        kind = next(kind for kind, text in match.groupdict().items() if text is not None and kind != "quote")
        end = _end_of_comment(sql, start) if kind == "comment" else match.end()
        tokens.append(Token(kind, sql[start:end]))
        start = end
    return tokens


def _end_of_comment(sql: str, start: int) -> int:
    depth = 0
    for mark in _COMMENT_MARK.finditer(sql, start):  # comments nest
        depth += 1 if mark[0] == "/*" else -1
        if depth == 0:
            return mark.end()
    return len(sql)
