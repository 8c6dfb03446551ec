"""Runs a command with RELAIS_TEST_POSTGRES_URL naming a PostgreSQL that lives as long as the command does."""

import os
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from harness.servers import Postgres  # noqa: E402

if __name__ == "__main__":
    with Postgres() as postgres:
        environment = os.environ | {"RELAIS_TEST_POSTGRES_URL": postgres.url()}
        sys.exit(subprocess.run(sys.argv[1:], env=environment, check=False).returncode)
