import pytest
from millrace import states


@pytest.mark.parametrize(
    ("store", "attempts", "word"),
    [
        ("scheduled", 0, "PENDING"),
        ("ready", 0, "PENDING"),
        ("blocked", 0, "PENDING"),
        ("scheduled", 1, "RETRY"),
        ("ready", 2, "RETRY"),
        ("active", 0, "STARTED"),
        ("active", 3, "STARTED"),
        ("completed", 1, "SUCCESS"),
        ("failed", 1, "FAILURE"),
        ("cancelled", 0, "REVOKED"),
    ],
)
def test_words_for_the_stores_states(store, attempts, word):
    assert states.from_store(store, attempts) == word


def test_the_sets_are_celerys():
    assert {"SUCCESS", "FAILURE", "REVOKED"} == states.READY_STATES
    assert {"FAILURE", "REVOKED"} == states.PROPAGATE_STATES
    assert {"PENDING", "RECEIVED", "STARTED", "REJECTED", "RETRY"} == states.UNREADY_STATES
    assert {"RETRY", "FAILURE", "REVOKED"} == states.EXCEPTION_STATES
    assert (states.READY_STATES | states.UNREADY_STATES) - {"REJECTED"} == states.ALL_STATES


def test_precedence_is_how_far_a_task_is():
    assert states.precedence("SUCCESS") < states.precedence("FAILURE")
    assert states.precedence("FAILURE") < states.precedence("PROGRESS")
    assert states.precedence("PROGRESS") < states.precedence("STARTED")
    assert states.precedence("RETRY") < states.precedence("PENDING")
    assert states.PRECEDENCE[states.NONE_PRECEDENCE] is None
    assert states.PRECEDENCE_LOOKUP["SUCCESS"] == 0


def test_a_state_compares_by_precedence():
    assert states.state("PENDING") < states.state("SUCCESS")
    assert states.state("PROGRESS") > states.state("STARTED")
    assert not states.state("PROGRESS") > states.state("SUCCESS")
    assert states.state("MINE") >= states.state("OTHER") <= states.state("MINE")
    assert states.state("STARTED") == "STARTED"
    assert f"{states.state('STARTED')}" == "STARTED"
