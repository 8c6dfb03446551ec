"""Runs the conformance suite ceph/s3-tests against relais and compares with the list of tests that must pass.

    make s3-tests SUITE=path/of/a/checkout
    .venv/bin/python tests/s3_tests/run.py --suite PATH [--store moto|folder|none] [--write] [-k EXPR] [--jobs N]

`--store none`, or `--bare`, runs the same selection against one moto without relais: what passes there must pass
through relais over two of them. The run ends with 1 if a listed test does not pass. `--write` writes the list, and the
tables of docs/compatibility.md.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from contextlib import nullcontext
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

from accounts import write_suite_configuration  # noqa: E402
from documentation import write_failing, write_numbers  # noqa: E402
from endpoints import endpoint  # noqa: E402
from harness.process import REPOSITORY, plain_environment  # noqa: E402
from outcome import LISTS, Outcome  # noqa: E402
from selection import FILES, LEFT_OUT  # noqa: E402

PYTEST = REPOSITORY / ".venv-s3-tests" / "bin" / "pytest"
PASSED, FAILED = 0, 1  # What pytest ends with when it has run its tests.
TEST_SECONDS_MAX = 300  # Some tests wait a minute for an object lock to end.


def main():
    options = arguments()
    with options.keep or tempfile.TemporaryDirectory(prefix="relais-s3-tests-") as folder:
        folder = Path(folder)
        workers = [f"gw{number}" for number in range(options.jobs)]  # As pytest-xdist calls them.
        with endpoint(options.store, folder, workers) as (port, accounts):
            for worker, three in accounts.items():
                write_suite_configuration(folder / f"{worker}.conf", port, three)
            found = run_suite(options, folder)
    outcome = Outcome(options.store, found, whole=not options.expression)
    outcome.print_selection(LEFT_OUT)
    outcome.print_comparison()
    if options.write:
        outcome.write()
        write_numbers(outcome)
        if options.store == "moto":
            write_failing(outcome.tests.keys() - outcome.passed)
    return 1 if outcome.broken() and not options.write else 0


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--suite", type=Path, required=True, help="a checkout of ceph/s3-tests")
    parser.add_argument("--store", choices=tuple(LISTS), default="moto", help="what relais keeps objects in")
    parser.add_argument("--bare", dest="store", action="store_const", const="none", help="the same as --store none")
    parser.add_argument("--write", action="store_true", help="write the list and the documentation")
    parser.add_argument("-k", dest="expression", help="only these tests, as in pytest")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="tests at once")
    parser.add_argument("--keep", type=new_folder, help="a new folder for configurations, logs and results")
    options = parser.parse_args()
    if options.write and options.expression:
        parser.error("--write needs a whole run, without -k")
    if not (options.suite / FILES[0]).is_file():
        parser.error(f"{options.suite} is not a checkout of ceph/s3-tests: it has no {FILES[0]}")
    if not PYTEST.exists():
        parser.error(f"{PYTEST} is missing: make s3-tests installs it")
    return options


def new_folder(path):
    """A context manager that makes a folder and keeps it."""
    folder = Path(path).resolve()
    folder.mkdir(parents=True)
    return nullcontext(folder)


def run_suite(options, folder):
    """Runs the selected tests with a configuration for each worker, and gives what the plugin wrote down."""
    command = [PYTEST, "-q", "-p", "suite_plugin", "-p", "no:cacheprovider", "--tb=no", "--no-summary"]
    command += ["-n", options.jobs, "--timeout", TEST_SECONDS_MAX]
    command += ["-k", options.expression] if options.expression else []
    environment = plain_environment(
        RELAIS_S3_TESTS_FOLDER=folder,
        PYTHONPATH=HERE,
        PYTHONDONTWRITEBYTECODE=1,
        AWS_DEFAULT_REGION="us-east-1",
        AWS_CONFIG_FILE="/dev/null",
        AWS_SHARED_CREDENTIALS_FILE="/dev/null",
        AWS_EC2_METADATA_DISABLED="true",
    )
    command = [str(part) for part in (*command, *FILES)]
    done = subprocess.run(command, cwd=options.suite, env=environment, check=False)
    if done.returncode not in (PASSED, FAILED):
        sys.exit(f"pytest did not come to its end (code {done.returncode}); what it printed says why")
    return json.loads((folder / "results.json").read_text())


if __name__ == "__main__":
    sys.exit(main())
