"""Tokens as an application makes them that shares SECRET_KEY with relais, and the ways in that they open."""

import base64
import hashlib
import hmac
import json
import time

import boto3
from botocore import UNSIGNED
from botocore.config import Config

from . import canary, configuration
from .clients import REGION, boto3_client

LIFE_SECONDS = 3600
ROLE_ARN = "arn:aws:iam::000000000000:role/any"  # SDKs want one; relais takes any.


def token(secret=configuration.SECRET_KEY, algorithm="HS256", header=None, **claims):
    """A JWT signed with the secret. Of itself it says only when it ends; a claim that is None is left out."""
    claims = {"exp": int(time.time()) + LIFE_SECONDS} | claims
    claims = {name: value for name, value in claims.items() if value is not None}
    parts = [{"alg": algorithm, "typ": "JWT"} | (header or {}), claims]
    signed = b".".join(_base64(json.dumps(part).encode()) for part in parts)
    digest = getattr(hashlib, f"sha{algorithm[2:]}")
    return canary.remember((signed + b"." + _base64(hmac.new(secret.encode(), signed, digest).digest())).decode())


def bearer(jwt):
    """The header by which plain HTTP shows a token."""
    return {"Authorization": f"Bearer {jwt}"}


def sts_client(relais):
    """A client of STS that signs nothing, as SDKs use it for web identity."""
    return boto3.client(
        "sts",
        endpoint_url=relais.url,
        region_name=REGION,
        verify=_authority(relais),
        config=Config(signature_version=UNSIGNED, retries={"total_max_attempts": 1}),
    )


def by_sts(relais, jwt, **asked):
    """A client with temporary credentials for a token."""
    answer = sts_client(relais).assume_role_with_web_identity(
        RoleArn=ROLE_ARN, RoleSessionName="test", WebIdentityToken=jwt, **asked
    )
    return with_credentials(relais, answer["Credentials"])


def with_credentials(relais, credentials):
    """A client with what STS answered."""
    key, secret, session = [credentials[name] for name in ("AccessKeyId", "SecretAccessKey", "SessionToken")]
    canary.remember(secret), canary.remember(session)
    return boto3_client(relais.url, key, secret, _authority(relais), session_token=session)


def by_session_token(relais, jwt):
    """A client that signs with a pair for tokens, and sends the token itself beside its signature."""
    pair = json.loads(relais.command("credentials", "--pair").stdout)
    secret = canary.remember(pair["secret_access_key"])
    return boto3_client(relais.url, pair["access_key_id"], secret, _authority(relais), session_token=jwt)


def by_bearer(relais, jwt):
    """A client that signs nothing and sends the token."""
    client = boto3_client(relais.url, None, None, _authority(relais), signature_version=UNSIGNED)

    def add_token(request, **_):
        request.headers.update(bearer(jwt))

    client.meta.events.register("before-send.s3", add_token)
    return client


def _authority(relais):
    return relais.certificate and relais.certificate.authority


def _base64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=")
