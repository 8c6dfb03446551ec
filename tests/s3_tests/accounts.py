"""The accounts that the suite asks for, and the files that introduce them to the suite and to relais.

Each worker of pytest-xdist has three of its own: some tests want to see no bucket but theirs.
"""

import configparser
import hashlib
import json
from dataclasses import dataclass

REGION = "us-west-2"  # Not S3's default region, which has no name in GetBucketLocation.
SECTIONS = ("main", "alt", "tenant")  # The third is just another account: tenants are Ceph's.


@dataclass(frozen=True)
class Account:
    owner: str
    display_name: str
    email: str
    access_key_id: str
    secret_access_key: str


def accounts_of(worker):
    """Three accounts by the name of their section."""
    return {name: _account(name, worker) for name in SECTIONS}


def write_suite_configuration(path, port, accounts):
    """Writes an `s3tests.conf` for a port of the loopback. IAM is not tested, but its sections have to be there."""
    conf = configparser.RawConfigParser()
    conf["DEFAULT"] = {"host": "127.0.0.1", "port": port, "is_secure": False, "ssl_verify": False}
    conf["fixtures"] = {"bucket prefix": "relais-{random}-"}
    for name, account in accounts.items():
        conf[f"s3 {name}"] = _section(account)
    conf["s3 main"]["api_name"] = REGION
    conf["s3 tenant"]["tenant"] = ""
    for name in ("iam", "iam root", "iam alt root"):
        conf[name] = _section(accounts["main"])
    with path.open("w") as file:
        conf.write(file)


def append_keys(path, accounts):
    """Adds the accounts' keys to a configuration of relais."""
    with path.open("a") as file:
        for account in accounts:
            pairs = [f"{key} = {json.dumps(value)}" for key, value in vars(account).items()]
            file.write("\n".join(["[[access.keys]]", *pairs, ""]))


def _account(name, worker):
    seed = f"{name} of {worker}"
    return Account(
        owner=hashlib.sha256(seed.encode()).hexdigest(),
        display_name=f"Account {seed}",
        email=f"{name}-{worker}@example.com",
        access_key_id=f"{name}KEYOF{worker}".upper().ljust(20, "0"),
        secret_access_key=f"{name}-secret-of-{worker}".ljust(40, "0"),
    )


def _section(account):
    return {
        "user_id": account.owner,
        "display_name": account.display_name,
        "email": account.email,
        "access_key": account.access_key_id,
        "secret_key": account.secret_access_key,
    }
