"""Every client talks to a relais over TLS with two folders as replicas; what its tests show goes into the table."""

from collections import defaultdict

import pytest

from harness import configuration
from harness.compatibility import Client, write_table

_outcomes = defaultdict(lambda: defaultdict(set))  # Module of tests to name of a test to its outcomes.


@pytest.fixture(scope="module")
def tls(certificate):
    """The certificate of the relais; a module of tests that wants plain HTTP gives none."""
    return certificate


@pytest.fixture(scope="module")
def proxy_settings():
    """What a client wants of the section `proxy` beside that: none but s3cmd wants anything."""
    return {}


@pytest.fixture(scope="module")
def relais(start_shared_relais, tls, proxy_settings, tmp_path_factory):
    """One relais for all tests of a client; `folders` are its replicas."""
    proxy = proxy_settings | (configuration.tls(tls) if tls else {})
    config, folders = configuration.two_folders(tmp_path_factory.mktemp("replicas"), proxy=proxy)
    one = start_shared_relais("https" if tls else "http", config=config, certificate=tls)
    one.folders = folders
    return one


@pytest.fixture
def s3(relais):
    """A boto3 client, for what a test wants to prepare or to look at past its own client."""
    return relais.client()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item):
    report = yield
    if report.when == "call" or not report.passed:
        _outcomes[item.module][item.originalname].add(report.outcome)
    return report


def pytest_sessionfinish():
    write_table([client for module, outcomes in _outcomes.items() if (client := _shown(module, outcomes))])


def _shown(module, outcomes):
    """The module's client, if each of its tests ran and passed. A module says `CLIENT` and gives `version()`; one that does
    not is about something else."""
    if not hasattr(module, "CLIENT"):
        return None
    tests = tuple(name for name in vars(module) if name.startswith("test_"))
    if all(outcomes[test] == {"passed"} for test in tests):
        return Client(module.CLIENT, module.version(), f"{module.__name__}.py", tests)
    return None
