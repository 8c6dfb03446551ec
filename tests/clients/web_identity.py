"""Puts and gets with the credentials that boto3 finds by itself: `python web_identity.py BUCKET OWN FOREIGN`, two folders.

Nothing of credentials is said here. test_web_identity.py starts it.
"""

import sys

import boto3
from botocore.exceptions import ClientError


def denied(call, **asked):
    try:
        call(**asked)
    except ClientError as error:
        assert error.response["Error"]["Code"] == "AccessDenied", error
    else:
        raise AssertionError(f"{asked} was not refused")


bucket, own, foreign = sys.argv[1:]
s3 = boto3.client("s3")
s3.put_object(Bucket=bucket, Key=f"{own}note.txt", Body=b"by boto3")
assert s3.get_object(Bucket=bucket, Key=f"{own}note.txt")["Body"].read() == b"by boto3"
denied(s3.put_object, Bucket=bucket, Key=f"{foreign}note.txt", Body=b"x")
denied(s3.get_object, Bucket=bucket, Key=f"{foreign}theirs.txt")
