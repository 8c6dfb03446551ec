"""Users: they register, log in, are told of themselves and keep preferences, on both databases."""

import base64
import itertools
import json
import statistics
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from harness import configuration
from harness.database import Table
from harness.users import PASSWORD, Users

_numbers = itertools.count()


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def service(request, start_shared_relais, tmp_path_factory):
    """A relais with many attempts, whose table of users can be looked into."""
    environment = configuration.many_logins() | {"ALLOWED_ORIGINS": "https://app.example"}
    if request.param == "postgresql":
        environment["DATABASE_URL"] = request.getfixturevalue("postgres").new_database("users")
    config, _ = configuration.two_folders(tmp_path_factory.mktemp("users"), **configuration.no_sidecars())
    one = start_shared_relais(request.param, config=config, environment=environment)
    one.table = Table(one)
    return one


@pytest.fixture
def users(service):
    return Users(service)


@pytest.fixture
def email():
    return f"user-{next(_numbers)}@app.example"


def claims(token):
    body = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))


def is_problem(answer, status):
    body = answer.json()
    assert (answer.status_code, answer.headers["Content-Type"]) == (status, "application/problem+json"), answer.text
    assert set(body) == {"type", "title", "status", "detail"} and body["status"] == status
    return body["detail"]


def test_the_whole_story(service, users, email):
    registered = users.register(f"  {email.upper()} ", name="Ada")
    assert registered.status_code == 201, registered.text
    answer = registered.json()
    assert (set(answer), answer["token_type"]) == ({"access_token", "token_type", "user"}, "bearer")
    user = answer["user"]
    assert (user["email"], user["name"], user["is_active"], user["is_verified"]) == (email, "Ada", True, False)
    assert (user["credits"], user["preferences"], user["last_login"]) == (None, {}, None)
    assert "password" not in registered.text.lower()

    logged_in = users.login(email)
    assert logged_in.status_code == 200 and logged_in.json()["user"]["last_login"]
    token = logged_in.json()["access_token"]
    me = users.me(token)
    assert (me.status_code, me.json()) == (200, logged_in.json()["user"])

    chosen = {"theme": "dark", "ü": [1, 2.5, None, {"deep": True}], "sql": "'; DROP TABLE users; --"}
    kept = users.keep_preferences(token, chosen)
    assert (kept.status_code, kept.json()["preferences"]) == (200, chosen)
    assert users.keep_preferences(token, {"only": "this"}).json()["preferences"] == {"only": "this"}
    assert users.me(users.login(email).json()["access_token"]).json()["preferences"] == {"only": "this"}

    hashed = service.table.value("SELECT hashed_password FROM users WHERE email = ?", email)
    assert hashed.startswith("$2b$10$") and len(hashed) == 60


def test_a_token_says_who_it_is_for_and_lives_thirty_days(users, email):
    answer = users.register(email, name="Ada").json()
    said = claims(answer["access_token"])
    assert said["sub"] == str(answer["user"]["id"])
    assert (said["email"], said["email_verified"], said["name"], said["role"]) == (email, False, "Ada", "user")
    assert said["exp"] - said["iat"] == 30 * 24 * 3600
    other = claims(users.login(email).json()["access_token"])
    assert other["jti"] != said["jti"]


def test_an_email_is_registered_once(users, email):
    assert users.register(email).status_code == 201
    assert "registered already" in is_problem(users.register(email, password="another password"), 409)
    is_problem(users.register(email.upper()), 409)
    assert users.login(email).status_code == 200, "the first password holds"


def test_of_many_at_once_one_gets_the_email(users, email):
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda n: users.register(email, password=f"password {n}"), range(8)))
    statuses = sorted(answer.status_code for answer in answers)
    assert statuses == [201] + [409] * 7
    winner = next(n for n, answer in enumerate(answers) if answer.status_code == 201)
    right = [n for n in range(8) if users.login(email, password=f"password {n}").status_code == 200]
    assert right == [winner]


