"""Many runs at once: processes that each have a site of their own and take seeds from one queue.

A run mostly waits, so there are more of them than cores; processes, since threads of one would wait for each other.
"""

import multiprocessing
import queue
import signal
import sys
import traceback
from dataclasses import dataclass

from .checks import Finding
from .plan import Plan
from .run import Result, run
from .site import Site

RUN_SECONDS_MAX = 600
END_SECONDS = 30


@dataclass(frozen=True)
class Job:
    """What every run of a fleet shares."""

    operations: int
    modes: tuple
    keep: object
    only_kills: bool = False

    def plan(self, seed):
        if self.only_kills:
            return Plan.of_kills(seed, self.operations)
        return Plan.of(seed, self.operations, modes=self.modes)


def results(seeds, job, workers):
    """Gives the result of each seed as it comes; a run that broke is a result with the reason as its finding."""
    context = multiprocessing.get_context("spawn")
    waiting, done = context.Queue(), context.Queue()
    for seed in seeds:
        waiting.put(seed)
    processes = [context.Process(target=_work, args=(waiting, done, job)) for _ in range(min(workers, len(seeds)))]
    for one in processes:
        one.start()
    left = len(seeds)
    try:
        for _ in seeds:
            yield _next(done, processes)
            left -= 1
    finally:
        for one in processes:
            if left:
                one.terminate()
            one.join(END_SECONDS)
            if one.is_alive():
                one.kill()


def _next(done, processes):
    for _ in range(RUN_SECONDS_MAX):
        try:
            return done.get(timeout=1)
        except queue.Empty:
            assert any(one.is_alive() for one in processes), "every worker has died"
    raise AssertionError(f"no run has ended within {RUN_SECONDS_MAX} s")


def end_on_sigterm():
    """So that what was begun is ended by those who began it."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))


def _work(waiting, done, job):
    end_on_sigterm()
    with Site() as site:
        while True:
            try:
                seed = waiting.get(timeout=1)
            except queue.Empty:
                return
            done.put(one_run(site, job.plan(seed), job.keep))


def one_run(site, plan, keep=None):
    """The result of a run, also where it broke."""
    try:
        return run(site, plan, keep)
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt | SystemExit):
            raise
        return Result(plan, findings=[Finding("the run broke", "", traceback.format_exc()[-3000:])])
