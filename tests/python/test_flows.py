"""Flows: jobs that wait for others, how they run and are read back."""

from types import SimpleNamespace

import pytest
from millrace import After, Dedup, DependencyFailed, Parent, TaskRevokedError, _core
from millrace.errors import FlowRefused, InvalidArgument, NotFound, WrongState
from millrace.flows import chain, chord, group, tree
from millrace.testing import Harness
from worker_support import PATIENCE_S, running


@pytest.fixture
def tasks(app):
    @app.task(name="one")
    def one(x: int) -> int:
        return x

    @app.task(name="fail")
    def fail(text: str) -> None:
        raise LookupError(text)

    @app.task(name="total", bind=True)
    def total(self) -> int:
        return sum(self.dependencies().results())

    @app.task(name="see", bind=True)
    def see(self) -> list:
        return [
            [each.name, each.state, each.result, None if each.error is None else str(each.error)]
            for each in self.dependencies()
        ]

    return SimpleNamespace(one=one, fail=fail, total=total, see=see)


# --- Running --------------------------------------------------------------------------------------


def test_a_chord(app, tasks):
    results = chord([tasks.one.s(i) for i in range(10)], tasks.total.s()).enqueue()
    assert results.last[0].details().state == "blocked"
    with running(app):
        assert results.get(PATIENCE_S) == 45
    assert [each.get(0) for each in results] == [*range(10), 45]


def test_results_by_node_name_and_position(app, tasks):
    flow = app.flow()
    a = flow.add(tasks.one.s(5), name="a")
    b = flow.add(tasks.total.s(), after=a, name="b")
    with Harness(app) as harness:
        results = flow.enqueue()
        harness.run_all()
        assert results[a].get(0) == results["a"].get(0) == results[0].get(0) == 5
        assert results[b] == results.last[0] == results[-1]
        assert len(results) == 2
        with pytest.raises(KeyError):
            results["c"]
        with pytest.raises(KeyError):
            results[app.flow().add(tasks.one.s(1))]
        again = flow.enqueue()
        assert again[a].id != results[a].id


def test_several_last_jobs_give_a_list(app, tasks):
    with Harness(app) as harness:
        results = group(tasks.one.s(1), tasks.one.s(2)).enqueue()
        harness.run_all()
        assert results.get(0) == [1, 2]


def test_order_in_a_chain_across_queues(app):
    order = []

    @app.task(bind=True)
    def step(self, name: str) -> str:
        order.append(name)
        return name

    with Harness(app) as harness:
        results = chain(*(step.s(n).set(queue=n) for n in "abc")).enqueue()
        assert harness.run_all() == 3
        assert order == ["a", "b", "c"]
        assert results.get(0) == "c"


def test_a_body_reads_names_in_order(app, tasks):
    flow = app.flow()
    nodes = [
        flow.add(tasks.one.s(i), name=f"n{i}") for i in range(150)
    ]  # more than come with the job

    @app.task(bind=True)
    def look(self):
        seen = self.dependencies()
        assert seen["n7"].get() == 7
        assert [each.get() for each in seen[:3]] == [0, 1, 2]
        assert seen.pending == 0
        assert self.request.dependencies.results() == list(range(150))
        with pytest.raises(KeyError):
            seen["none"]
        return len(seen)

    last = flow.add(look.s(), after=nodes)
    with Harness(app) as harness:
        results = flow.enqueue()
        harness.run_all()
        assert results[last].get(0) == 150
        assert len(results[last].dependencies()) == 150
        assert results[last].dependencies(states=["failed"]).results() == []


def test_collect_and_forward_need_no_worker(app, tasks):
    flow = app.flow()
    parts = [flow.add(tasks.one.s(i)) for i in (3, 1, 2)]
    collected = flow.collect(parts)
    with Harness(app) as harness:
        results = flow.enqueue()
        assert harness.run_all() == 3
        assert results[collected].get(0) == [3, 1, 2]
        forward = app.signature("none").set(after=results[parts[0]], join="forward")
        assert app.enqueue_many([forward])[0].get(0) == 3