def test_unknown_users_wrong_passwords_and_inactive_users_hear_the_same(service, users, email):
    users.register(email)
    gone = f"gone-{email}"
    token = users.register(gone).json()["access_token"]
    service.table.change("UPDATE users SET is_active = FALSE WHERE email = ?", gone)

    def told(address, password):
        answer = users.login(address, password=password)
        return answer.status_code, answer.text, answer.headers["WWW-Authenticate"]

    wrong = told(email, "not the password")
    assert wrong[0] == 401
    assert told(f"nobody-{email}", PASSWORD) == wrong
    assert told(gone, PASSWORD) == wrong
    assert told(email, PASSWORD.upper()) == wrong and told(email, "") == wrong
    is_problem(users.me(token), 401)
    is_problem(users.keep_preferences(token, {}), 401)


def test_an_unknown_user_takes_as_long_as_a_wrong_password(users, email):
    users.register(email)

    def seconds(address):
        taken = []
        for _ in range(7):
            begun = time.monotonic()
            assert users.login(address, password="not the password").status_code == 401
            taken.append(time.monotonic() - begun)
        return statistics.median(taken)

    known, unknown = seconds(email), seconds(f"nobody-{email}")
    assert unknown > 0.4 * known, f"without hashing it would be a tenth: {unknown} against {known}"


@pytest.mark.parametrize("password", ["short", "x" * 73, "é" * 37, "1234\x005678", "", None, 12345678, ["12345678"]])
def test_passwords_that_bcrypt_would_cut_or_that_are_too_short_are_refused(service, users, email, password):
    detail = is_problem(users.register(email, password=password), 400)
    assert not isinstance(password, int) or str(password) not in detail
    assert service.table.value("SELECT count(*) FROM users WHERE email = ?", email) == 0


def test_a_password_of_72_bytes_counts_to_its_end(users, email):
    password = "é" * 36
    assert users.register(email, password=password).status_code == 201
    assert users.login(email, password=password).status_code == 200
    assert users.login(email, password=password[:-1] + "x").status_code == 401
    is_problem(users.login(email, password=password + "x"), 400)


def test_odd_emails_are_either_kept_as_they_are_or_refused(service, users):
    before = service.table.value("SELECT count(*) FROM users")
    for odd in ("", "@", "nobody", "a@b@c", "a@", "a b@c", "a\0@b.c", "a\r\n@b.c", "a" * 250 + "@b.example", None, 1, {}):
        is_problem(users.register(odd), 400)
        is_problem(users.login(odd), 400)
    assert service.table.value("SELECT count(*) FROM users") == before
    plain = ("x'or'1'='1@app.example", "x');drop/**/table/**/users;--@app.example", '"%_\\"@app.example', "${jwt:sub}@app.example")
    for odd in plain:
        assert users.register(odd).json()["user"]["email"] == odd
        assert users.login(odd).status_code == 200
        assert users.login(odd, password="' OR '1'='1").status_code == 401
    assert users.login("%@app.example").status_code == 401
    assert service.table.value("SELECT count(*) FROM users") == before + len(plain)


def test_hashes_that_other_applications_made_let_their_users_in(service, users, email):
    """The vector of crypt_blowfish, under the names that its libraries gave it."""
    users.register(email)
    for version in ("2a", "2b", "2y"):
        kept = f"${version}$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"
        service.table.change("UPDATE users SET hashed_password = ? WHERE email = ?", kept, email)
        assert users.login(email, password="U*U").status_code == 200, version
        assert users.login(email, password="U*V").status_code == 401, version
    for kept in ("", "U*U", "$argon2id$v=19$m=65536,t=3,p=4$c2FsdA$aGFzaA"):
        service.table.change("UPDATE users SET hashed_password = ? WHERE email = ?", kept, email)
        assert users.login(email, password="U*U").status_code == 401


def test_preferences_are_any_object_within_bounds(users, email):
    token = users.register(email).json()["access_token"]
    for wrong in ([], "text", 1, None, {"a": "\0"}, {"\0": 1}):
        is_problem(users.keep_preferences(token, wrong), 400)
    deepest = {}
    for _ in range(31):
        deepest = {"a": deepest}
    assert users.keep_preferences(token, deepest).json()["preferences"] == deepest
    assert "nested" in is_problem(users.keep_preferences(token, {"a": deepest}), 400)
    largest = {"a": "x" * 65_000}
    assert users.keep_preferences(token, largest).status_code == 200
    is_problem(users.keep_preferences(token, {"a": "x" * 66_000}), 413)
    assert users.me(token).json()["preferences"] == largest


