"""Watches the whole run for secrets in what relais says: its logs, its metrics, its errors and what its commands print in anger.

Every secret that the tests know is remembered here; at the end of the session all logs are searched for each of them, and for
what looks like a signature or a token. Answers are searched as they come: what STS and `key create` hand out is their purpose,
so only refusals and metrics are.
"""

import re
from pathlib import Path

import botocore.httpsession
import requests.adapters

from . import configuration
from .accounts import ALICE, BOB

LOOKS_SECRET = {
    "a signature in a query": rb"X-Amz-Signature=",
    "a signature in a header": rb"Signature=[0-9a-f]{64}",
    "a JWT": rb"eyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]{8,}",
    "a bcrypt hash": rb"\$2[aby]\$\d\d\$",
    "a private key": rb"-----BEGIN [A-Z ]*PRIVATE KEY",
}

_secrets = {configuration.ROOT_SECRET_KEY, configuration.SECRET_KEY, ALICE.secret_key, BOB.secret_key}
_logs = set()
_told = []  # Where a secret was found in an answer, by name.


def remember(secret):
    """Adds a secret that no log may hold; gives it back."""
    if secret:
        _secrets.add(secret)
    return secret


def watch(log):
    """Adds a log to those that are searched at the end."""
    _logs.add(Path(log))


def secrets_in(data):
    """What of a text is secret: the kinds of it, never the secrets themselves."""
    found = [what for what, pattern in LOOKS_SECRET.items() if re.search(pattern, data)]
    known = [secret for secret in _secrets if secret.encode() in data]
    return found + [f"a secret of {len(secret)} characters that begins with {secret[:3]}" for secret in known]


def answers_are_searched():
    """From now on each refusal and each page of metrics is searched, whichever client got it."""
    send = requests.adapters.HTTPAdapter.send

    def searched(self, request, *args, **kwargs):
        response = send(self, request, *args, **kwargs)
        # A stream is left to its reader; errors are short and come whole.
        if response.status_code >= 400 or response.url.endswith("/metrics"):
            _search(request.method, request.path_url, response.content)
        return response

    requests.adapters.HTTPAdapter.send = searched
    boto_send = botocore.httpsession.URLLib3Session.send

    def boto_searched(self, request):
        response = boto_send(self, request)
        if response.status_code >= 400:
            _search(request.method, request.url, response.content)
        return response

    botocore.httpsession.URLLib3Session.send = boto_searched


def printed(command, errors):
    """Searches what a command printed beside its purpose."""
    _told.extend(f"{' '.join(command[1:3])}, standard error: {what}" for what in secrets_in(errors.encode()))


def found():
    """Every place where a secret was told, logs last."""
    places = list(_told)
    for log in sorted(_logs):
        if log.exists():
            places += [f"{log}: {what}" for what in secrets_in(log.read_bytes())]
    return places


def _search(method, url, body):
    path = url.split("?")[0]
    _told.extend(f"the answer to {method} {path}: {what}" for what in secrets_in(body))
