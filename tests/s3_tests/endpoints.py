"""What the suite is run against: relais over two stores, or a bare moto to compare with."""

from contextlib import ExitStack, contextmanager
from dataclasses import replace

from accounts import REGION, accounts_of, append_keys
from harness import configuration
from harness.relais import starter
from harness.servers import Moto

# Moto has one account, whatever the key; this is how it calls the owner.
MOTO_OWNER = {"owner": "75aa57f09aa0c8caeab4f8c24e99d10f8e7faeebf76c078efc7c6caea54ba06a", "display_name": "webfile"}


@contextmanager
def endpoint(store, folder, workers):
    """Starts what `--store` names; gives its port, and the accounts of each worker."""
    accounts = {worker: accounts_of(worker) for worker in workers}
    with ExitStack() as stack:
        if store == "none":
            moto = stack.enter_context(Moto())
            yield moto.port, {worker: _with_main(three, **MOTO_OWNER) for worker, three in accounts.items()}
            return
        config = configuration.write_toml(
            folder / "relais.toml",
            _stores(store, folder, stack),
            [configuration.bucket("*", ["first", "second"], write_mode="all")],
            proxy={"region": REGION, "signature_v2": True},
        )
        append_keys(config, [one for three in accounts.values() for one in three.values()])
        relais = stack.enter_context(starter(folder))(config=config)
        yield relais.s3_port, accounts


def _stores(store, folder, stack):
    if store == "folder":
        return {name: configuration.folder_store(folder / name) for name in ("first", "second")}
    # Moto keeps what AWS keeps, but its conditions of writes are not to be relied on.
    lacking = {f"features.conditional_{what}": False for what in ("writes", "copies", "deletes")}
    stores = {name: stack.enter_context(Moto()) for name in ("first", "second")}
    return {name: configuration.s3_store(moto, profile="aws", **lacking) for name, moto in stores.items()}


def _with_main(accounts, **changes):
    return accounts | {"main": replace(accounts["main"], **changes)}
