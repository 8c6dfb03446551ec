"""The table of clients in docs/compatibility.md: a run writes the row of each client whose tests all ran and passed."""

import re
from dataclasses import dataclass

from .process import REPOSITORY

DOCUMENT = REPOSITORY / "docs" / "compatibility.md"
BEGIN, END = "<!-- clients:begin -->", "<!-- clients:end -->"
HEAD = ["| client | version | shown by | what its tests show |", "|---|---|---|---|"]


@dataclass(frozen=True)
class Client:
    """A client with its version, the file of its tests and the names of them."""

    name: str
    version: str
    file: str
    tests: tuple[str, ...]

    def row(self):
        shown = "; ".join(test.removeprefix("test_").replace("_", " ") for test in self.tests)
        return f"| {self.name} | {self.version} | [{self.file}](../tests/clients/{self.file}) | {shown} |"


def write_table(clients, document=DOCUMENT):
    """Replaces the rows of these clients, keeps the others, and leaves everything outside the markers as it is."""
    if not clients:
        return
    found = re.fullmatch(f"(.*{BEGIN}\n)(.*)({END}.*)", document.read_text(), re.DOTALL)
    assert found, f"{document} has lost the lines {BEGIN} and {END}"
    before, table, after = found.groups()
    rows = {_name(line): line for line in table.splitlines()[len(HEAD) :] if line.startswith("|")}
    rows |= {client.name: client.row() for client in clients}
    lines = HEAD + [rows[name] for name in sorted(rows, key=str.lower)]
    document.write_text(before + "".join(f"{line}\n" for line in lines) + after)


def _name(row):
    return row.split("|")[1].strip()
