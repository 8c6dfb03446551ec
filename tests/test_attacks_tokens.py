"""Tokens that lie: none of them opens anything, by any way in, and none of them costs the issuer or relais more than a refusal."""

import base64
import hashlib
import hmac
import http.server
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest
import requests
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from harness import canary, configuration, media, raw, tokens
from harness.clients import refused
from harness.configuration import allow, role
from harness.stores import everything_in

BUCKET = "media"
OWN, FOREIGN = "users/42/note.txt", "users/420/note.txt"
ISSUER, KEY_SET_ISSUER = "https://idp.example", "https://keys.example"
KEYS = {name: rsa.generate_private_key(public_exponent=65537, key_size=2048) for name in ("issuer", "set", "attacker")}
REFUSED = {
    "sts": (400, "InvalidIdentityToken"),
    "bearer": (400, "InvalidToken"),
    "session token": (400, "InvalidToken"),
    "json": (401, None),
    "container": (401, None),
}
USER = role(
    "user", [allow(["s3:GetObject", "s3:PutObject"], [f"{BUCKET}/users/${{jwt:sub}}/*"])], claims={"role": "user"}
)


@dataclass(frozen=True)
class Pair:
    """A pair of keys for tokens, as `raw` signs with it."""

    access_key: str
    secret_key: str


