"""Writes the generated parts of docs/compatibility.md; what stands outside the markers is kept by hand."""

import re
import tomllib
from collections import defaultdict
from importlib.metadata import version
from pathlib import Path

from outcome import LISTS, read_list
from selection import LEFT_OUT

HERE = Path(__file__).resolve().parent
DOCUMENT = HERE.parents[1] / "docs" / "compatibility.md"
REASONS = HERE / "reasons.toml"
FAULT = "passes against moto alone: a fault of relais"
UNKNOWN = "not yet looked at"
ENDPOINTS = {
    "none": "moto {moto} alone",
    "moto": "relais over two moto {moto}, write mode `all`",
    "folder": "relais over two folders, write mode `all`",
}


def write_numbers(outcome):
    """The counts of the three lists, and what is not run."""
    lines = [f"{len(outcome.tests)} tests are selected.", "", "| endpoint | pass |", "|---|---|"]
    for store, name in ENDPOINTS.items():
        if passed := read_list(LISTS[store]):
            lines.append(f"| {name.format(moto=version('moto'))} | {len(passed)} |")
    lines += ["", "Left out:", "", "| group | tests | why |", "|---|---|---|"]
    left_out = outcome.left_out
    lines += [f"| {one.name} | {left_out[one.name]} | {one.reason} |" for one in LEFT_OUT if one.name in left_out]
    _replace("numbers", lines)


def write_failing(failing):
    """Every selected test that does not pass, with the first reason of `reasons.toml` whose pattern it matches."""
    rows = defaultdict(list)
    reasons = read_reasons()
    bare = read_list(LISTS["none"])
    for name in sorted(failing):
        reason = FAULT if name in bare else reason_for(name, reasons)
        rows[reason].append(f"`{name.partition('::')[2]}`")
    lines = ["| why | tests | which |", "|---|---|---|"]
    for reason in [*dict.fromkeys(reasons.values()), UNKNOWN, FAULT]:
        if reason in rows:
            lines.append(f"| {reason} | {len(rows[reason])} | {' '.join(rows[reason])} |")
    _replace("failing", lines)


def read_reasons():
    """Patterns of names, from their start, and why such a test does not pass; the first that matches counts."""
    return tomllib.loads(REASONS.read_text())


def reason_for(name, reasons):
    short = name.partition("::")[2]
    return next((reason for pattern, reason in reasons.items() if re.match(pattern, short)), UNKNOWN)


def _replace(part, lines):
    begin, end = f"<!-- s3-tests-{part}:begin -->", f"<!-- s3-tests-{part}:end -->"
    before, found, rest = DOCUMENT.read_text().partition(begin)
    _, closed, after = rest.partition(end)
    assert found and closed, f"{DOCUMENT} has no part between {begin!r} and {end!r}"
    DOCUMENT.write_text("\n".join([before + begin, *lines, end + after]))
