"""Options that an application adds to the command line, and the signal of those that every verb has."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from cli_runner import PYTHON, run

TASKS = """
import json
import sys

from millrace import Millrace, signals
from millrace.exceptions import WorkerShutdown
{option}

app = Millrace("own", store="own.db", durability="process")
app.user_options["preload"].add(Option(("-Z", "--template"), default="plain", help="which look"))
app.user_options["worker"].add(Option(("--site",), multiple=True, help="of our sites"))
app.user_options["worker"].add(Option(("--fast-lane",), is_flag=True, default=False))
app.user_options["worker"].add(Option(("--share",), type=int, default=3))


@signals.user_preload_options.connect
def chosen(sender, app, options, **kwargs):
    print(json.dumps(["preload", sender, app.name, options]))


@signals.celeryd_init.connect
def made(sender, options, **kwargs):
    mine = {{name: options[name] for name in ("site", "fast_lane", "share", "pool")}}
    print(json.dumps(["worker", mine]))


@app.task
def end():
    raise WorkerShutdown
"""
OURS = "from millrace.cli.user_options import Option"


@pytest.fixture
def own(tmp_path, monkeypatch, request):
    """An application with options of its own, in the current directory."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own.py").write_text(TASKS.format(option=getattr(request, "param", OURS)))
    return tmp_path


def said(done: subprocess.CompletedProcess[str]):
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("[")]


@pytest.mark.parametrize("own", [OURS, "from click import Option"], indirect=True)
def test_options_of_the_worker_and_of_every_verb(own):
    worker = ["-A", "own", "worker", "-P", "solo"]
    assert run(PYTHON, "-A", "own", "call", "own.end").returncode == 0
    given = ["--site", "a", "--site=b", "--fast-lane", "--share", "7", "-Z", "fancy"]
    sites = {"site": ["a", "b"], "fast_lane": True, "share": 7, "pool": "solo"}
    assert said(run(PYTHON, *worker, *given)) == [
        ["preload", "worker", "own", {"template": "fancy"}],
        ["worker", sites],
    ]


def test_defaults_are_told_too(own):
    called = run(PYTHON, "call", "-A", "own", "own.end")
    assert said(called) == [["preload", "call", "own", {"template": "plain"}]]
    given = said(run(PYTHON, "worker", "own", "-P", "solo"))
    assert given[0] == ["preload", "worker", "own", {"template": "plain"}]
    assert given[1] == [
        "worker",
        {"site": None, "fast_lane": False, "share": 3, "pool": "solo"},
    ]


def test_help_and_mistakes(own):
    shown = run(PYTHON, "-A", "own", "worker", "--help")
    assert shown.returncode == 0
    assert "--site" in shown.stdout
    assert "which look" in shown.stdout
    wrong = run(PYTHON, "-A", "own", "worker", "--sight", "a")
    assert (wrong.returncode, "unrecognized arguments: --sight" in wrong.stderr) == (2, True)
    wrong = run(PYTHON, "-A", "own", "worker", "--share", "many")
    assert (wrong.returncode, "argument --share" in wrong.stderr) == (2, True)
    wrong = run(PYTHON, "worker", "--site", "a")
    assert wrong.returncode == 2


def test_what_is_no_option_and_what_clashes(own):
    text = (own / "own.py").read_text()
    (own / "own.py").write_text(text + '\napp.user_options["beat"].add("--verbose")\n')
    wrong = run(PYTHON, "-A", "own", "beat", "--verbose")
    assert (wrong.returncode, "must hold options, not '--verbose'" in wrong.stderr) == (2, True)
    (own / "own.py").write_text(text + '\napp.user_options["worker"].add(Option("--queues"))\n')
    wrong = run(PYTHON, "-A", "own", "worker", "--site", "a")
    assert (wrong.returncode, "conflicting option string" in wrong.stderr) == (2, True)


def test_an_option_has_a_name():
    from millrace.cli.user_options import Option

    assert Option("-Z", "--long-name").name == "long_name"
    with pytest.raises(ValueError, match="must begin with '-'"):
        Option("template")