def test_waiting_for_a_job_that_was_enqueued_before(app, tasks):
    with Harness(app) as harness:
        first = tasks.one.delay(4)
        second = tasks.total.apply_async(after=[first])
        harness.run_all()
        third = tasks.total.apply_async(after=After(first, name="x"))  # it has ended
        assert second.get(0) == 4
        harness.run_all()
        assert third.get(0) == 4


def test_a_delay_and_a_dependency(app, tasks):
    with Harness(app) as harness:
        result = tasks.total.apply_async(after=tasks.one.delay(1), countdown=60)
        harness.run_all()
        assert result.details().state == "scheduled"
        harness.advance(60)
        harness.run_all()
        assert result.get(0) == 1


# --- Failures -------------------------------------------------------------------------------------


def test_the_default_fails_what_waits_and_says_why(app, tasks):
    with Harness(app) as harness:
        results = chain(tasks.fail.s("deep"), tasks.total.s(), tasks.total.s()).enqueue()
        assert harness.run_all() == 1
        error = results.get(0, propagate=False)
        assert isinstance(error, DependencyFailed)
        direct = results[1].get(0, propagate=False)
        assert isinstance(direct, DependencyFailed)
        assert (direct.job_id, direct.name, direct.queue) == (results[0].id, "fail", "default")
        assert isinstance(direct.__cause__, LookupError)
        assert str(direct.__cause__) == "deep"


def flow_of(app, tasks, policy):
    flow = app.flow()
    bad = flow.add(tasks.fail.s("no"), name="bad")
    good = flow.add(tasks.one.s(1), name="good")
    return flow, flow.add(tasks.see.s(), after=[bad, good], policy=policy)


def test_ignore(app, tasks):
    flow, last = flow_of(app, tasks, "ignore")
    with Harness(app) as harness:
        results = flow.enqueue()
        harness.run_all()
        assert results[last].get(0) == [
            ["bad", "failed", None, "no"],
            ["good", "completed", 1, None],
        ]
        seen = results[last].dependencies()
        with pytest.raises(LookupError):
            seen.results()
        assert str(seen.results(propagate=False)[0]) == "no"
        assert len(seen.errors()) == 1


def test_remove(app, tasks):
    flow, last = flow_of(app, tasks, "remove")
    with Harness(app) as harness:
        results = flow.enqueue()
        harness.run_all()
        assert [each[0] for each in results[last].get(0)] == ["good"]


def test_wait_goes_on_after_a_redrive(app):
    attempts = []

    @app.task
    def flaky() -> str:
        attempts.append(1)
        if len(attempts) == 1:
            raise ValueError
        return "well"

    @app.task(bind=True)
    def after(self):
        return self.dependencies()[0].get()

    with Harness(app) as harness:
        results = chain(flaky.s(), after.s(), policy="wait").enqueue()
        harness.run_all()
        assert results.last[0].details().state == "blocked"
        app.engine.redrive(results[0].id)
        harness.run_all()
        assert results.get(0) == "well"


def test_cancel_and_on_failure_are_continuations(app, tasks):
    flow = app.flow()
    work = flow.add(tasks.fail.s("no"))
    success = flow.add(tasks.one.s(1), after=work, policy="cancel")
    clean = flow.add(tasks.see.s(), after=work, policy="on_failure")
    with Harness(app) as harness:
        results = flow.enqueue()
        harness.run_all()
        assert isinstance(results[success].get(0, propagate=False), TaskRevokedError)
        assert results[clean].get(0) == [["", "failed", None, "no"]]


def test_cancelling_a_flow_takes_its_unfinished_members(app, tasks):
    with Harness(app):
        results = chord([tasks.one.s(i) for i in range(3)], tasks.total.s()).enqueue()
        assert results.last[0].revoke() == "cancelled"
        assert [each.state for each in results] == ["REVOKED"] * 4


