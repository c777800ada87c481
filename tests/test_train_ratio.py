"""How many updates real steps pay for."""

from __future__ import annotations

import json

import pytest

from models.training.train_ratio import TrainRatio
from tests.dreamer_golden import dreamer_json


@pytest.mark.parametrize("name", ["0.5", "1.5", "0.03125", "0.25", "2.0", "0.25_stride4"])
def test_against_golden(name: str) -> None:
    """Catches: remainders thrown away, a burst at the first call."""
    trace = dreamer_json("traces")["ratio"][name]
    ratio = TrainRatio(float(name.split("_")[0]))
    assert [ratio(step) for step in trace["steps"]] == trace["repeats"]


def test_resumes_where_it_was() -> None:
    """Catches: a resumed run that pays for its first step again."""
    one, other = TrainRatio(0.3), TrainRatio(0.3)
    before = [one(step) for step in range(1, 20)]
    other.restore(json.loads(json.dumps(one.state())))
    assert [one(step) for step in range(20, 60)] == [other(step) for step in range(20, 60)]
    assert before[0] == 1


def test_no_updates_and_bad_ratio() -> None:
    """Catches: a division by zero where training is switched off."""
    assert [TrainRatio(0.0)(step) for step in range(3)] == [0, 0, 0]
    with pytest.raises(ValueError, match="got -1"):
        TrainRatio(-1)
