"""A pytest plugin that runs inside the suite: leaves tests out, separates them, and writes down what became of each.

The suite gives a worker one prefix for all its buckets and clears them before each test, so a bucket that cannot be
removed fails every later test of that worker. Here each test has a prefix of its own, and each worker its own accounts.
"""

import json
import os
import sys
from collections import Counter
from pathlib import Path

import pytest
from selection import left_out

FOLDER = Path(os.environ["RELAIS_S3_TESTS_FOLDER"])  # With a configuration for each worker; the results go there.
FIRST = {"test_list_buckets_paginated"}  # Wants an account without buckets; a test may leave one behind.
_left_out = Counter()
_tests = {}


def pytest_configure():
    # The suite reads its configuration on import already. Only workers have a name, but they alone import it.
    os.environ["S3TEST_CONF"] = str(FOLDER / f"{os.environ.get('PYTEST_XDIST_WORKER', 'gw0')}.conf")


def pytest_collection_modifyitems(config, items):
    kept, dropped = [], []
    for item in items:
        group = left_out(item.name, {marker.name for marker in item.iter_markers()})
        (dropped if group else kept).append(item)
        if group:
            _left_out[group.name] += 1
    items[:] = sorted(kept, key=lambda item: item.name not in FIRST)
    config.hook.pytest_deselected(items=dropped)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    functional = sys.modules["s3tests.functional"]
    functional.prefix = functional.choose_bucket_prefix("relais-{random}-")


def pytest_runtest_logreport(report):
    phases = _tests.setdefault(report.nodeid.removeprefix("s3tests/functional/"), {"seconds": 0})
    phases["seconds"] += report.duration
    phases[report.when] = report.outcome
    if report.failed:
        phases.setdefault("error", _first_line(report))


def pytest_sessionfinish(session):
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["left_out"] = dict(_left_out)
    else:
        (FOLDER / "results.json").write_text(json.dumps({"tests": _tests, "left_out": _left_out}))


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node, error):
    _left_out.update(Counter(getattr(node, "workeroutput", {}).get("left_out", {})) - _left_out)


def _first_line(report):
    crash = getattr(report.longrepr, "reprcrash", None)
    text = crash.message if crash else str(report.longrepr)
    return text.strip().splitlines()[0] if text.strip() else "no message"
