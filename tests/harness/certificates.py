"""A certificate authority of the tests' own, and one certificate for this machine's loopback names."""

from dataclasses import dataclass
from pathlib import Path

import trustme


@dataclass(frozen=True)
class Certificate:
    """Files in PEM: the authority that clients trust, the server's chain, the server's key."""

    authority: Path
    chain: Path
    key: Path


def make_certificate(folder):
    authority = trustme.CA()
    server = authority.issue_cert("127.0.0.1", "localhost")
    certificate = Certificate(folder / "authority.pem", folder / "server.pem", folder / "server-key.pem")
    authority.cert_pem.write_to_path(certificate.authority)
    for part in server.cert_chain_pems:
        part.write_to_path(certificate.chain, append=True)
    server.private_key_pem.write_to_path(certificate.key)
    return certificate
