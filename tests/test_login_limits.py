"""Guessing passwords is slow: so many attempts a minute at one account and from one address."""

from concurrent.futures import ThreadPoolExecutor

from harness import configuration
from harness.relais import run
from harness.users import Users


def started(start_relais, tmp_path, **keys):
    config, _ = configuration.two_folders(tmp_path / "stores", **configuration.no_sidecars())
    return Users(start_relais(config=config, environment=configuration.many_logins(**keys)))


def statuses(answers):
    return [answer.status_code for answer in answers]


def test_so_many_attempts_a_minute_at_one_account(start_relais, tmp_path):
    users = started(start_relais, tmp_path, login_attempts_per_minute=3)
    for email in ("ada@app.example", "eve@app.example"):
        assert users.register(email).status_code == 201
    assert statuses(users.login("ada@app.example", password="wrong") for _ in range(3)) == [401] * 3
    refused = users.login("Ada@app.example ")
    assert (refused.status_code, refused.headers["Content-Type"]) == (429, "application/problem+json")
    assert 1 <= int(refused.headers["Retry-After"]) <= 21
    assert users.login("eve@app.example").status_code == 200, "others are not held up"
    unknown = statuses(users.login("nobody@app.example") for _ in range(4))
    assert unknown == [401] * 3 + [429], "a user that is not there is counted, too, or 429 would tell"


def test_so_many_attempts_a_minute_from_one_address(start_relais, tmp_path):
    users = started(start_relais, tmp_path, address_attempts_per_minute=5)
    assert users.register("ada@app.example").status_code == 201
    tried = statuses(users.login(f"user-{n}@app.example") for n in range(5))
    assert tried == [401] * 4 + [429]
    assert users.register("eve@app.example").status_code == 429
    assert users.login("ada@app.example").status_code == 429


def test_a_flood_of_logins_is_told_to_come_back_and_the_rest_goes_on(start_relais, tmp_path):
    users = started(start_relais, tmp_path, password_threads_max=1, password_queue_max=2)
    assert users.register("ada@app.example").status_code == 201
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: users.login("ada@app.example"), range(20)))
        alive = users.send("GET", "/health")
    assert alive.status_code == 200
    assert set(statuses(answers)) == {200, 503}, statuses(answers)
    busy = next(answer for answer in answers if answer.status_code == 503)
    assert int(busy.headers["Retry-After"]) >= 1 and busy.headers["Content-Type"] == "application/problem+json"
    assert users.login("ada@app.example").status_code == 200


def test_registration_can_be_closed(start_relais, tmp_path):
    users = started(start_relais, tmp_path, registration=False)
    assert users.register("ada@app.example").status_code == 403
    assert users.login("ada@app.example").status_code == 401


def test_weak_hashes_cannot_be_configured(tmp_path):
    for cost in (4, 9, 16):
        done = run("config", RELAIS_DATA_DIR=tmp_path, **configuration.many_logins(bcrypt_cost=cost))
        assert done.returncode == 64 and "accounts.bcrypt_cost" in done.stderr and "10 to 15" in done.stderr