def test_json_of_depth_ten_thousand_is_a_bad_request(service, users, email):
    token = users.register(email).json()["access_token"]
    for deep in ("[" * 10_000 + "]" * 10_000, '{"a":' * 10_000 + "1" + "}" * 10_000, "[" * 60_000):
        is_problem(users.send("PUT", "/api/auth/preferences", data=deep, token=token), 400)
        is_problem(users.send("POST", "/api/auth/login", data=deep), 400)
    assert users.me(token).status_code == 200


def test_bad_bodies_are_told_in_one_form(users):
    send = users.send
    assert "not JSON" in is_problem(send("POST", "/api/auth/login", data="{"), 400)
    assert "email" in is_problem(send("POST", "/api/auth/login", data="{}"), 400)
    is_problem(send("POST", "/api/auth/login", data=""), 400)
    is_problem(send("POST", "/api/auth/login", data=b"\xff\xfe"), 400)
    is_problem(send("POST", "/api/auth/login", data="{}", kind="text/plain"), 415)
    is_problem(send("POST", "/api/auth/register", data="x" * 70_000), 413)
    is_problem(send("GET", "/api/auth/nothing"), 404)
    is_problem(send("GET", "/"), 404)
    wrong = send("GET", "/api/auth/login")
    assert "method" in is_problem(wrong, 405) and wrong.headers["Allow"] == "POST"


def test_only_holders_of_a_token_are_told_of_themselves(service, users, email):
    token = users.register(email).json()["access_token"]
    head, body, signature = token.split(".")
    forged = base64.urlsafe_b64encode(json.dumps(claims(token) | {"sub": "1"}).encode()).decode().rstrip("=")
    none = base64.urlsafe_b64encode(b'{"alg":"none","typ":"JWT"}').decode().rstrip("=")
    for wrong in (None, "", "x", token[:-2], f"{head}.{forged}.{signature}", f"{none}.{body}.", f"{token} "[::-1]):
        answer = users.me(wrong)
        is_problem(answer, 401)
        assert answer.headers["WWW-Authenticate"] == "Bearer"
    service.table.change("DELETE FROM users WHERE email = ?", email)
    is_problem(users.me(token), 401)


def test_pages_of_allowed_origins_may_use_all_of_the_api(service):
    def preflight(path, method, origin="https://app.example"):
        headers = {
            "Origin": origin,
            "Access-Control-Request-Method": method,
            "Access-Control-Request-Headers": "authorization,content-type",
        }
        return requests.options(f"{service.api_url}{path}", headers=headers, timeout=10).headers

    for path, method in (("/api/auth/login", "POST"), ("/api/auth/preferences", "PUT"), ("/transcribe", "POST")):
        allowed = preflight(path, method)
        assert allowed["Access-Control-Allow-Origin"] == "https://app.example"
        assert {"GET", "POST", "PUT", "DELETE"} <= set(allowed["Access-Control-Allow-Methods"].split(","))
        assert "Access-Control-Allow-Origin" not in preflight(path, method, "https://evil.example")
    refused = requests.get(f"{service.api_url}/api/auth/me", headers={"Origin": "https://app.example"}, timeout=10)
    assert (refused.status_code, refused.headers["Access-Control-Allow-Origin"]) == (401, "https://app.example")
    assert "origin" in refused.headers["Vary"].lower()


def test_nothing_of_a_password_or_a_token_is_in_the_log(service, users, email):
    password = "canary-Xq7-password"
    token = users.register(email, password=password).json()["access_token"]
    users.login(email, password=password)
    users.login(email, password=f"{password}-wrong")
    users.me(token)
    users.me(f"{token}x")
    users.send("POST", "/api/auth/login", data=json.dumps({"email": email, "password": [password]}))
    hashed = service.table.value("SELECT hashed_password FROM users WHERE email = ?", email)
    log = service.text()
    assert "a user logged in" in log, "the log is looked at"
    for secret in (password, token, token.split(".")[2], hashed, email, PASSWORD):
        assert secret not in log
