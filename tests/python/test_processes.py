"""The process pool: real child processes, real signals."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import millrace
import pytest
from millrace import JobLost, Millrace, RemoteError, TaskRevokedError, TimeLimitExceeded, errors
from millrace.pools.processes import restart_delay
from worker_support import PATIENCE_S, until

HERE = Path(__file__).parent
START = (
    "import json, sys; from pool_tasks import app; from millrace.worker import WorkerOptions, run_worker; "
    "sys.exit(run_worker(app, WorkerOptions(**{'pool': sys.argv[1], 'concurrency': int(sys.argv[2]), 'grace': 5, "
    "**json.loads(sys.argv[3])})))"
)


def environment(store: Path) -> dict[str, str]:
    paths = [str(HERE), str(Path(millrace.__file__).parent.parent)]
    return {**os.environ, "MILLRACE_STORE": str(store), "PYTHONPATH": os.pathsep.join(paths)}


@pytest.fixture
def tasks(store, monkeypatch):
    """The tasks as a producer sees them."""
    monkeypatch.syspath_prepend(str(HERE))
    monkeypatch.setenv("MILLRACE_STORE", str(store))
    sys.modules.pop("pool_tasks", None)
    import pool_tasks

    yield pool_tasks
    pool_tasks.app.close()


@pytest.fixture
def worker(store, tasks, request):
    pool, concurrency, *more = getattr(request, "param", ("processes", 2))
    tasks.app.counts()
    process = subprocess.Popen(
        [sys.executable, "-c", START, pool, str(concurrency), json.dumps(more[0] if more else {})],
        env=environment(store),
        stderr=subprocess.DEVNULL,
    )
    yield process
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_S) in {0, 1}


def test_jobs_run_in_children(worker, tasks):
    pids = set(tasks.pid.delay_many([()] * 50).get(timeout=PATIENCE_S))
    assert worker.pid not in pids
    assert os.getpid() not in pids
    assert tasks.add.delay(1, y=2).get(PATIENCE_S) == 3


def test_a_hard_time_limit_kills_the_child_and_only_that(worker, tasks):
    with pytest.raises(TimeLimitExceeded):
        tasks.hang.delay().get(PATIENCE_S)
    assert tasks.add.delay_many([(i,) for i in range(10)]).get(PATIENCE_S) == list(range(1, 11))


@pytest.mark.parametrize("worker", [("processes", 1)], indirect=True)
def test_children_that_their_jobs_end_are_replaced_at_once(worker, tasks):
    """Were each replaced later than the one before, the last job would have to wait for more than a minute."""
    last = [tasks.hang.delay() for _ in range(9)][-1]
    with pytest.raises(TimeLimitExceeded):
        last.get(PATIENCE_S)


def test_children_that_die_young_are_restarted_later_and_later():
    assert restart_delay(1, worked=False) == 0
    assert [restart_delay(deaths, worked=False) for deaths in (2, 3, 4)] == [0.4, 0.8, 1.6]
    assert restart_delay(10_000, worked=False) == 30
    assert restart_delay(1, worked=True) == 0
    assert restart_delay(100, worked=True) == 1  # others may run meanwhile: jobs wait


@pytest.mark.parametrize("worker", [("processes", 1), ("solo", 1), ("threads", 1)], indirect=True)
def test_signals_to_what_a_task_has_forked_do_not_reach_its_worker(worker, tasks):
    (first, made), (second, _), third = (
        task.delay().get(PATIENCE_S) for task in (tasks.forks, tasks.forks, tasks.pid)
    )
    assert made == [1, 2]
    assert first == second == third


def test_a_soft_time_limit_interrupts_a_blocking_call(worker, tasks):
    assert tasks.soft.delay().get(PATIENCE_S) == "cleaned up"


def test_the_job_of_a_killed_child_runs_again(worker, tasks):
    attempt, crashes = tasks.crash_once.delay().get(PATIENCE_S)
    assert crashes == 1
    assert attempt >= 1


def test_a_job_that_kills_every_child_ends_among_the_dead(worker, tasks):
    result = tasks.crash_always.delay()
    with pytest.raises(errors.WorkerLostError):
        result.get(PATIENCE_S)
    assert tasks.add.delay(1).get(PATIENCE_S) == 2


def test_revoke_with_terminate_kills_the_child(worker, tasks, tmp_path):
    marker = tmp_path / "marker"
    result = tasks.sleep.delay(str(marker))
    until(marker.exists)
    assert result.revoke(terminate=True) == "requested"
    with pytest.raises(TaskRevokedError, match="terminated"):
        result.get(PATIENCE_S)
    assert tasks.add.delay(1).get(PATIENCE_S) == 2


def test_the_first_signal_lets_jobs_finish(worker, tasks, tmp_path):
    marker, go_on = tmp_path / "marker", tmp_path / "go_on"
    result = tasks.nap.delay(str(marker), str(go_on))
    until(marker.exists)
    worker.send_signal(signal.SIGTERM)
    go_on.touch()
    assert worker.wait(PATIENCE_S) == 0
    assert result.get(PATIENCE_S) == "finished"


@pytest.mark.parametrize("worker", [("processes", 2), ("solo", 1)], indirect=True)
def test_the_second_signal_gives_jobs_back(worker, tasks):
    result = tasks.sleep.delay()
    until(lambda: result.state == "STARTED")
    worker.send_signal(signal.SIGINT)
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(PATIENCE_S) == 0
    assert result.state == "PENDING"
    assert result.details().state == "ready"


def test_children_end_when_the_supervisor_is_killed(worker, tasks):
    (child, *_) = {*tasks.pid.delay_many([()] * 20).get(timeout=PATIENCE_S)}
    worker.kill()
    worker.wait()
    until(lambda: not alive(child))


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_an_application_that_cannot_be_found_ends_the_pool(store):
    code = (
        "import sys; from millrace import *\n"
        f"app = Millrace('x', store={str(store)!r})\n"
        "from millrace.worker import run_worker\n"
        "sys.exit(run_worker(app, WorkerOptions(concurrency=2), location='no_such_module:app'))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment(store),
        capture_output=True,
        check=False,
        text=True,
    )
    assert done.returncode == 1
    assert "no module 'no_such_module'" in done.stderr


def test_an_application_in_no_module_is_refused(store):
    from millrace.worker import Worker

    with (
        Millrace("hidden", store=store) as hidden,
        pytest.raises(errors.InvalidArgument, match="variable of any module"),
    ):
        Worker(hidden).run()


def test_a_script_may_run_its_own_worker(store, tmp_path):
    script = tmp_path / "shop.py"
    script.write_text(
        "import sys, threading\n"
        "from millrace import Millrace, Worker, WorkerOptions\n"
        "app = Millrace('shop', durability='process')\n"
        "@app.task\ndef double(x): return 2 * x\n"
        "if __name__ == '__main__':\n"
        "    worker = Worker(app, WorkerOptions(concurrency=1))\n"
        "    def use():\n"
        "        print(double.delay(21).get(timeout=30))\n"
        "        worker.stop()\n"
        "    thread = threading.Thread(target=use); thread.start()\n"
        "    sys.exit(worker.run())\n"
    )
    done = subprocess.run(
        [sys.executable, script],
        env=environment(store),
        capture_output=True,
        check=False,
        text=True,
    )
    assert (done.returncode, done.stdout.strip()) == (0, "42"), done.stderr


def test_a_script_whose_worker_starts_on_import_is_told(store, tmp_path):
    script = tmp_path / "shop.py"
    script.write_text(
        "import sys; from millrace import Millrace, Worker\n"
        "app = Millrace('shop', durability='process')\n"
        "sys.exit(Worker(app, concurrency=1).run())\n"
    )
    done = subprocess.run(
        [sys.executable, script],
        env=environment(store),
        capture_output=True,
        check=False,
        text=True,
    )
    assert done.returncode == 1
    assert "if __name__" in done.stderr


def test_a_checkpoint_outlives_the_process(worker, tasks):
    assert tasks.count_to.delay(3).get(PATIENCE_S) == [0, 1, 2]


def test_at_most_once_is_not_started_again(worker, tasks):
    lost = tasks.crash_once.apply_async(delivery="at_most_once")
    error = lost.get(PATIENCE_S, propagate=False)
    assert isinstance(error, JobLost)
    assert isinstance(error, errors.WorkerLostError)
    assert tasks.crash_once.delay().get(PATIENCE_S) == [1, 1]


@pytest.mark.parametrize("worker", [("processes", 1)], indirect=True)
def test_batches_in_children(worker, tasks):
    answers = tasks.together.delay_many([{}, {}, {}]).get(PATIENCE_S)
    assert len({pid for pid, _ in answers}) == 1
    assert [size for _, size in answers] == [3, 3, 3]


def options(**given):
    return pytest.mark.parametrize("worker", [("processes", 1, given)], indirect=True)


@options(max_tasks_per_child=2)
def test_max_tasks_per_child(worker, tasks):
    pids = [tasks.pid.delay().get(PATIENCE_S) for _ in range(6)]
    assert [pids.count(pid) for pid in dict.fromkeys(pids)] == [2, 2, 2]


@options(max_memory_per_child=100 << 10)
def test_max_memory_per_child(worker, tasks):
    small = [tasks.grow.delay(1).get(PATIENCE_S) for _ in range(2)]
    assert small[0] == small[1]
    assert tasks.grow.delay(200).get(PATIENCE_S) == small[0]  # its job ends first
    assert tasks.grow.delay(1).get(PATIENCE_S) != small[0]


@options(time_limit=2, soft_time_limit=0.5)
def test_the_workers_time_limits_are_for_jobs_without(worker, tasks):
    assert tasks.wait_softly.delay().get(PATIENCE_S) == "told"
    assert tasks.wait_softly.apply_async(soft_time_limit=0.5).get(PATIENCE_S) == "told"
    before = tasks.pid.delay().get(PATIENCE_S)
    with pytest.raises(TimeLimitExceeded, match="worker's time limit"):
        tasks.spin.apply_async().get(PATIENCE_S)
    assert tasks.pid.delay().get(PATIENCE_S) != before


@options(autoscale=[3, 1])
def test_autoscale_grows_with_the_work(worker, tasks, tmp_path):
    go_on = tmp_path / "go_on"
    markers = [tmp_path / str(i) for i in range(3)]
    results = [tasks.nap.delay(str(marker), str(go_on)) for marker in markers]
    until(lambda: all(marker.exists() for marker in markers))
    go_on.touch()
    assert [result.get(PATIENCE_S) for result in results] == ["finished"] * 3


@pytest.mark.parametrize("worker", [("processes", 2)], indirect=True)
def test_a_task_stops_its_worker(worker, tasks):
    ending = tasks.end_worker.delay(7)
    with pytest.raises(RemoteError, match="WorkerShutdown"):
        ending.get(PATIENCE_S)
    assert worker.wait(PATIENCE_S) == 7


@pytest.mark.parametrize("worker", [("processes", 2)], indirect=True)
def test_a_task_terminates_its_worker(worker, tasks, tmp_path):
    began = tmp_path / "began"
    napping = tasks.nap.delay(str(began), str(tmp_path / "never"))
    until(began.exists)
    ending = tasks.terminate_worker.delay()
    assert worker.wait(PATIENCE_S) == 0
    assert (ending.state, napping.state) == ("FAILURE", "PENDING")
