import functools

import pytest
from millrace.parameters import Parameters, is_coroutine_function


def roundtrip(function, *args, **kwargs):
    """What the function is called with at the other end."""
    signature = Parameters(function, skip_first=False)
    return signature.arguments(signature.bind(*args, **kwargs))


def plain(url, width=5, *, quality=90, fmt):
    return (url, width, quality, fmt)


def test_arguments_travel_by_name():
    signature = Parameters(plain, skip_first=False)
    assert signature.bind("a.png", fmt="x") == {"url": "a.png", "fmt": "x"}
    assert signature.bind("a.png", 6, fmt="x", quality=1) == {
        "url": "a.png",
        "width": 6,
        "quality": 1,
        "fmt": "x",
    }


@pytest.mark.parametrize(
    ("args", "kwargs"),
    [((), {}), (("a",), {}), (("a", 1, 2), {"fmt": 1}), (("a",), {"fmt": 1, "nope": 2})],
)
def test_arguments_that_do_not_fit_are_pythons_own_errors(args, kwargs):
    with pytest.raises(TypeError) as expected:
        plain(*args, **kwargs)
    with pytest.raises(TypeError) as given:
        Parameters(plain, skip_first=False).bind(*args, **kwargs)
    assert str(given.value) == str(expected.value)


def test_the_first_parameter_of_a_bound_task_is_not_the_callers():
    def task(self, x): ...

    assert Parameters(task, skip_first=True).bind(1) == {"x": 1}


def test_names_that_the_compiled_function_uses_itself():
    def odd(unset0, payload0=1, payload1=2): ...

    assert Parameters(odd, skip_first=False).bind(1, payload1=3) == {"unset0": 1, "payload1": 3}


def test_positional_only_parameters():
    def f(a, b=2, /, c=3): ...

    signature = Parameters(f, skip_first=False)
    assert signature.bind(1, c=4) == {"a": 1, "c": 4}
    assert signature.arguments({"a": 1, "c": 4}) == ([1], {"c": 4})
    with pytest.raises(TypeError):
        signature.bind(a=1)


def test_keywords_of_any_name_travel_flat():
    def f(a, **extra): ...

    assert Parameters(f, skip_first=False).bind(1, b=2) == {"a": 1, "b": 2}


@pytest.mark.parametrize("function", [lambda *a, **k: None, lambda a, *rest: None, print, len])
def test_what_names_cannot_say_travels_as_args(function):
    signature = Parameters(function, skip_first=False)
    payload = signature.bind(1, 2)
    assert payload == {"$args": [1, 2], "$kwargs": {}}
    assert signature.arguments(payload) == ([1, 2], {})


def test_positional_only_beside_keywords_of_any_name():
    def f(a, /, **extra): ...

    assert roundtrip(f, 1, a=2) == ([1], {"a": 2})


def test_a_decorated_function_keeps_its_names():
    def decorate(function):
        @functools.wraps(function)
        def wrapper(*args, **kwargs):
            return function(*args, **kwargs)

        return wrapper

    assert Parameters(decorate(plain), skip_first=False).bind("a", fmt=1) == {"url": "a", "fmt": 1}


def test_no_payload_means_no_arguments():
    assert Parameters(plain, skip_first=False).arguments(None) == ([], {})


@pytest.mark.parametrize("payload", [[], "x", 5, True, {"$args": 5}, {"$args": [], "$kwargs": []}])
def test_payloads_of_another_shape_are_refused(payload):
    with pytest.raises(TypeError):
        Parameters(plain, skip_first=False).arguments(payload)


def test_coroutine_functions_are_known():
    async def a(): ...

    class Callable:
        async def __call__(self): ...

    @functools.wraps(a)
    def wrapper(): ...

    assert is_coroutine_function(a)
    assert is_coroutine_function(Callable())
    assert is_coroutine_function(wrapper)
    assert not is_coroutine_function(plain)
    assert not is_coroutine_function(print)