# --- Inside a running job -------------------------------------------------------------------------


def test_a_job_adds_children_and_is_called_again(app, tasks):
    calls = []

    @app.task(bind=True)
    def parent(self, n: int) -> int:
        calls.append((self.request.attempt, self.request.checkpoint))
        children = self.dependencies()
        if not children:
            self.checkpoint("began")
            self.add_child(tasks.one.s(100), name="extra")
            self.add_children([tasks.one.s(200)])
            raise self.wait_for_children(
                *(tasks.one.s(i) for i in range(n)), chain(tasks.one.s(1000), tasks.total.s())
            )
        assert children["extra"].get() == 100
        return sum(children.results())

    with Harness(app) as harness:
        result = parent.delay(4)
        harness.run_all()
        assert result.get(0) == 100 + 200 + 6 + 1000
        assert calls == [(1, None), (1, "began")]
        assert result.details().attempts_made == 1


def test_a_child_that_fails(app, tasks):
    @app.task(bind=True)
    def strict(self):
        raise self.wait_for_children(tasks.fail.s("no"))

    @app.task(bind=True)
    def lenient(self):
        children = self.dependencies()
        if not children:
            raise self.wait_for_children(tasks.fail.s("no"), policy="ignore")
        return str(children[0].error)

    with Harness(app) as harness:
        first, second = strict.delay(), lenient.delay()
        harness.run_all()
        assert isinstance(first.get(0, propagate=False), DependencyFailed)
        assert second.get(0) == "no"


def test_a_job_is_replaced(app, tasks):
    @app.task(bind=True)
    def by_one(self):
        raise self.replace(tasks.one.s(7))

    @app.task(bind=True)
    def by_flow(self):
        raise self.replace(group(tasks.one.s(1), tasks.one.s(2)))

    @app.task(bind=True)
    def by_failure(self):
        raise self.replace(tasks.fail.s("no"))

    with Harness(app) as harness:
        results = [by_one.delay(), by_flow.delay(), by_failure.delay()]
        after = tasks.total.apply_async(after=results[0])
        harness.run_all()
        assert results[0].get(0) == 7
        assert results[1].get(0) == [1, 2]
        assert isinstance(results[2].get(0, propagate=False), LookupError)
        assert after.get(0) == 7


def test_only_jobs_can_wait(app, tasks):
    @app.task(bind=True)
    def task(self):
        self.wait_for_children(tasks.one.s(1))

    with pytest.raises(RuntimeError, match="outside a worker"):
        task()


def test_children_that_are_refused_fail_the_job(app, tasks):
    @app.task(bind=True)
    def task(self):
        raise self.wait_for_children(tasks.one.s(1).set(after="no-such-job"))

    with Harness(app) as harness:
        result = task.delay()
        harness.run_all()
        error = result.get(0, propagate=False)
        assert isinstance(error, FlowRefused)
        assert "no-such-job" in str(error)


@pytest.mark.parametrize("pool", ["threads", "asyncio", "solo"])
def test_in_every_pool(app, tasks, pool):
    @app.task(bind=True)
    async def parent(self) -> int:
        children = await self.aio.dependencies()
        if not children:
            await self.aio.add_child(tasks.one.s(1), name="a")
            await self.aio.add_children([tasks.one.s(2)])
            raise self.wait_for_children(tasks.one.s(3))
        return sum(children.results())

    with running(app, pool=pool):
        assert parent.delay().get(PATIENCE_S) == 6
        assert chord([parent.s(), parent.s()], tasks.total.s()).enqueue().get(PATIENCE_S) == 12


def test_an_existing_job_gets_one_child_more(app, tasks):
    with Harness(app) as harness:
        blocker = tasks.one.delay(1)
        waiting = tasks.total.apply_async(after=blocker)
        tasks.one.apply_async((10,), parent=Parent(waiting, name="late"))
        harness.run_all()
        assert waiting.get(0) == 11
        with pytest.raises(WrongState, match="completed"):
            tasks.one.apply_async((10,), parent=waiting)


