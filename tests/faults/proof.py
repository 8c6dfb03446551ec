"""Proof that the checks find what they are for: runs with a relais that writes no intents down, and with one that does."""

import os
from dataclasses import dataclass

from . import fleet

PROOF_SEEDS = 8
PROOF_OPERATIONS = 200


@dataclass(frozen=True)
class Proof:
    """Lost events, and all findings, of both."""

    without: int
    without_all: int
    with_intents: int
    with_intents_all: int

    @property
    def holds(self):
        return self.without > 0 and self.with_intents_all == 0

    def text(self):
        return (
            f"## Proof of the checker\n\n{PROOF_SEEDS} seeds of {PROOF_OPERATIONS} operations in which relais is killed again and "
            f"again and nothing else breaks. Built with `--features without-intents` it was found out by {self.without} lost events "
            f"({self.without_all} findings); as it is: {self.with_intents} ({self.with_intents_all}).\n"
        )


def prove(crippled, workers, keep):
    """Runs both binaries; the one that is meant is named by RELAIS_BIN."""
    meant, counts = os.environ["RELAIS_BIN"], []
    for binary in (str(crippled), meant):
        os.environ["RELAIS_BIN"] = binary  # For the workers, which are processes of their own.
        job = fleet.Job(PROOF_OPERATIONS, (), keep, only_kills=True)
        seeds = [str(number) for number in range(PROOF_SEEDS)]
        found = [one for result in fleet.results(seeds, job, workers) for one in result.findings]
        for one in found[:3]:
            print(f"  {binary}: {one}", flush=True)
        counts += [sum(one.check == "lost event" for one in found), len(found)]
    os.environ["RELAIS_BIN"] = meant
    return Proof(*counts)
