"""The document at /openapi.json: each path and method of it is there, and refuses in the form that it says."""

import re

import pytest
import requests

from harness import configuration


@pytest.fixture(scope="module")
def service(start_shared_relais, tmp_path_factory):
    config, _ = configuration.two_folders(tmp_path_factory.mktemp("openapi"), **configuration.no_sidecars())
    return start_shared_relais(config=config)


@pytest.fixture(scope="module")
def document(service):
    answer = requests.get(f"{service.api_url}/openapi.json", timeout=10)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/json")
    return answer.json()


def call(service, method, path):
    return requests.request(method.upper(), service.api_url + re.sub(r"{\w+}", "x", path), timeout=10)


def operations(document):
    return [(method, path, one) for path, methods in document["paths"].items() for method, one in methods.items()]


def test_every_path_and_method_is_there(service, document):
    assert len(operations(document)) >= 14
    for method, path, operation in operations(document):
        answer = call(service, method, path)
        assert answer.status_code not in (404, 405), f"{method} {path}: {answer.text}"
        if operation["security"]:
            assert answer.status_code == 401, f"{method} {path} is open"
        assert str(answer.status_code) in operation["responses"], f"{method} {path}: {answer.status_code}"


def test_refusals_are_problems_everywhere(service, document):
    for method, path, _ in operations(document):
        answer = call(service, method, path)
        if answer.status_code < 400 or path == "/ready":
            continue
        assert answer.headers["Content-Type"] == "application/problem+json", f"{method} {path}: {answer.text}"
        # RFC 9457 lets a problem have more members; those of /api/credentials are what SDKs look for.
        assert {"type", "title", "status", "detail"} <= set(answer.json())


def test_other_methods_and_paths_are_refused(service, document):
    for path in {path for _, path, _ in operations(document)}:
        methods = document["paths"][path]
        other = next(method for method in ("patch", "delete") if method not in methods)
        answer = call(service, other, path)
        if answer.status_code != 401:  # Some want to know who asks before they say what there is.
            assert answer.status_code == 405, path
            assert methods.keys() <= {name.lower() for name in answer.headers["Allow"].split(",")}
        assert answer.headers["Content-Type"] == "application/problem+json"
    assert call(service, "get", "/api").status_code == 404
