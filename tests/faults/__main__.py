"""`python -m faults --seeds 200 --operations 200`: see README.md."""

import argparse
import sys
import time
from pathlib import Path

from .plan import Plan
from .run import run
from .site import Site


def main():
    options = argparse.ArgumentParser(prog="faults")
    options.add_argument("--seed", action="append", default=[])
    options.add_argument("--seeds", type=int, default=0)
    options.add_argument("--first", type=int, default=1)
    options.add_argument("--operations", type=int, default=200)
    options.add_argument("--keep", type=Path, default=Path("target/faults"))
    options.add_argument("--modes", default="primary,all,quorum")
    asked = options.parse_args()
    seeds = asked.seed + [str(number) for number in range(asked.first, asked.first + asked.seeds)]
    bad = 0
    with Site() as site:
        for seed in seeds:
            plan = Plan.of(seed, asked.operations, modes=asked.modes.split(","))
            print(f"seed {seed}: {plan}", flush=True)
            result = run(site, plan, asked.keep)
            print(f"  {result.seconds:.0f} s, settled after {result.settled_after:.1f} s, {dict(result.faults)} {result.errors}")
            bad += bool(result.findings)
            for one in result.findings[:10]:
                print(f"  FINDING {one}")
            for key in result.failing_keys()[:2]:
                print(f"  history of {key!r}:")
                for one in sorted(result.history.of_key(key), key=lambda one: one.begun):
                    print(f"    {one}")
    print(f"{bad} of {len(seeds)} seeds found something")
    sys.exit(bool(bad))


if __name__ == "__main__":
    begun = time.monotonic()
    main()
