"""`python -m faults`: the long run. README.md says what it is; the Makefile has the usual call."""

import argparse
import os
import sys
import time
from collections import Counter
from pathlib import Path

from harness.process import REPOSITORY
from harness.relais import BINARY

from . import fleet
from .outage import outage_in_a_process
from .proof import prove
from .report import DOCUMENT, Summary

NAMED = Path(__file__).with_name("seeds.txt")
MODES = "primary,all,quorum"


def main():
    asked = _arguments()
    fleet.end_on_sigterm()
    os.environ.setdefault("RELAIS_BIN", str(BINARY))
    summary = _runs(asked)
    good = not summary.failed_seeds
    parts = []
    if asked.proof:
        parts.append(prove(asked.proof, asked.workers, asked.keep))
        good = good and parts[-1].holds
    if asked.outage:
        os.environ["RELAIS_BIN"] = str(asked.outage)
        parts.append(outage_in_a_process(asked.objects))
        good = good and parts[-1].holds
    for one in parts:
        print(one.text())
    if asked.write:
        DOCUMENT.write_text(summary.text(asked.operations, [one.text() for one in parts]))
        print(f"written: {DOCUMENT}")
    sys.exit(not good)


def _runs(asked):
    """The runs of the long run, each shown as it ends."""
    numbered = [str(number) for number in range(asked.first, asked.first + asked.seeds)]
    seeds = asked.seed or list(dict.fromkeys(named_seeds() + numbered if numbered else []))
    summary, begun = Summary(), time.monotonic()
    job = fleet.Job(asked.operations, tuple(asked.modes.split(",")), asked.keep)
    for number, result in enumerate(fleet.results(seeds, job, asked.workers), 1):
        summary.add(result)
        show(result, f"{number}/{len(seeds)}")
    summary.seconds = time.monotonic() - begun
    print(f"{len(summary.failed_seeds)} of {len(seeds)} seeds found something: {dict(summary.findings)}", flush=True)
    return summary


def named_seeds():
    """The seeds that once showed a bug."""
    lines = (line.split("#")[0].split() for line in NAMED.read_text().splitlines())
    return [words[0] for words in lines if words]


def show(result, place="", file=None):
    """A line a run; of one that found something also what, and the history of the keys."""
    mark = f"{len(result.findings)} FINDINGS" if result.findings else "ok"
    outcomes = Counter(one.outcome for one in result.history.operations)
    times = f"{result.seconds:.0f} s, settled in {result.settled_after:.1f} s"
    print(f"[{place}] seed {result.plan.seed}: {mark}, {times}, {dict(outcomes)}: {result.plan}", flush=True, file=file)
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
    options.add_argument("--outage", type=Path, help="a release build, whose speed after an outage is measured")
    options.add_argument("--objects", type=int, default=20_000, help="written during that outage")
    options.add_argument("--write", action="store_true", help="write docs/faults.md")
    return options.parse_args()


if __name__ == "__main__":
    main()
