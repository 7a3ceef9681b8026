import pytest
from laptop.gateway.errors import ServiceError
from laptop.gateway.sql_parameters import bind


def check(sql: str, given: dict[str, str], expected: str) -> None:
    bound, values = bind(sql, [{"name": name, "value": value} for name, value in given.items()])
    assert (bound, values) == (expected, given)


def test_a_name_becomes_a_placeholder() -> None:
    check("SELECT * FROM t WHERE a = :a AND b >= :b1", {"a": "1", "b1": "x"}, "SELECT * FROM t WHERE a = %(a)s AND b >= %(b1)s")


def test_a_name_may_be_used_twice() -> None:
    check("SELECT :a, :a", {"a": "1"}, "SELECT %(a)s, %(a)s")


@pytest.mark.parametrize(
    "skipped", ["':b'", "'it''s :b'", '":b"', "c::b", "-- :b\n", "/* :b\n:b */", "$$ :b $$", "$tag$ :b $tag$", "'12:30:59'"], ids=lambda text: text.strip()
)
def test_what_only_looks_like_a_name_is_left_alone(skipped: str) -> None:
    check(f"SELECT {skipped}, :a", {"a": "1"}, f"SELECT {skipped}, %(a)s")


def test_percent_signs_are_kept() -> None:
    check("SELECT 7 % :a, '50%'", {"a": "1"}, "SELECT 7 %% %(a)s, '50%%'")


def test_without_parameters_the_statement_is_untouched() -> None:
    assert bind("SELECT 7 % 2, ':a'", []) == ("SELECT 7 % 2, ':a'", None)


def test_a_missing_parameter_is_refused() -> None:
    with pytest.raises(ServiceError, match="Cannot find parameter: b"):
        bind("SELECT :a, :b", [{"name": "a", "value": "1"}])


def test_an_unused_parameter_is_refused() -> None:
    with pytest.raises(ServiceError, match="unused"):
        bind("SELECT :a", [{"name": "a", "value": "1"}, {"name": "b", "value": "2"}])
