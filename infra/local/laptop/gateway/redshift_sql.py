"""Redshift's SQL for Postgres: what differs in the text. What differs in behaviour is set up by redshift_session.

Left alone, so that Postgres refuses it: what no statement here uses, such as DISTKEY or the encoding of a column.
"""

import psycopg

from laptop.gateway.sql_tokens import Token, tokenize

_AUTOMATIC = {"DISTSTYLE", "SORTKEY", "ENCODE"}


def translate(sql: str) -> str:
    statement = _Statement(sql)
    statement.translate_words()
    if statement.starts_with("CREATE", "TABLE"):
        statement.translate_create_table()
    elif statement.starts_with("ALTER", "TABLE"):
        statement.translate_added_columns()
    return "".join(statement.texts)


def refuse_in_transaction(sql: str) -> None:
    """Raises for what Redshift runs only on its own. Source: ALTER TABLE, Amazon Redshift Database Developer Guide."""
    statement = _Statement(sql)
    words = statement.words
    if statement.starts_with("ALTER", "TABLE") and any(words[n : n + 2] == ["ALTER", "COLUMN"] and words[n + 3 : n + 4] == ["TYPE"] for n in range(len(words))):
        raise psycopg.errors.ActiveSqlTransaction("ALTER TABLE ALTER COLUMN cannot run inside a transaction block")


class _Statement:
    """The code of a statement by number, and the texts that it is put together from again; spaces and comments stay where they are."""

    def __init__(self, sql: str) -> None:
        tokens = tokenize(sql)
        self.texts = [token.text for token in tokens]
        self._places = [place for place, token in enumerate(tokens) if token.is_code]
        self._code: list[Token] = [tokens[place] for place in self._places]
        self.words = [token.word for token in self._code]

    def starts_with(self, verb: str, noun: str) -> bool:
        between = {"LOCAL", "TEMP", "TEMPORARY"}
        return self.words[:1] == [verb] and next((word for word in self.words[1:] if word not in between), "") == noun

    def translate_words(self) -> None:
        opened_by = []  # the word before each parenthesis that is open
        for n, word in enumerate(self.words):
            before, after = self._text(n - 1), self._text(n + 1)
            named = before == "." or self._word(n - 1) == "AS"
            if self._text(n) == "(":
                opened_by.append(self._word(n - 1))
            elif self._text(n) == ")" and opened_by:
                opened_by.pop()
            elif word == "SYSDATE" and not named and after != "(":
                self._put(n, "sysdate()")
            elif word == "JSON_SERIALIZE" and after == "(":
                self._put(n, '"json_serialize"')  # without quotes PostgreSQL 17 takes it for its own, which gives a null for a null
            elif word == "SUPER" and (before == "::" or (self._word(n - 1) == "AS" and opened_by[-1:] == ["CAST"])):
                self._put(n, "JSONB")

    def translate_create_table(self) -> None:
        depth, start, items, end = 0, None, [], len(self._code)
        for n, word in enumerate(self.words):
            if self._text(n) == "(":
                depth += 1
                start = n + 1 if depth == 1 else start
            elif self._text(n) == ")" or (self._text(n) == "," and depth == 1):
                if depth == 1:
                    items.append((start, n))
                    start = n + 1
                depth -= self._text(n) == ")"
            elif depth == 0 and word == "AS":
                end = n  # from here on it is a query
                break
        # Not enforced by Redshift, but by Postgres: so it goes, with the comma before it or, at the beginning, the one after it.
        for number, (first, behind) in enumerate(items):
            if self._is_primary_key(first):
                self._drop(*((first, behind + 1) if number == 0 and self._text(behind) == "," else (first - (number > 0), behind)))
            elif self._word(first + 1) == "SUPER" and first + 1 < behind:
                self._put(first + 1, "JSONB")
        for n in range(end - 1):
            if self.words[n] in _AUTOMATIC and self.words[n + 1] == "AUTO":
                self._drop(n, n + 2)

    def translate_added_columns(self) -> None:
        for n, word in enumerate(self.words):
            if word == "ADD":
                kind = n + 3 if self._word(n + 1) == "COLUMN" else n + 2
                if self._word(kind) == "SUPER":
                    self._put(kind, "JSONB")

    def _is_primary_key(self, n: int) -> bool:
        n += 2 if self._word(n) == "CONSTRAINT" else 0
        return self.words[n : n + 2] == ["PRIMARY", "KEY"] and self._text(n + 2) == "("

    def _text(self, n: int) -> str:
        return self._code[n].text if 0 <= n < len(self._code) else ""

    def _word(self, n: int) -> str:
        return self.words[n] if 0 <= n < len(self.words) else ""

    def _put(self, n: int, text: str) -> None:
        self.texts[self._places[n]] = text

    def _drop(self, first: int, behind: int) -> None:
        for n in range(first, behind):
            self._put(n, "")
