"""The scenarios of this folder against the Python binding."""

import json
from pathlib import Path
from typing import Any

import pytest
from scenario_runner import ScenarioRunner, expand

FOLDER = Path(__file__).parent / "scenarios"
SCENARIOS = [
    pytest.param(scenario, id=f"{file.stem}: {scenario['name']}")
    for file in sorted(FOLDER.glob("*.json"))
    for scenario in json.loads(file.read_text(encoding="utf-8"))["scenarios"]
]


def test_there_are_scenarios() -> None:
    assert len(SCENARIOS) >= 20


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_scenario(scenario: dict[str, Any], tmp_path: Path) -> None:
    runner = ScenarioRunner(str(tmp_path / "jobs.db"), scenario.get("store", {}))
    try:
        for number, step in enumerate(scenario["steps"]):
            try:
                runner.play(expand(step))
            except Exception as error:
                raise AssertionError(f"step {number}, {json.dumps(step)[:300]}: {error}") from error
    finally:
        runner.close()
