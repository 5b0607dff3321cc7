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
    assert states.ALL_STATES == states.READY_STATES | states.UNREADY_STATES
