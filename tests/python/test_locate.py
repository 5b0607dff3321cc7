import sys

import pytest
from millrace import Millrace
from millrace.errors import InvalidArgument
from millrace.worker.locate import load_app, location_of


@pytest.fixture
def module(tmp_path, monkeypatch):
    name = f"located_{tmp_path.name}"
    path = tmp_path / f"{name}.py"
    path.write_text("from millrace import Millrace\napp = Millrace('x', store='x.db')\nother = 5\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield name
    sys.modules.pop(name, None)


def test_by_module_and_attribute(module):
    app = load_app(f"{module}:app")
    assert isinstance(app, Millrace)
    assert load_app(module) is app
    assert location_of(app) == f"{module}:app"


def test_by_file(module):
    assert load_app(f"{module}.py:app").name == "x"


@pytest.mark.parametrize(
    ("location", "match"),
    [
        ("", "names no module"),
        (":app", "names no module"),
        ("no_such_module_here:app", "there is no module"),
        ("no_such_file.py:app", "there is no file"),
        ("{}:nothing", "no attribute 'nothing'"),
        ("{}:other", "is a int"),
        ("json", "has 0 Millrace applications"),
    ],
)
def test_what_is_not_found_is_named(module, location, match):
    with pytest.raises(InvalidArgument, match=match):
        load_app(location.format(module))


def test_an_error_inside_the_module_is_its_own(tmp_path, monkeypatch):
    (tmp_path / "breaks_inside.py").write_text("import a_module_that_is_missing\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    with pytest.raises(ModuleNotFoundError, match="a_module_that_is_missing"):
        load_app("breaks_inside:app")
