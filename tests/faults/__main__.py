"""`python -m faults`: the long run. README.md says what it is; the Makefile has the usual call."""

import argparse
import os
import sys
import time
from collections import Counter
from pathlib import Path

from harness.process import REPOSITORY

from . import fleet
from .report import DOCUMENT, Summary

NAMED = Path(__file__).with_name("seeds.txt")
MODES = "primary,all,quorum"


def main():
    asked = _arguments()
    if asked.proof:
        sys.exit(proof(asked))
    seeds = asked.seed or named_seeds() + [str(number) for number in range(asked.first, asked.first + asked.seeds)]
    summary, begun = Summary(), time.monotonic()
    job = fleet.Job(asked.operations, tuple(asked.modes.split(",")), asked.keep)
    for number, result in enumerate(fleet.results(seeds, job, asked.workers), 1):
        summary.add(result)
        show(result, f"{number}/{len(seeds)}")
    summary.seconds = time.monotonic() - begun
    print(f"{len(summary.failed_seeds)} of {len(seeds)} seeds found something: {dict(summary.findings)}")
    if asked.write:
        DOCUMENT.write_text(summary.text(asked.operations))
        print(f"written: {DOCUMENT}")
    sys.exit(bool(summary.failed_seeds))


def proof(asked):
    """Runs a relais without intents and one with them; right if the checks find out the first alone. Gives the exit code."""
    lost = {}
    for binary in (asked.proof, os.environ["RELAIS_BIN"]):
        os.environ["RELAIS_BIN"] = str(binary)
        job = fleet.Job(asked.operations, (), asked.keep, only_kills=True)
        found = [one for result in fleet.results([str(number) for number in range(asked.seeds)], job, asked.workers) for one in result.findings]
        lost[binary] = sum(one.check == "lost event" for one in found)
        print(f"{binary}: {len(found)} findings, {lost[binary]} of them lost events", flush=True)
        for one in found[:3]:
            print(f"  {one}")
    without, with_intents = lost.values()
    return 0 if without and not with_intents else 1


def named_seeds():
    """The seeds that once showed a bug."""
    lines = (line.split("#")[0].split() for line in NAMED.read_text().splitlines())
    return [words[0] for words in lines if words]


def show(result, place="", file=None):
    """A line a run; of one that found something also what, and the history of the keys."""
    mark = f"{len(result.findings)} FINDINGS" if result.findings else "ok"
    outcomes = Counter(one.outcome for one in result.history.operations)
    head = f"[{place}] seed {result.plan.seed}: {mark}, {result.seconds:.0f} s, settled in {result.settled_after:.1f} s, {dict(outcomes)}: {result.plan}"
    print(head, flush=True, file=file)
    for error in result.errors:
        print(f"  a fault failed: {error}", file=file)
    for one in result.findings:
        print(f"  {one}", flush=True, file=file)
    for key in result.failing_keys()[:KEYS_SHOWN]:
        print(f"  history of {key!r}:", file=file)
        for one in sorted(result.history.of_key(key), key=lambda one: one.begun):
            print(f"    {one}", file=file)


KEYS_SHOWN = 3


def _arguments():
    options = argparse.ArgumentParser(prog="faults")
    options.add_argument("--seed", action="append", help="this one; may be repeated")
    options.add_argument("--seeds", type=int, default=200, help="so many, and those of seeds.txt")
    options.add_argument("--first", type=int, default=1, help="the number of the first seed")
    options.add_argument("--operations", type=int, default=200)
    options.add_argument("--workers", type=int, default=4, help="runs at once")
    options.add_argument("--modes", default=MODES, help="write modes to draw from")
    options.add_argument("--keep", type=Path, default=REPOSITORY / "target" / "faults", help="where logs of failures go")
    options.add_argument("--proof", type=Path, help="a relais that was built without intents: it must be found out")
    options.add_argument("--write", action="store_true", help="write docs/faults.md")
    return options.parse_args()


if __name__ == "__main__":
    main()
