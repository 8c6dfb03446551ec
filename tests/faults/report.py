"""docs/faults.md: what the long run did and found, written by the run."""

import os
import platform
from collections import Counter
from pathlib import Path

from . import disk
from .checks import counted

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "faults.md"

INTRODUCTION = """# What happens when everything breaks

Written by `make faults`; [tests/faults/README.md](../tests/faults/README.md) says how the runs work.

Each seed is one run: several clients do random operations on few keys, through one relais or two, while gremlins break what is around
it. Then the faults stop, and all that was promised is checked.
"""

CHECKED = """## What is checked

- Every answer that a client got was possible then: no torn value, no value that nobody wrote, none that an acknowledged write had
  replaced, no condition decided wrongly, and no refusal of what was done.
- Every acknowledged write is there at the end, every deleted object is gone, and no store has an object that nobody wrote.
- Every replica equals the primary in bytes, metadata, content type and tags, read from the stores themselves.
- Every acknowledged mutation has its event on every bus, with one id and in order for its key; what happened without an
  acknowledgement and is there at the end was announced, too.
- No intent is open and nothing is unsettled 60 s after the last fault.
- Every instance answers every read once nothing is broken any more.
- No instance panics, none is ended by a signal that no gremlin sent, and each ends cleanly on SIGTERM.

`tests/faults/test_checks.py` shows for each check that it fails when it should.
"""


class Summary:
    """Adds up the results of runs; results are small, histories are not kept."""

    def __init__(self):
        self.runs, self.seconds, self.settled_longest, self.settled_sum = 0, 0.0, 0.0, 0.0
        self.faults, self.kinds, self.outcomes, self.plans = Counter(), Counter(), Counter(), Counter()
        self.findings, self.failed_seeds = Counter(), {}
        self.gremlins_failed = 0

    def add(self, result):
        self.runs += 1
        self.settled_longest = max(self.settled_longest, result.settled_after)
        self.settled_sum += result.settled_after
        self.faults += result.faults
        self.gremlins_failed += len(result.errors)
        for kind, outcomes in counted(result.history).items():
            self.kinds[kind] += sum(outcomes.values())
            self.outcomes.update(outcomes)
        plan = result.plan
        for what in (f"{plan.database}, {plan.instances} instance(s)", f"bus: {plan.bus}", f"mode: {plan.write_mode}"):
            self.plans[what] += 1
        self.plans["stores: " + " + ".join(plan.stores)] += 1
        self.findings.update(one.check for one in result.findings)
        if result.findings:
            self.failed_seeds[plan.seed] = sorted({one.check for one in result.findings})

    def text(self, operations, more=()):
        """The report, with what was done beside the runs."""
        parts = [INTRODUCTION, self._run(operations), _table("Systems", "runs", self.plans)]
        parts += [_table("Operations", "times", self.kinds), _table("Faults that were met", "times", self.faults), CHECKED, self._found()]
        return "\n".join([*parts, *more])

    def _run(self, operations):
        small = "" if disk.is_possible() else " No namespace could be made, so no run had a full disk."
        answers = ", ".join(f"{times:,} {outcome}" for outcome, times in sorted(self.outcomes.items()))
        return (
            f"## What was run\n\n{self.runs} seeds of {operations} operations in {self.seconds / 60:.0f} minutes on {os.cpu_count()} cores "
            f"({platform.system()}). Answers: {answers} (unknown: no answer, or 5xx). After the last fault the journal was empty "
            f"within {self.settled_sum / max(self.runs, 1):.1f} s on average, {self.settled_longest:.1f} s at the longest. "
            f"{self.gremlins_failed:,} gremlins failed at what they were to break.{small}\n"
        )

    def _found(self):
        if not self.failed_seeds:
            return "## Findings\n\nNone.\n"
        lines = [f"| {seed} | {', '.join(checks)} |" for seed, checks in sorted(self.failed_seeds.items())]
        return "\n".join(["## Findings\n", f"{len(lines)} of {self.runs} seeds:\n", "| seed | checks |", "|---|---|", *lines, ""])


def _table(title, column, counts):
    lines = [f"## {title}\n", f"| what | {column} |", "|---|---|"]
    return "\n".join(lines + [f"| {what} | {times:,} |" for what, times in sorted(counts.items())]) + "\n"
