"""Ten runs in which everything breaks, and those that once found a bug: `make faults` runs 200."""

import io

import pytest

from . import fleet
from .__main__ import MODES, named_seeds, show

SEEDS = [str(number) for number in range(1, 11)]
OPERATIONS = 200
WORKERS = 4  # Runs mostly wait.


@pytest.mark.timeout(900)
def test_nothing_is_lost_while_everything_breaks(tmp_path):
    job = fleet.Job(OPERATIONS, tuple(MODES.split(",")), tmp_path)
    told = io.StringIO()
    for result in fleet.results(list(dict.fromkeys(SEEDS + named_seeds())), job, WORKERS):
        show(result)
        if result.findings:
            show(result, file=told)
    assert not told.getvalue(), told.getvalue()
