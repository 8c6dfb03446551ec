"""A certificate authority of the tests' own, and certificates for this machine's loopback names and for clients."""

from dataclasses import dataclass
from pathlib import Path

import trustme


@dataclass(frozen=True)
class Certificate:
    """Files in PEM: the authority that clients trust, the chain, the key."""

    authority: Path
    chain: Path
    key: Path


class Authority:
    """An authority whose certificates a folder gets."""

    def __init__(self, folder):
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self._authority = folder, trustme.CA()
        self._authority.cert_pem.write_to_path(folder / "authority.pem")

    def issue(self, name, *identities):
        """Writes a certificate, over an earlier one of this name."""
        issued = self._authority.issue_cert(*(identities or ("127.0.0.1", "localhost")))
        files = Certificate(self.folder / "authority.pem", self.folder / f"{name}.pem", self.folder / f"{name}-key.pem")
        files.chain.write_bytes(b"".join(part.bytes() for part in issued.cert_chain_pems))
        issued.private_key_pem.write_to_path(files.key)
        return files


def make_certificate(folder):
    return Authority(folder).issue("server")
