"""A relais that panics, or that something ended which nobody meant to, is found after the run; one that was killed is not."""

import os
import signal
import sys
from types import SimpleNamespace

from . import run
from .history import DONE, UNKNOWN, History
from .servers import Node


def test_a_panic_is_found(tmp_path):
    log = tmp_path / "instance-0" / "relais.log"
    log.parent.mkdir()
    log.write_text("all is well\n")
    assert run._panics(tmp_path) == []
    log.write_text("all is well\nthread 'main' (7) panicked at src/main.rs:1:1:\nexplicit panic\n")
    assert [one.check for one in run._panics(tmp_path)] == ["panic"]


def test_an_end_by_a_signal_is_found_unless_the_run_sent_it(tmp_path):
    node = Node(tmp_path / "node")
    node.spawn(["sleep", "60"])
    node.kill()
    node.spawn([sys.executable, "-c", "exit(3)"])
    _ended_then_killed(node)
    assert node.ended == [3] and run._ends(SimpleNamespace(instances=[node])) == []
    node.spawn(["sleep", "60"])
    os.kill(node.child.pid, signal.SIGABRT)
    _ended_then_killed(node)
    (found,) = run._ends(SimpleNamespace(instances=[node]))
    assert found.check == "ended by a signal" and "SIGABRT" in found.what


def test_a_read_is_repeated_until_it_has_an_answer():
    history, outcomes = History(), [UNKNOWN, DONE]

    def call(key):
        history.begin("read", "get", key).outcome = outcomes.pop(0)

    assert run._answered(history, call, "k", end=float("inf")).outcome == DONE
    outcomes.append(UNKNOWN)
    assert run._answered(history, call, "k", end=0).outcome == UNKNOWN


def _ended_then_killed(node):
    node.child.wait(10)
    node.kill()
