"""The S3 clients that people use: boto3 and aws-cli."""

import contextlib
import json
import subprocess
import sys
from pathlib import Path

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from .process import plain_environment

REGION = "us-east-1"
AWS_CONFIG = Path(__file__).with_name("aws.config")  # Version 1 of aws-cli presigns with SigV2 unless told.

# Who opens connections in several threads with one SSLContext sends, some times in a million, a ClientHello whose ALPN is garbage:
# urllib3 sets ALPN anew for each connection, while CPython makes another one's state from it without the GIL. A server has to refuse
# that. With attempts to spare (AWS_MAX_ATTEMPTS) nobody would notice.
BROKEN_HELLO = "TLSV1_ALERT_DECODE_ERROR"


def boto3_client(url, access_key, secret_key, authority=None, addressing="path", session_token=None, **config):
    """A boto3 client that signs with SigV4 and never hides a failure by trying again."""
    defaults = {
        "signature_version": "s3v4",
        "s3": {"addressing_style": addressing},
        "retries": {"total_max_attempts": 1},
        "read_timeout": 60,
    }
    return boto3.client(
        "s3",
        endpoint_url=url,
        region_name=REGION,
        aws_access_key_id=access_key,
        aws_secret_access_key=secret_key,
        aws_session_token=session_token,
        verify=str(authority) if authority else None,
        config=Config(**(defaults | config)),
    )


def aws(server, *arguments, seconds=120):
    """Runs `aws ARGUMENTS` against a server with `url`, `access_key`, `secret_key`; gives what it did and printed."""
    command, environment = aws_command(server, *arguments)
    try:
        return run_client(command, environment, seconds)
    except AssertionError as failed:
        if BROKEN_HELLO not in str(failed):
            raise
        return run_client(command, environment, seconds)


def aws_command(server, *arguments):
    """The command `aws ARGUMENTS` against that server, and its environment."""
    environment = plain_environment(
        AWS_ACCESS_KEY_ID=server.access_key,
        AWS_SECRET_ACCESS_KEY=server.secret_key,
        AWS_DEFAULT_REGION=REGION,
        AWS_CONFIG_FILE=AWS_CONFIG,
        AWS_SHARED_CREDENTIALS_FILE="/dev/null",
        AWS_EC2_METADATA_DISABLED="true",
        AWS_MAX_ATTEMPTS="1",
        AWS_PAGER="",
    )
    trusted = ["--ca-bundle", server.certificate.authority] if server.certificate else []
    return [program("aws"), "--endpoint-url", server.url, *trusted, *arguments], environment


def program(name):
    """A program that is installed beside the Python that runs the tests."""
    return Path(sys.executable).with_name(name)


def run_client(command, environment, seconds=120, text=True, **options):
    """Runs a client to its end, which must be a good one; gives what it did and printed."""
    command = [str(part) for part in command]
    done = subprocess.run(command, env=environment, capture_output=True, text=text, timeout=seconds, **options)
    assert done.returncode == 0, f"{command} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
    return done


def aws_json(server, *arguments):
    """What `aws ARGUMENTS` printed, as data; nothing printed gives nothing."""
    printed = aws(server, *arguments, "--output", "json").stdout
    return json.loads(printed) if printed.strip() else {}


def refused(call, *args, **kwargs):
    """Calls, expects an S3 error, and gives status and code."""
    with pytest.raises(ClientError) as caught:
        call(*args, **kwargs)
    answer = caught.value.response
    return answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Code"]


def ensure_bucket(s3, name):
    """Makes the bucket; one that the configuration names may be there from the start."""
    with contextlib.suppress(s3.exceptions.BucketAlreadyOwnedByYou):
        s3.create_bucket(Bucket=name)
