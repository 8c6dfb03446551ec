"""A relais in mode `all` over two stores, each with a client of its own that goes past that relais."""

from dataclasses import dataclass

from botocore.exceptions import ClientError

from . import configuration
from .clients import boto3_client
from .relais import Relais


@dataclass(frozen=True)
class Replicated:
    """Every bucket has the same name in both stores; `stores` are boto3 clients of each, the primary's first."""

    relais: Relais
    stores: tuple

    def client(self, **config):
        return self.relais.client(**config)

    def on_both(self, look):
        """What a look at each store gives."""
        return [look(store) for store in self.stores]


def over_folders(start, folder, environment=None, certificate=None, **sections):
    """Over two folders; each is looked into through a second relais that has only this one."""
    proxy = {"proxy": configuration.tls(certificate)} if certificate else {}
    sections = configuration.no_sidecars() | proxy | sections
    config, folders = configuration.two_folders(folder, **sections)
    relais = start("folders", config=config, environment=environment, certificate=certificate)
    return Replicated(relais, tuple(_alone(start, path, folder).client() for path in folders))


def over_clouds(
    start, folder, clouds, store=configuration.full_s3_store, named=(), environment=None, certificate=None, **sections
):
    """Over two accounts; `store` says how relais is told of one, `named` are buckets that have a place of their own."""
    folder.mkdir(parents=True, exist_ok=True)
    proxy = {"proxy": configuration.tls(certificate)} if certificate else {}
    sections = configuration.no_sidecars() | proxy | sections
    stores = {name: store(cloud) for name, cloud in zip(("first", "second"), clouds, strict=True)}
    buckets = [*named, configuration.bucket("*", list(stores), write_mode="all")]
    config = configuration.write_toml(folder / "relais.toml", stores, buckets, **sections)
    relais = start("clouds", config=config, environment=environment, certificate=certificate)
    return Replicated(relais, tuple(account(cloud) for cloud in clouds))


def account(cloud):
    """A client of a cloud itself."""
    authority = cloud.certificate and cloud.certificate.authority
    return boto3_client(cloud.url, cloud.access_key, cloud.secret_key, authority)


def found(store, bucket, key):
    """The body of an object as a store has it, or nothing."""
    try:
        return store.get_object(Bucket=bucket, Key=key)["Body"].read()
    except ClientError as error:
        assert error.response["Error"]["Code"] in ("NoSuchKey", "NoSuchBucket"), error
        return None


def _alone(start, path, folder):
    name = f"only-{path.name}"
    stores = {path.name: configuration.folder_store(path)}
    buckets = [configuration.bucket("*", list(stores))]
    config = configuration.write_toml(folder / f"{name}.toml", stores, buckets, **configuration.no_sidecars())
    return start(name, config=config)
