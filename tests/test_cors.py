"""Which web pages may use a bucket: the rules that clients put, on preflights, answers and errors."""

import pytest
import requests

from harness.clients import refused
from harness.process import eventually

PAGE = "https://app.example"
RULE = {
    "ID": "app",
    "AllowedOrigins": [PAGE, "https://*.dev.example"],
    "AllowedMethods": ["GET", "PUT"],
    "AllowedHeaders": ["x-amz-*", "content-type"],
    "ExposeHeaders": ["x-amz-meta-one"],
    "MaxAgeSeconds": 600,
}


@pytest.fixture
def url(relais, s3, bucket):
    """A bucket with the rule and one object; its address."""
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    put_rules(s3, bucket, RULE)
    return f"{relais.url}/{bucket}"


def put_rules(s3, bucket, *rules):
    s3.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": list(rules)})


def preflight(url, origin=PAGE, method="PUT", headers=None):
    asked = {"Origin": origin, "Access-Control-Request-Method": method}
    if headers:
        asked["Access-Control-Request-Headers"] = headers
    return requests.options(f"{url}/k", headers={name: value for name, value in asked.items() if value}, timeout=20)


def allowed(answer):
    return answer.headers.get("Access-Control-Allow-Origin")


def listed(answer, name):
    return {one.strip().lower() for one in answer.headers.get(name, "").split(",")}


def test_rules_are_given_back_and_removed(s3, bucket):
    missing = (404, "NoSuchCORSConfiguration")
    assert refused(s3.get_bucket_cors, Bucket=bucket) == missing
    put_rules(s3, bucket, RULE, {"AllowedOrigins": ["*"], "AllowedMethods": ["HEAD"]})
    found = s3.get_bucket_cors(Bucket=bucket)["CORSRules"]
    assert found == [RULE, {"AllowedOrigins": ["*"], "AllowedMethods": ["HEAD"]}]
    s3.delete_bucket_cors(Bucket=bucket)
    assert refused(s3.get_bucket_cors, Bucket=bucket) == missing


@pytest.mark.parametrize(
    "wrong",
    [
        {"AllowedOrigins": [PAGE], "AllowedMethods": ["PATCH"]},
        {"AllowedOrigins": ["https://*.*.example"], "AllowedMethods": ["GET"]},
    ],
)
def test_wrong_rule_is_refused(wrong, s3, bucket):
    assert refused(put_rules, s3, bucket, wrong) == (400, "InvalidRequest")
    assert refused(put_rules, s3, bucket) == (400, "MalformedXML")


@pytest.mark.parametrize("origin", [PAGE, "https://feature.dev.example"])
def test_preflight_is_allowed_what_the_rule_names(url, origin):
    answer = preflight(url, origin, headers="X-Amz-Date, Content-Type")
    assert (answer.status_code, allowed(answer)) == (200, origin)
    assert listed(answer, "Access-Control-Allow-Methods") == {"get", "put"}
    assert listed(answer, "Access-Control-Allow-Headers") >= {"x-amz-date", "content-type"}
    assert answer.headers["Access-Control-Max-Age"] == "600"
    assert listed(answer, "Vary") >= {"origin", "access-control-request-headers", "access-control-request-method"}


@pytest.mark.parametrize(
    "asked",
    [
        {"origin": "https://evil.example"},
        {"origin": f"{PAGE}.evil.example"},
        {"origin": "null"},
        {"method": "DELETE"},
        {"headers": "authorization"},
        {"headers": "x-amz-date, authorization"},
    ],
)
def test_preflight_is_refused_anything_else(url, asked):
    answer = preflight(url, **asked)
    assert (answer.status_code, "<Code>AccessForbidden</Code>" in answer.text) == (403, True)
    assert allowed(answer) is None
    assert "origin" in listed(answer, "Vary")


def test_preflight_says_where_it_comes_from_and_what_it_wants(url):
    assert requests.options(f"{url}/k", timeout=20).status_code == 400
    without_origin = requests.options(f"{url}/k", headers={"Access-Control-Request-Method": "GET"}, timeout=20)
    assert (without_origin.status_code, "<Code>BadRequest</Code>" in without_origin.text) == (400, True)
    assert preflight(url, method=None).status_code in (400, 403)


def test_answers_carry_the_rule(s3, bucket, url):
    signed = s3.generate_presigned_url("get_object", {"Bucket": bucket, "Key": "k"})
    answer = requests.get(signed, headers={"Origin": PAGE}, timeout=20)
    assert (answer.status_code, answer.content, allowed(answer)) == (200, b"x", PAGE)
    assert listed(answer, "Access-Control-Expose-Headers") >= {"etag", "x-amz-meta-one", "x-amz-request-id"}
    assert "origin" in listed(answer, "Vary")
    other = requests.get(signed, headers={"Origin": "https://evil.example"}, timeout=20)
    assert (other.status_code, allowed(other)) == (200, None), "who has no page may still ask"
    assert "origin" in listed(other, "Vary"), "or a cache would give this answer to the page"
    assert allowed(requests.get(signed, timeout=20)) is None


def test_errors_carry_the_rule(s3, bucket, url):
    unsigned = requests.get(f"{url}/k", headers={"Origin": PAGE}, timeout=20)
    assert (unsigned.status_code, allowed(unsigned)) == (403, PAGE)
    missing = s3.generate_presigned_url("get_object", {"Bucket": bucket, "Key": "none"})
    answer = requests.get(missing, headers={"Origin": PAGE}, timeout=20)
    assert (answer.status_code, allowed(answer)) == (404, PAGE)
    deletion = requests.delete(f"{url}/k", headers={"Origin": PAGE}, timeout=20)
    assert (deletion.status_code, allowed(deletion)) == (403, None), "no rule has DELETE"


def test_any_page_may_where_the_rule_says_so(s3, bucket, url):
    put_rules(s3, bucket, {"AllowedOrigins": ["*"], "AllowedMethods": ["GET"]})
    answer = preflight(url, "https://any.example", "GET")
    assert (answer.status_code, allowed(answer)) == (200, "*")
    assert "Access-Control-Allow-Credentials" not in answer.headers
    assert "Access-Control-Max-Age" not in answer.headers


def test_first_rule_that_fits_counts(s3, bucket, url):
    first = {"AllowedOrigins": ["*"], "AllowedMethods": ["GET"], "MaxAgeSeconds": 1}
    put_rules(s3, bucket, first, RULE | {"MaxAgeSeconds": 2})
    assert preflight(url, method="GET").headers["Access-Control-Max-Age"] == "1"
    assert preflight(url, method="PUT").headers["Access-Control-Max-Age"] == "2"


def test_removed_rules_allow_nothing(s3, bucket, url):
    assert preflight(url).status_code == 200
    s3.delete_bucket_cors(Bucket=bucket)
    eventually(lambda: preflight(url).status_code == 403)
    assert allowed(requests.get(f"{url}/k", headers={"Origin": PAGE}, timeout=20)) is None


def test_bucket_without_rules_and_missing_bucket_refuse_preflights(relais, bucket):
    for name in (bucket, "no-such-bucket", "Not_A_Bucket"):
        answer = preflight(f"{relais.url}/{name}")
        assert (answer.status_code, allowed(answer)) == (403, None)
