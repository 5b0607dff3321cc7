import datetime as dt
import decimal
import enum
import json
import math
import sys
import uuid

import pytest
from millrace import errors, serializer


class Colour(enum.Enum):
    RED = "red"


class Level(enum.IntEnum):
    HIGH = 3


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        False,
        0,
        -1,
        2**63 - 1,
        -(2**63),
        2**200,
        1.5,
        1e300,
        5e-324,
        -0.0,
        "",
        'quote " slash \\ newline \n nul \x00 é ✓ 😀',
        [],
        {},
        [[], {}, [None]],
        {"a": {"b": [1, 2, {"c": "d"}]}, "": 1},
    ],
)
def test_plain_values_come_back(value):
    text = serializer.dumps(value)
    assert json.loads(text) == value
    assert serializer.loads(text) == value


@pytest.mark.parametrize(
    "value",
    [
        dt.datetime(2026, 1, 31, 12, 30, 1, 5, tzinfo=dt.timezone.utc),
        dt.datetime(2026, 1, 31),
        dt.date(2026, 1, 31),
        dt.time(12, 30),
        dt.timedelta(days=2, microseconds=7),
        uuid.UUID("12345678123456781234567812345678"),
        decimal.Decimal("1.10"),
        b"\x00\xff",
    ],
)
def test_python_values_come_back(value):
    text = serializer.dumps({"nested": [value]})
    assert serializer.loads(text) == {"nested": [value]}
    assert set(json.loads(text)["nested"][0]) == {"$type", "value"}


def test_one_way_values():
    assert serializer.loads(serializer.dumps((1, (2,)))) == [1, [2]]
    assert serializer.loads(serializer.dumps([Colour.RED, Level.HIGH])) == ["red", 3]


@pytest.mark.parametrize("value", ["2026-13-99", 5, None, ["x"]])
def test_an_object_that_looks_like_ours_stays(value):
    payload = {"$type": "datetime", "value": value}
    assert serializer.loads(json.dumps(payload)) == payload
    assert serializer.loads('{"$type": "else", "value": 1}') == {"$type": "else", "value": 1}


@pytest.mark.parametrize(
    ("value", "error", "message"),
    [
        ({"when": {1, 2}}, TypeError, r"'when' is a set, which cannot travel"),
        ({"items": [{"x": object()}]}, TypeError, r"'items\[0\]\.x' is a object"),
        ({"a": {1: 2}}, TypeError, r"'a' has a key of type int"),
        ([math.nan], ValueError, r"'\[0\]' is not a finite number"),
        ({"a": math.inf}, ValueError, r"'a' is not a finite number"),
        ({"a": "\ud800"}, ValueError, r"'a' holds a lone surrogate"),
        ({"\ud800": 1}, ValueError, r"lone surrogate"),
        (object(), TypeError, r"the value is a object"),
    ],
)
def test_what_cannot_travel_is_named(value, error, message):
    with pytest.raises(error, match=message):
        serializer.dumps(value)


def test_what_contains_itself_is_refused():
    endless: list[object] = []
    endless.append(endless)
    with pytest.raises(ValueError, match="nested deeper than 500"):
        serializer.dumps({"a": endless})


@pytest.mark.parametrize("text", ["", "{", "nul", "NaN", "[1,]", '"\x01"', "1 2", "Infinity"])
def test_bad_json_is_a_value_error(text):
    with pytest.raises(ValueError, match=r"."):
        serializer.loads(text)


def test_white_space_around_json_is_fine():
    assert serializer.loads(' \n{"a": 1} ') == {"a": 1}


class CustomError(Exception):
    def __init__(self, code: int, detail: str) -> None:
        super().__init__(code, detail)


def raised(error: Exception) -> Exception:
    try:
        raise error
    except Exception as caught:  # noqa: BLE001
        return caught


def test_a_builtin_error_comes_back_with_its_remote_traceback():
    back = serializer.decode_error(serializer.encode_error(raised(ValueError("bad"))))
    assert type(back) is ValueError
    assert back.args == ("bad",)
    assert "test_serializer.py" in str(back.__cause__)


def test_arguments_of_an_error_come_back():
    back = serializer.decode_error(serializer.encode_error(raised(KeyError("k", 3))))
    assert type(back) is KeyError
    assert back.args == ("k", 3)


class Outer:
    class InnerError(Exception):
        pass


def test_a_class_that_is_registered_or_imported_comes_back_and_others_do_not(monkeypatch):
    text = serializer.encode_error(raised(CustomError(4, "x")))
    name = serializer.error_type(CustomError)
    assert json.loads(text)["type"] == name
    for registered in (None, {name: CustomError}):
        back = serializer.decode_error(text, registered)
        assert isinstance(back, CustomError)
        assert back.args == (4, "x")
    inner = serializer.decode_error(serializer.encode_error(Outer.InnerError("no")))
    assert type(inner) is Outer.InnerError
    monkeypatch.delitem(sys.modules, __name__)
    remote = serializer.decode_error(text)
    assert __name__ not in sys.modules
    assert isinstance(remote, errors.RemoteError)
    assert remote.type == name
    assert remote.data == {"args": [4, "x"]}


@pytest.mark.parametrize(
    "name",
    [
        "SystemExit",
        "KeyboardInterrupt",
        "eval",
        "os.system",
        "__import__",
        "",
        "os.no",
        "a..b",
        ".",
    ],
)
def test_only_exceptions_are_made_from_a_name(name):
    back = serializer.decode_error(json.dumps({"type": name, "message": "m", "stack": ""}))
    assert type(back) is errors.RemoteError


@pytest.mark.parametrize(
    "text", ["", "[]", "5", "not json", '{"type": 5}', '{"type": null, "data": 3}']
)
def test_a_damaged_error_is_still_an_error(text):
    assert isinstance(serializer.decode_error(text), errors.RemoteError)


def test_an_error_whose_str_fails():
    class BrokenError(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    assert "BrokenError" in json.loads(serializer.encode_error(raised(BrokenError())))["message"]


def test_a_huge_error_is_cut():
    assert len(serializer.encode_error(raised(ValueError("x" * 10_000_000)))) < 200_000
