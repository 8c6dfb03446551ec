"""Upload slots, as a page uses them: it asks the JSON port, and sends the file with what the slot says, and no more."""

import re

import requests

from . import canary, tokens


def slot(relais, profile, jwt, **asked):
    """Asks for a slot, which must be given."""
    answer = refused_slot(relais, profile, jwt, **asked)
    assert answer.status_code == 201, answer.text
    return remembered(answer.json())


def refused_slot(relais, profile, jwt, **asked):
    """Asks for a slot, and gives the answer as it came."""
    headers = tokens.bearer(jwt)
    return requests.post(f"{relais.api_url}/api/uploads/{profile}", json=asked, headers=headers, timeout=30)


def remembered(given):
    """No log may hold the signatures and tokens of a slot."""
    canary.remember(given.get("fields", {}).get("x-amz-security-token"))
    for secret in set(re.findall(r"X-Amz-(?:Security-Token|Signature)=([^&\"]+)", str(given))):
        canary.remember(secret)
    return given


def put(given, body, **headers):
    """Sends the file with the slot's signed URL and headers."""
    return requests.put(given["url"], data=body, headers=given["headers"] | headers, timeout=60)


def post(given, body, **fields):
    """Sends the file with the slot's form."""
    return requests.post(given["url"], data=given["fields"] | fields, files={"file": ("name", body)}, timeout=60)


def plan(relais, profile, jwt, given):
    """Asks again for the plan of an upload in parts, as after a break."""
    url = f"{relais.api_url}/api/uploads/{profile}/{given['upload_id']}"
    answer = requests.get(url, params={"key": given["key"]}, headers=tokens.bearer(jwt), timeout=30)
    assert answer.status_code == 200, answer.text
    return remembered(answer.json())


def put_part(part, body, part_bytes):
    """Sends one part of the file that the plan is for."""
    start = part_bytes * (part["number"] - 1)
    return requests.put(part["url"], data=body[start : start + part["bytes"]], timeout=60)


def complete(given):
    """Completes an upload, all of whose parts are done."""
    parts = [(one["number"], one["etag"]) for one in given["parts"]]
    listed = "".join(f"<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>" for number, etag in parts)
    body = f"<CompleteMultipartUpload>{listed}</CompleteMultipartUpload>"
    return requests.post(given["complete_url"], data=body, timeout=60)
