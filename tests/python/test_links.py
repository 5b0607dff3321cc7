"""Options that tie a job to others: what the caller gave, and what the store gets."""

import datetime as dt

import pytest
from millrace import After, Dedup, Parent, options
from millrace.errors import InvalidArgument
from millrace.prepared import as_prepared


@pytest.fixture
def add(app):
    @app.task(name="add")
    def add(x: int, y: int = 1) -> int:
        return x + y

    return add


def spec(add, **job_options):
    return add.prepare((1,)).set(**job_options).spec


def test_prepare_and_set(add):
    job = add.prepare((1,), {"y": 2}).set(
        queue="other", priority=5, group="g", delivery="at_most_once", sealing="none"
    )
    assert job.spec.data == '{"x":1,"y":2}'
    assert (job.spec.queue, job.spec.priority, job.spec.group) == ("other", 5, "g")
    assert (job.spec.delivery, job.spec.sealing) == ("at_most_once", "none")
    assert job.set(priority=1).spec.group == "g"
    assert repr(job) == "<PreparedJob add for other>"
    with pytest.raises(TypeError, match=r"add\(\) missing"):
        add.prepare()


def test_signature_of_a_task_that_is_not_known_here(app):
    sig = app.signature("resize", kwargs={"url": "a"}, queue="images", group="g")
    job = as_prepared("job", sig)
    assert (job.spec.name, job.spec.queue, job.spec.data, job.spec.group) == (
        "resize",
        "images",
        '{"url":"a"}',
        "g",
    )


def test_dedup(add):
    assert spec(add, dedup="k").dedup.key == "k"
    full = spec(add, dedup=Dedup("k", mode="throttle", ttl=dt.timedelta(minutes=1))).dedup
    assert (full.key, full.mode, full.ttl_ms) == ("k", "throttle", 60_000)
    assert spec(add, dedup=Dedup("k", mode="throttle")).dedup.ttl_ms == -1
    states = spec(add, dedup=Dedup("k", mode="states", states=["ready", "active"], ttl=1)).dedup
    assert (states.states, states.ttl_ms) == (["ready", "active"], 1000)


@pytest.mark.parametrize(
    ("dedup", "error", "says"),
    [
        (5, TypeError, "dedup must be a Dedup or a str, not int"),
        ("", InvalidArgument, "dedup must not be empty"),
        (Dedup(""), InvalidArgument, "dedup.key must not be empty"),
        (Dedup("k", mode="odd"), InvalidArgument, "mode 'odd' is unknown; accepted are unfinished"),
        (Dedup("k", ttl=1), InvalidArgument, "dedup.ttl has no meaning in the mode 'unfinished'"),
        (Dedup("k", states=["ready"]), InvalidArgument, "dedup.states has no meaning"),
        (Dedup("k", mode="states", states=["odd"]), InvalidArgument, "state 'odd' is unknown"),
        (Dedup("k", mode="throttle", ttl=-1), InvalidArgument, "dedup.ttl must be a finite"),
    ],
)
def test_dedup_refused(add, dedup, error, says):
    with pytest.raises(error, match=says.replace(".", r"\.").replace("(", r"\(")):
        spec(add, dedup=dedup)


def test_after(app, add):
    known = app.AsyncResult("a", queue="other")
    after = spec(add, after=["b", known, After("c", policy="ignore", name="see")]).after
    assert [(each.job, each.queue, each.policy, each.name) for each in after] == [
        ("b", "", "fail", ""),
        ("a", "other", "fail", ""),
        ("c", "", "ignore", "see"),
    ]
    for one in ["b", known, After("c")]:
        assert len(spec(add, after=one).after) == 1
    assert spec(add, after="a", join="collect").join == "collect"


def test_parent(app, add):
    parent = spec(
        add, parent=Parent(app.AsyncResult("p", queue="q"), policy="wait", name="n")
    ).parent
    assert (parent.job, parent.queue, parent.policy, parent.name, parent.token) == (
        "p",
        "q",
        "wait",
        "n",
        0,
    )
    assert spec(add, parent="p").parent.policy == "fail"
    assert spec(add).parent is None


@pytest.mark.parametrize(
    ("given", "error", "says"),
    [
        ({"after": 5}, TypeError, "after must be a job or a list of jobs, not int"),
        ({"after": [5]}, TypeError, r"after\[0\] must be the result of an enqueue"),
        ({"after": ""}, InvalidArgument, r"after\[0\] must not be empty"),
        ({"after": After("a", policy="odd")}, InvalidArgument, "policy 'odd' is unknown"),
        ({"after": After("a", name=5)}, TypeError, r"after\[0\].name must be a str"),
        ({"parent": 5}, TypeError, "parent must be the result of an enqueue"),
        ({"join": "odd"}, InvalidArgument, "join must be one of run, forward, collect, not 'odd'"),
        ({"group": ""}, InvalidArgument, "group must not be empty"),
        ({"group": 5}, TypeError, "group must be a str"),
        (
            {"delivery": "never"},
            InvalidArgument,
            "delivery must be one of at_least_once, at_most_once",
        ),
        ({"sealing": True}, TypeError, "sealing must be a str"),
        (
            {"sealing": "odd"},
            InvalidArgument,
            "sealing must be one of default, none, encrypt, sign",
        ),
    ],
)
def test_refused(add, given, error, says):
    with pytest.raises(error, match=says):
        spec(add, **given)


def test_options_of_the_decorator(app):
    @app.task(delivery="at_most_once", sealing="sign")
    def careful() -> None: ...

    assert (careful.prepare().spec.delivery, careful.prepare().spec.sealing) == (
        "at_most_once",
        "sign",
    )
    with pytest.raises(InvalidArgument, match="delivery must be one of"):
        app.task(delivery="maybe")(lambda: None)
    with pytest.raises(InvalidArgument, match="sealing must be one of"):
        app.task(sealing="maybe")(lambda: None)


def test_plain_jobs_do_not_load_the_module_of_links():
    assert options.write_options(priority=1) == {"priority": 1}
