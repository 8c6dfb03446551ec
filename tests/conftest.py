"""The fixtures: servers live as long as the session, a relais as long as its test or its module."""

import itertools

import pytest

from harness import canary, configuration, examples, replicas
from harness.accounts import ALICE, BOB, anonymous
from harness.certificates import make_certificate
from harness.relais import starter
from harness.servers import Moto, Postgres, Redis

_numbers = itertools.count()


@pytest.fixture(scope="session", autouse=True)
def no_secret_is_told():
    """Fails the run if any log, error or page of metrics held a secret: see harness/canary.py."""
    canary.answers_are_searched()
    yield
    assert canary.found() == []


@pytest.fixture(scope="session")
def certificate(tmp_path_factory):
    return make_certificate(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="session")
def shared_redis():
    with Redis() as server:
        yield server


@pytest.fixture
def redis_server(shared_redis):
    """Redis, empty: a relais takes up what another one left on the stream."""
    shared_redis.client.flushall()
    return shared_redis


@pytest.fixture(scope="session")
def postgres():
    with Postgres() as server:
        yield server


@pytest.fixture(scope="session")
def moto_http():
    with Moto() as server:
        yield server


@pytest.fixture(scope="session")
def moto_https(certificate):
    with Moto(certificate) as server:
        yield server


@pytest.fixture
def clouds(moto_http, moto_https):
    """Two remote S3 accounts, both empty: one over HTTP, one over HTTPS."""
    for cloud in (moto_http, moto_https):
        cloud.reset()
    return moto_http, moto_https


@pytest.fixture
def start_relais(tmp_path):
    """Starts a relais that ends with the test; its end must be clean."""
    with starter(tmp_path) as start:
        yield start


@pytest.fixture
def start_example(start_relais, moto_http, postgres, redis_server, tmp_path):
    """Starts one or several examples as one relais, with their own variables; `more` are further ones."""
    moto_http.reset()

    def start(*chosen, **more):
        given = {}
        for example in chosen:
            given |= examples.variables(example)
        redis, database = redis_server.url, lambda: postgres.new_database("-".join(one.name for one in chosen))
        environment = examples.environment(given, moto_http, tmp_path, redis, database) | more
        config = examples.together(tmp_path / "example.toml", *chosen)
        return start_relais(config=config, environment=environment)

    return start


@pytest.fixture(scope="module")
def start_shared_relais(tmp_path_factory):
    """Starts a relais that ends with the module."""
    with starter(tmp_path_factory.mktemp("shared")) as start:
        yield start


@pytest.fixture(scope="module", params=["folders", "clouds"])
def replicated(request, start_shared_relais, tmp_path_factory):
    """One relais over two folders, or over two accounts that can do what AWS does, with a look into each of the two."""
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "folders":
        return replicas.over_folders(start_shared_relais, folder)
    clouds = [request.getfixturevalue(name) for name in ("moto_http", "moto_https")]
    return replicas.over_clouds(start_shared_relais, folder, clouds)


@pytest.fixture(scope="module")
def relais(start_shared_relais, tmp_path_factory):
    """One relais for all tests of a module that need nothing special; `folders` are its replicas."""
    config, folders = configuration.two_folders(
        tmp_path_factory.mktemp("replicas"), proxy={"domains": [configuration.DOMAIN]}
    )
    one = start_shared_relais(config=config)
    one.folders = folders
    return one


@pytest.fixture(scope="module")
def shared(start_shared_relais, tmp_path_factory):
    """A relais over two folders that knows Alice and Bob; anyone may read `open/` in the bucket `half-open`."""
    folder = tmp_path_factory.mktemp("accounts")
    named = configuration.bucket("half-open", ["first", "second"], write_mode="all", public_read=["open/"])
    config, folders = configuration.two_folders(
        folder, named=[named], accounts=[ALICE, BOB], **configuration.no_sidecars()
    )
    one = start_shared_relais("accounts", config=config)
    one.folders = folders
    return one


@pytest.fixture
def alice(shared):
    return ALICE.client(shared)


@pytest.fixture
def bob(shared):
    return BOB.client(shared)


@pytest.fixture
def nobody(shared):
    """A client that signs nothing."""
    return anonymous(shared)


@pytest.fixture
def alices(alice):
    """A bucket of Alice's, with the object `k`."""
    name = f"alices-{next(_numbers)}"
    alice.create_bucket(Bucket=name)
    alice.put_object(Bucket=name, Key="k", Body=b"private")
    return name


@pytest.fixture
def s3(request):
    """A client of the module's relais."""
    name = "replicated" if "replicated" in request.fixturenames else "relais"
    return request.getfixturevalue(name).client()


@pytest.fixture
def bucket(s3):
    """An empty bucket of the test's own."""
    name = f"bucket-{next(_numbers)}"
    s3.create_bucket(Bucket=name)
    return name
