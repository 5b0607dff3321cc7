import datetime as dt
import math

import pytest
from millrace import options
from millrace.errors import InvalidArgument

UTC = dt.timezone.utc


@pytest.mark.parametrize(
    ("value", "ms"),
    [(0, 0), (1, 1000), (0.0001, 1), (1.5, 1500), (dt.timedelta(minutes=1), 60_000)],
)
def test_seconds(value, ms):
    assert options.to_ms("x", value) == ms


@pytest.mark.parametrize("value", [-1, math.nan, math.inf, dt.timedelta(seconds=-1)])
def test_seconds_out_of_range(value):
    with pytest.raises(InvalidArgument, match="countdown must be"):
        options.to_ms("countdown", value)


@pytest.mark.parametrize("value", [None, "5", True, [], dt.datetime(2026, 1, 1)])
def test_seconds_of_a_wrong_type(value):
    with pytest.raises(TypeError, match="countdown must be a number of seconds or a timedelta"):
        options.to_ms("countdown", value)


def test_a_naive_datetime_is_utc():
    assert options.to_epoch_ms("eta", dt.datetime(1970, 1, 1, 0, 0, 1)) == 1000
    east = dt.timezone(dt.timedelta(hours=2))
    assert options.to_epoch_ms("eta", dt.datetime(1970, 1, 1, 2, 0, 1, tzinfo=east)) == 1000


def test_countdown_and_eta_exclude_each_other():
    with pytest.raises(InvalidArgument, match="countdown and eta"):
        options.write_options(countdown=1, eta=dt.datetime.now(UTC))


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"countdown": 2}, {"delay_ms": 2000}),
        ({"eta": dt.datetime(1970, 1, 2, tzinfo=UTC)}, {"due_at_ms": 86_400_000}),
        ({"expires": 3}, {"expires_in_ms": 3000, "expires_at_ms": 0}),
        (
            {"expires": dt.datetime(1970, 1, 2, tzinfo=UTC)},
            {"expires_at_ms": 86_400_000, "expires_in_ms": 0},
        ),
        ({"queue": "q", "priority": -3, "task_id": "i"}, {"queue": "q", "priority": -3, "id": "i"}),
        ({"headers": {"a": "b"}}, {"headers": '{"a":"b"}'}),
        ({"headers": {}}, {"headers": ""}),
        (
            {"time_limit": 1, "soft_time_limit": 0.5},
            {"time_limit_ms": 1000, "soft_time_limit_ms": 500},
        ),
        ({"lifo": True}, {"lifo": True}),
    ],
)
def test_options_of_apply_async(given, expected):
    assert options.write_options(**given) == expected


@pytest.mark.parametrize(
    "given",
    [
        {"queue": 5},
        {"priority": "high"},
        {"priority": True},
        {"task_id": 5},
        {"headers": [("a", "b")]},
        {"headers": {"a": {1}}},
        {"headers": {1: "a"}},
        {"eta": 5},
        {"expires": "soon"},
        {"lifo": 1},
        {"nonsense": 1},
    ],
)
def test_options_of_a_wrong_type(given):
    with pytest.raises(TypeError, match=next(iter(given))):
        options.write_options(**given)


@pytest.mark.parametrize("given", [{"queue": ""}, {"task_id": ""}])
def test_options_that_are_empty(given):
    with pytest.raises(InvalidArgument, match=next(iter(given))):
        options.write_options(**given)


@pytest.mark.parametrize("given", [{"queue": "\ud800"}, {"task_id": "a\udfff"}])
def test_options_that_utf8_cannot_express(given):
    with pytest.raises(InvalidArgument, match=f"{next(iter(given))} holds a lone surrogate"):
        options.write_options(**given)


def test_retry_policy_of_celerys_defaults():
    policy = options.retry_policy(
        max_retries=3,
        default_retry_delay=180,
        retry_backoff=False,
        retry_backoff_max=600,
        retry_jitter=True,
    )
    assert (policy.max_attempts, policy.backoff, policy.delay_ms) == (4, "fixed", 180_000)


def test_retry_policy_with_back_off():
    policy = options.retry_policy(
        max_retries=None, retry_backoff=2, retry_backoff_max=60, retry_jitter=False
    )
    assert (policy.max_attempts, policy.backoff) == (1_000_000, "exponential")
    assert (policy.delay_ms, policy.max_ms, policy.jitter) == (2000, 60_000, 0.0)
    assert options.retry_policy(retry_backoff=True).delay_ms == 1000


def test_exception_classes():
    assert options.check_exceptions("autoretry_for", ValueError) == (ValueError,)
    assert options.check_exceptions("autoretry_for", [KeyError, OSError]) == (KeyError, OSError)
    for bad in (5, [5], [int], "ValueError"):
        with pytest.raises(TypeError, match="autoretry_for"):
            options.check_exceptions("autoretry_for", bad)


def test_durability_names():
    assert options.check_durability("power") == "power"
    with pytest.raises(InvalidArgument, match="memory, process, power"):
        options.check_durability("fsync")
    with pytest.raises(TypeError):
        options.check_durability(2)
