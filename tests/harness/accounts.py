"""Accounts beside the root key, and somebody who has none."""

from dataclasses import dataclass

from botocore import UNSIGNED

from .clients import boto3_client


@dataclass(frozen=True)
class Account:
    """One access key, and whose it is."""

    owner: str
    access_key: str
    secret_key: str
    display_name: str
    email: str

    def client(self, relais, **config):
        """A boto3 client with this account's key."""
        return boto3_client(relais.url, self.access_key, self.secret_key, _authority(relais), **config)

    @property
    def grantee(self):
        """The account as a header of a grant names it."""
        return f"id={self.owner}"


ALICE = Account("alice-1", "ALICEKEYOFTHETESTS00", "alice-secret-0123456789abcdef", "Alice", "alice@test.example")
BOB = Account("bob-2", "BOBKEYOFTHETESTS0000", "bob-secret-0123456789abcdef01", "Bob", "bob@test.example")


def anonymous(relais, **config):
    """A boto3 client that signs nothing."""
    return boto3_client(relais.url, None, None, _authority(relais), signature_version=UNSIGNED, **config)


def _authority(relais):
    return relais.certificate and relais.certificate.authority