# --- Reading back ---------------------------------------------------------------------------------


def test_the_tree(app, tasks):
    with Harness(app) as harness:
        results = tree(
            tasks.total.s(), [tasks.one.s(1), chain(tasks.one.s(2), tasks.total.s())]
        ).enqueue()
        shown = results.last[0].flow()
        assert [(depth, each.name, each.state) for depth, each in shown.walk()] == [
            (0, "total", "blocked"),
            (1, "one", "ready"),
            (1, "total", "blocked"),
            (2, "one", "ready"),
        ]
        assert shown.id == results.last[0].id
        assert [child.policy for child in shown.children] == ["fail", "fail"]
        harness.run_all()
        done = results.last[0].flow(depth=1, children=1)
        assert done.state == "completed"
        assert (len(done.children), done.more) == (1, 1)
        assert str(shown).splitlines()[3].startswith("    one ready ")


def test_deep_and_wide(app, tasks):
    with Harness(app) as harness:
        deep = chain(*(tasks.one.s(i) for i in range(1000))).enqueue()
        assert sum(1 for _ in deep.last[0].flow(depth=1000).walk()) == 1000
        wide = chord([tasks.one.s(1)] * 10_000, tasks.total.s()).enqueue()
        assert len(wide.last[0].dependencies()) == 10_000
        assert wide.last[0].flow(children=5).more == 9_995
        app.purge()
        assert harness.run_all() >= 0


# --- Refused --------------------------------------------------------------------------------------


def test_what_the_store_refuses_changes_nothing(app, tasks):
    engine = app.engine
    with pytest.raises(InvalidArgument, match=r"circle|cycle"):
        engine.enqueue(
            [
                _core.JobSpec("default", "a", after=[_core.Dependency(1)]),
                _core.JobSpec("default", "b", after=[_core.Dependency(0)]),
            ]
        )
    with pytest.raises(NotFound, match="no-such-job"):
        chain(tasks.one.s(1).set(after="no-such-job"), tasks.total.s()).enqueue()
    with pytest.raises(InvalidArgument, match="join"):
        tasks.one.apply_async((1,), join="collect")
    counts = app.counts()
    assert (counts.ready, counts.blocked) == (0, 0)


async def test_the_awaitable_twins(app, tasks):
    flow = app.flow()
    a = flow.add(tasks.one.s(2))
    last = flow.add(tasks.total.s(), after=a)
    results = await flow.aio.enqueue()
    assert (await results[last].aio.flow()).children[0].id == results[a].id
    with running(app):
        assert await results[last] == 2
    assert (await results[last].aio.dependencies())[0].get() == 2


def test_a_deduplicated_member(app, tasks):
    with Harness(app) as harness:
        first = tasks.one.apply_async((1,), dedup=Dedup("k"))
        flow = app.flow()
        same = flow.add(tasks.one.s(9).set(dedup="k"))
        last = flow.add(tasks.total.s(), after=same)
        results = flow.enqueue()
        assert results[same].existing
        assert results[same] == first
        harness.run_all()
        assert results[last].get(0) == 1


def test_a_flow_added_with_the_completion_of_a_job(app, tasks):
    @app.task(bind=True)
    def parent(self, fails: bool) -> list[str]:
        with self.transaction() as tx:
            tx.enqueue(tasks.one.s(1))
        with self.transaction() as tx:
            tx.enqueue(tasks.one.s(2))
            results = tx.enqueue_flow(chord([tasks.one.s(20), tasks.one.s(22)], tasks.total.s()))
        if fails:
            raise ValueError
        return [each.id for each in results]

    with Harness(app) as harness:
        result = parent.delay(fails=False)
        parent.delay(fails=True)
        harness.run_all()
        ids = result.get(0)
        assert app.AsyncResult(ids[2]).get(0) == 42
        assert len(harness.enqueued(tasks.one)) == 4