def encoded(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def base64_number(number):
    return encoded(number.to_bytes((number.bit_length() + 7) // 8))


def public_pem(key, form=serialization.PublicFormat.SubjectPublicKeyInfo, encoding=serialization.Encoding.PEM):
    return key.public_key().public_bytes(encoding, form)


def jwk(name, **more):
    numbers = KEYS[name].public_key().public_numbers()
    return {"kty": "RSA", "n": base64_number(numbers.n), "e": base64_number(numbers.e), **more}


def claims(**changes):
    """What a good token of the issuer says, but for the changes; None leaves one out."""
    said = {"iss": ISSUER, "aud": "relais", "sub": "42", "role": "user", "exp": int(time.time()) + 3600}
    return {name: value for name, value in (said | changes).items() if value is not None}


def assembled(header, body, signature):
    """A token of these parts; a header or a body that is bytes is taken as it is."""
    parts = [part if isinstance(part, bytes) else json.dumps(part).encode() for part in (header, body)]
    message = ".".join(encoded(part) for part in parts)
    return canary.remember(f"{message}.{encoded(signature(message.encode()))}")


def by_rsa(name="issuer", header=None, body=None, **changes):
    """A token that a key signed."""
    sign = lambda message: KEYS[name].sign(message, padding.PKCS1v15(), hashes.SHA256())
    return assembled({"alg": "RS256", "typ": "JWT"} | (header or {}), body or claims(**changes), sign)


def by_secret(secret, algorithm="HS256", header=None, **changes):
    """A token that these bytes signed as a secret."""
    digest = getattr(hashlib, f"sha{algorithm[2:]}")
    sign = lambda message: hmac.new(secret, message, digest).digest()
    return assembled({"alg": algorithm, "typ": "JWT"} | (header or {}), claims(**changes), sign)


def of_relais(body):
    """A token that SECRET_KEY signed, of exactly these bytes."""
    sign = lambda message: hmac.new(configuration.SECRET_KEY.encode(), message, hashlib.sha256).digest()
    return assembled({"alg": "HS256"}, body, sign)


@pytest.fixture(scope="module")
def key_server():
    """Publishes a key set, and counts who asks for it, or for anything."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.server.asked.append(self.path)
            body = json.dumps({"keys": [jwk("set", kid="good", use="sig", alg="RS256")]}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.asked = []
        server.url = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture(scope="module")
def relais(start_shared_relais, tmp_path_factory, key_server):
    of_key = {"name": "idp", "issuer": ISSUER, "audience": "relais", "algorithms": ["RS256"]}
    of_set = {"name": "keys", "issuer": KEY_SET_ISSUER, "audience": "relais", "algorithms": ["RS256"]}
    issuers = [
        of_key | {"public_key": public_pem(KEYS["issuer"]).decode()},
        of_set | {"jwks_url": f"{key_server.url}/jwks.json"},
    ]
    config, folders = configuration.two_folders(
        tmp_path_factory.mktemp("tokens"),
        named=[configuration.bucket(BUCKET, ["first", "second"], write_mode="all")],
        lists={"access.issuers": issuers, "access.roles": [USER]},
        **configuration.no_sidecars(),
    )
    one = start_shared_relais("tokens", config=config)
    one.folders = folders
    pair = json.loads(one.command("credentials", "--pair").stdout)
    one.pair = Pair(pair["access_key_id"], canary.remember(pair["secret_access_key"]))
    for key in (OWN, FOREIGN):
        one.client().put_object(Bucket=BUCKET, Key=key, Body=b"the users")
    return one


@pytest.fixture
def nothing_changes(relais):
    """After the test the stores hold what they held, and relais lives in little memory."""
    before = everything_in(relais.folders)
    yield
    assert everything_in(relais.folders) == before
    assert relais.is_ready()
    assert relais.memory_peak_bytes() < 300 * media.MIB


def asked(relais, jwt, method="GET", key=OWN):
    """The answers that a token gets, by the way in."""
    url = f"{relais.url}/{BUCKET}/{key}"
    form = {"Action": "AssumeRoleWithWebIdentity", "Version": "2011-06-15", "RoleArn": tokens.ROLE_ARN}
    form |= {"RoleSessionName": "test", "WebIdentityToken": jwt}
    signed = raw.signed_headers(relais.pair, method, url, {"x-amz-security-token": jwt})
    return {
        "sts": requests.post(relais.url, data=form, timeout=20),
        "bearer": requests.request(method, url, headers=tokens.bearer(jwt), timeout=20),
        "session token": requests.request(method, url, headers=signed, timeout=20),
        "json": requests.get(f"{relais.api_url}/api/auth/me", headers=tokens.bearer(jwt), timeout=20),
        "container": requests.get(f"{relais.api_url}/api/credentials", headers=tokens.bearer(jwt), timeout=20),
    }


def verdicts(relais, jwt):
    """Status and S3 code of each of them; those of the JSON port have no code."""
    given = {}
    for way, answer in asked(relais, jwt).items():
        code = answer.text.partition("<Code>")[2].partition("</Code>")[0]
        given[way] = (answer.status_code, code or None)
        assert "the users" not in answer.text
        assert "eyJ" not in answer.text, "the refusal repeats the token"
    return given


def test_good_tokens_are_taken(relais):
    """The control: what the tests below send differs from these in one thing each."""
    good = [by_rsa(), by_rsa("set", {"kid": "good"}, iss=KEY_SET_ISSUER), of_relais(claims(iss="relais"))]
    for jwt in good:
        answers = asked(relais, jwt)
        assert {way: answers[way].status_code for way in ("sts", "bearer", "session token", "container")} == dict.fromkeys(
            ("sts", "bearer", "session token", "container"), 200
        )
        assert answers["bearer"].content == answers["session token"].content == b"the users"
        theirs = asked(relais, jwt, key=FOREIGN)
        assert (theirs["bearer"].status_code, theirs["session token"].status_code) == (403, 403)


@pytest.mark.usefixtures("nothing_changes")
@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "nOnE", "", None, "HS1", "RS256 ", ["RS256"]])
def test_token_without_a_signature_is_refused(relais, algorithm):
    good = by_rsa()
    for issuer in (ISSUER, "relais", None):
        for signature in (b"", b"x" * 256, base64.urlsafe_b64decode(good.rsplit(".", 1)[1] + "==")):
            header = {"alg": algorithm, "typ": "JWT"} if algorithm is not None else {"typ": "JWT"}
            jwt = assembled(header, claims(iss=issuer), lambda _, signature=signature: signature)
            assert verdicts(relais, jwt) == REFUSED


SECRETS_OUT_OF_A_PUBLIC_KEY = {
    "PEM": public_pem(KEYS["issuer"]),
    "PEM without its last line end": public_pem(KEYS["issuer"]).rstrip(),
    "PKCS1": public_pem(KEYS["issuer"], serialization.PublicFormat.PKCS1),
    "DER": public_pem(KEYS["issuer"], encoding=serialization.Encoding.DER),
    "PKCS1 DER": public_pem(KEYS["issuer"], serialization.PublicFormat.PKCS1, serialization.Encoding.DER),
    "modulus": KEYS["issuer"].public_key().public_numbers().n.to_bytes(256),
    "nothing": b"",
}


@pytest.mark.usefixtures("nothing_changes")
@pytest.mark.parametrize("what", SECRETS_OUT_OF_A_PUBLIC_KEY)
def test_public_key_is_no_secret(relais, what):
    secret = SECRETS_OUT_OF_A_PUBLIC_KEY[what]
    for algorithm in ("HS256", "HS384", "HS512"):
        for issuer in (ISSUER, "relais", None):
            assert verdicts(relais, by_secret(secret, algorithm, iss=issuer)) == REFUSED
    in_disguise = by_secret(secret, header={"alg": "RS256"})  # Says RS256, and is an HMAC.
    assert verdicts(relais, in_disguise) == REFUSED


@pytest.mark.usefixtures("nothing_changes")
@pytest.mark.parametrize("secret", [public_pem(KEYS["set"]), json.dumps(jwk("set")).encode()], ids=["PEM", "JWK"])
def test_public_key_of_a_set_is_no_secret(relais, secret):
    for header in ({"kid": "good"}, {}):
        assert verdicts(relais, by_secret(secret, header=header, iss=KEY_SET_ISSUER)) == REFUSED


@pytest.mark.usefixtures("nothing_changes")
def test_no_issuer_signs_for_another(relais):
    """Each key is genuine, and its issuer is known; the token says that it is of another one."""
    own = configuration.SECRET_KEY.encode()
    lies = [
        by_secret(own),
        by_secret(own, iss=KEY_SET_ISSUER),
        by_rsa("set"),
        by_rsa("set", {"kid": "good"}),
        by_rsa(iss=KEY_SET_ISSUER),
        by_rsa(header={"kid": "good"}, iss=KEY_SET_ISSUER),
        by_rsa(iss="relais"),
        by_rsa(iss=None),
        by_rsa("attacker"),
        by_rsa(iss="https://unknown.example"),
        by_rsa(iss=ISSUER + "/"),
        by_rsa(iss=ISSUER.upper()),
        by_rsa(iss=[ISSUER]),
    ]
    for number, jwt in enumerate(lies):
        assert verdicts(relais, jwt) == REFUSED, number


@pytest.mark.usefixtures("nothing_changes")
def test_key_that_a_token_brings_is_not_used_and_no_address_in_it_is_asked(relais, key_server):
    before = len(key_server.asked)
    theirs = f"{key_server.url}/attackers.json"
    for header in (
        {"jwk": jwk("attacker")},
        {"jku": theirs},
        {"x5u": theirs},
        {"x5c": [encoded(public_pem(KEYS["attacker"], encoding=serialization.Encoding.DER))]},
        {"kid": theirs},
        {"kid": "../../../../dev/null"},
        {"kid": "x' UNION SELECT 'secret"},
        {"crit": ["exp"]},
    ):
        assert verdicts(relais, by_rsa("attacker", header)) == REFUSED, header
    assert verdicts(relais, by_rsa(header={"kid": ["good"]})) == REFUSED
    assert verdicts(relais, by_rsa(header={"crit": ["exp"]})) == REFUSED
    assert len(key_server.asked) == before


@pytest.mark.usefixtures("nothing_changes")
def test_flood_of_unknown_key_ids_costs_the_issuer_two_requests(relais, key_server):
    """300 ids that nobody has, at once; whoever has a good token is served in between."""
    key_server.asked.clear()
    url = f"{relais.url}/{BUCKET}/{OWN}"

    def send(number):
        jwt = by_rsa("attacker", {"kid": f"unknown-{number}"}, iss=KEY_SET_ISSUER)
        good = by_rsa("set", {"kid": "good"}, iss=KEY_SET_ISSUER)
        answers = [requests.get(url, headers=tokens.bearer(one), timeout=20).status_code for one in (jwt, good)]
        return tuple(answers)

    begun = time.monotonic()
    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(send, range(300))) == {(400, 200)}
    windows = 1 + int((time.monotonic() - begun) / 10)  # One fetch in ten seconds.
    assert set(key_server.asked) <= {"/jwks.json"}
    assert len(key_server.asked) <= 1 + windows


@pytest.mark.usefixtures("nothing_changes")
def test_expired_token_is_told_so(relais):
    for jwt in (by_rsa(exp=int(time.time()) - 3600), of_relais(claims(iss=None, exp=1))):
        assert verdicts(relais, jwt) == {
            "sts": (400, "ExpiredTokenException"),
            "bearer": (400, "ExpiredToken"),
            "session token": (400, "ExpiredToken"),
            "json": (401, None),
            "container": (401, None),
        }


@pytest.mark.usefixtures("nothing_changes")
@pytest.mark.parametrize(
    "changes",
    [
        {"nbf": 4_000_000_000},
        {"nbf": "now"},
        {"exp": None},
        {"exp": "4000000000"},
        {"exp": -1},
        {"exp": 1e300},
        {"exp": [4_000_000_000]},
        {"exp": True},
        {"aud": None},
        {"aud": "elsewhere"},
        {"aud": "Relais"},
        {"aud": "relais "},
        {"aud": ["elsewhere", "relais-not"]},
        {"aud": []},
        {"aud": {"relais": True}},
        {"aud": 1},
    ],
    ids=str,
)
def test_token_of_another_time_or_for_another_audience_is_refused(relais, changes):
    assert verdicts(relais, by_rsa(**changes)) == REFUSED


@pytest.mark.usefixtures("nothing_changes")
def test_terms_cannot_be_said_twice(relais):
    """Who reads the first and who reads the last of two claims would not read the same."""
    twice = json.dumps(claims(iss="relais"))[:-1]
    for more in ('"sub": "420"', '"exp": 1', '"role": "admin"', f'"iss": "{ISSUER}"'):
        assert verdicts(relais, of_relais(f"{twice}, {more}}}".encode())) == REFUSED
    header = b'{"alg": "none", "alg": "RS256"}'
    sign = lambda message: KEYS["issuer"].sign(message, padding.PKCS1v15(), hashes.SHA256())
    assert verdicts(relais, assembled(header, claims(), sign)) == REFUSED


SUBJECTS_REFUSED = {
    "missing": None, "a list": ["42"], "an object": {"sub": "42"}, "true": True, "a fraction": 42.5, "empty": "",
    "NUL": "42\0", "a line end": "42\r\nx-amz-acl: public-read", "300 bytes": "4" * 300,
}  # fmt: skip


@pytest.mark.usefixtures("nothing_changes")
@pytest.mark.parametrize("subject", SUBJECTS_REFUSED)
def test_subject_that_names_nobody_is_refused(relais, subject):
    changes = {"sub": SUBJECTS_REFUSED[subject]}
    assert verdicts(relais, by_rsa(**changes)) == REFUSED
    assert verdicts(relais, of_relais(claims(iss=None, **changes))) == REFUSED


@pytest.mark.usefixtures("nothing_changes")
@pytest.mark.parametrize("subject", ["root", "relais", "anonymous", "idp:42", "keys:42"])
def test_applications_cannot_name_relais_itself_or_users_of_an_issuer(relais, subject):
    assert verdicts(relais, of_relais(claims(iss="relais", sub=subject))) == REFUSED


@pytest.mark.usefixtures("nothing_changes")
def test_root_of_an_issuer_is_not_relais_root(relais):
    """At another issuer anybody may be called root; it is an account of that issuer like any other."""
    jwt = by_rsa(sub="root")
    s3 = tokens.by_bearer(relais, jwt)
    assert refused(s3.list_buckets) == (403, "AccessDenied")
    assert refused(s3.get_object, Bucket=BUCKET, Key=OWN) == (403, "AccessDenied")
    assert refused(s3.delete_object, Bucket=BUCKET, Key=OWN) == (403, "AccessDenied")
    erasing = requests.delete(f"{relais.api_url}/api/users/42/objects", headers=tokens.bearer(jwt), timeout=20)
    assert erasing.status_code == 403


def test_subject_may_be_a_number(relais):
    """As applications with numbered users make them; the number is the name, and no other."""
    for jwt in (by_rsa(sub=42), of_relais(claims(iss=None, sub=42))):
        assert asked(relais, jwt)["bearer"].content == b"the users"
        assert asked(relais, jwt, key=FOREIGN)["bearer"].status_code == 403


@pytest.mark.usefixtures("nothing_changes")
@pytest.mark.parametrize("said", ["admin", "User", "user ", "use*", "*", ["users"], {"user": 1}, True, 1, None], ids=str)
def test_role_is_held_by_its_very_name(relais, said):
    s3 = tokens.by_bearer(relais, by_rsa(role=said))
    assert refused(s3.get_object, Bucket=BUCKET, Key=OWN) == (403, "AccessDenied")


def test_token_of_six_kibibytes_is_taken_everywhere(relais):
    jwt = by_rsa(groups=[f"group-{number:04}" for number in range(330)])
    assert 6 * 1024 < len(jwt) < 8 * 1024
    answers = asked(relais, jwt)
    answers.pop("json")  # Which asks for a user that the table knows.
    assert {way: answer.status_code for way, answer in answers.items()} == dict.fromkeys(answers, 200)


@pytest.mark.usefixtures("nothing_changes")
def test_token_of_seventeen_kibibytes_is_refused(relais):
    jwt = by_rsa(groups=["x" * 12_500])
    assert len(jwt) > 16 * 1024
    assert verdicts(relais, jwt) == REFUSED


@pytest.mark.usefixtures("nothing_changes")
def test_tokens_of_great_depth_and_of_no_form_are_refused(relais):
    deep = b'{"a":' * 2_000
    bad = [
        of_relais(b"[" * 10_000),
        of_relais(b'{"sub":"42","role":"user","exp":4000000000,"a":' + b"[" * 5_000 + b"]" * 5_000 + b"}"),
        of_relais(deep + b"1" + b"}" * 2_000),
        of_relais(b"\xff\xfe"),
        of_relais(b"null"),
        of_relais(b"[]"),
        by_rsa(header={"x": json.loads("[" * 500 + "]" * 500)}),
        "....",
        "a.b.c",
        by_rsa() + ".",
        by_rsa() + "=",
        by_rsa().replace(".", "..", 1),
        "eyJ" * 3_000,
    ]
    for number, jwt in enumerate(bad):
        assert verdicts(relais, jwt) == REFUSED, number


@pytest.mark.usefixtures("nothing_changes")
def test_token_with_one_letter_changed_is_refused(relais):
    """At the beginning, in the middle and at the end of each part; the last letter's spare bits count, too."""
    good = by_rsa()
    starts = [0, good.index(".") + 1, good.rindex(".") + 1]
    ends = [start - 2 for start in starts[1:]] + [len(good) - 1]
    for place in {*starts, *ends, *((start + end) // 2 for start, end in zip(starts, ends, strict=True))}:
        other = "A" if good[place] != "A" else "B"
        assert verdicts(relais, canary.remember(good[:place] + other + good[place + 1 :])) == REFUSED, place
