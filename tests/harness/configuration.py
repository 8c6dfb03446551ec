"""The configuration that tests write. Every name of a key or variable that the tests set is in this file."""

import json

ROOT_ACCESS_KEY = "ROOTKEYOFTHETESTS000"
ROOT_SECRET_KEY = "root-secret-of-the-tests-0123456789abcdef"
DOMAIN = "s3.test"  # Below it a host name names a bucket.
SECRET_KEY = "signing-secret-of-the-tests-0123456789abcdef"


def folder_store(path):
    return {"kind": "folder", "path": str(path)}


def s3_store(server, **settings):
    """An account at a server; settings on top, those of a table below as `{"features.checksums": True}`."""
    store = {
        "kind": "s3",
        "endpoint": server.url,
        "region": server.region,
        "path_style": True,
        "access_key_id": server.access_key,
        "secret_access_key": server.secret_key,
    }
    if server.certificate:
        store["ca_file"] = str(server.certificate.authority)
    return store | settings


def full_s3_store(server, **settings):
    """A store that does what AWS does, save the conditions of writes: many writers at once get past those of moto."""
    lacking = {f"features.conditional_{what}": False for what in ("writes", "copies", "deletes")}
    return s3_store(server, profile="aws", **lacking, **settings)


def bucket(name, replicas, **settings):
    return {"name": name, "replicas": replicas, **settings}


def account_key(account):
    """An access key beside the root key, and the account that it belongs to."""
    return {
        "access_key_id": account.access_key,
        "secret_access_key": account.secret_key,
        "owner": account.owner,
        "display_name": account.display_name,
        "email": account.email,
    }


def role(name, policy, **settings):
    """A role of the configuration, with the statements of its policy."""
    return {"name": name, "policy": json.dumps({"Version": "2012-10-17", "Statement": policy}), **settings}


def allow(actions, resources, **more):
    """A statement that allows actions on resources, which are written without their `arn:aws:s3:::`."""
    resources = [f"arn:aws:s3:::{one}" for one in resources]
    return {"Effect": "Allow", "Action": actions, "Resource": resources, **more}


def deny(actions, resources, **more):
    """A statement that denies them."""
    return allow(actions, resources, **more) | {"Effect": "Deny"}


def bus(name, key, kind="stream", **settings):
    """A place in Redis that events are taken to."""
    return {"name": name, "kind": kind, "key": key, **settings}


def event_rule(name, bus, **selected):
    """Sends a bus what is selected by `buckets`, `events`, `prefix` and `suffix`."""
    return {"id": name, "bus": bus, **selected}


def event_lists(buses, rules=()):
    """The lists of tables about events."""
    return {"events.buses": buses, "events.rules": rules}


def only_by_rules(*buses):
    """The section `events` where these buses get nothing by themselves."""
    return {"only_by_rules": list(buses)}


def write_toml(path, stores, buckets, accounts=(), lists=None, **sections):
    """Writes a configuration file: tables of stores, arrays of buckets and accounts, other sections as tables; `lists` are
    arrays of tables by their name, such as `access.roles`."""
    lines = []
    for name, store in stores.items():
        lines += [f"[stores.{name}]", *_pairs(store)]
    for one in buckets:
        lines += ["[[buckets]]", *_pairs(one)]
    for account in accounts:
        lines += ["[[access.keys]]", *_pairs(account_key(account))]
    for name, tables in (lists or {}).items():
        for table in tables:
            lines += [f"[[{name}]]", *_pairs(table)]
    for name, section in sections.items():
        lines += [f"[{name.replace('__', '.')}]", *_pairs(section)]
    path.write_text("\n".join(lines) + "\n")
    return path


def two_folders(folder, write_mode="all", named=(), **sections):
    """Configuration of `named` and every other bucket on the folders `first` and `second`; gives file and folders."""
    folder.mkdir(parents=True, exist_ok=True)
    folders = [folder / "first", folder / "second"]
    stores = {path.name: folder_store(path) for path in folders}
    buckets = [*named, bucket("*", list(stores), write_mode=write_mode)]
    return write_toml(folder / "relais.toml", stores, buckets, **sections), folders


def no_sidecars():
    """Sections of a relais that makes neither thumbnails nor transcripts."""
    return {"thumbnail": {"enabled": False}, "transcription": {"enabled": False}}


def tls(certificate):
    """The section `proxy` of a relais that speaks HTTPS."""
    return {"tls_certificate_file": str(certificate.chain), "tls_key_file": str(certificate.key)}


def environment(data, s3_port, api_port, model):
    """The variables that every relais of the tests is started with."""
    return {
        "RELAIS_DATA_DIR": data,
        "RELAIS_PROXY__LISTEN": f"127.0.0.1:{s3_port}",
        "RELAIS_API__LISTEN": f"127.0.0.1:{api_port}",
        "RELAIS_ROOT_ACCESS_KEY": ROOT_ACCESS_KEY,
        "RELAIS_ROOT_SECRET_KEY": ROOT_SECRET_KEY,
        "RELAIS_TRANSCRIPTION__MODEL": model,
        "SECRET_KEY": SECRET_KEY,
    }


def many_logins(**keys):
    """Variables of a relais whose users may try as often as they like, with hashes as cheap as is allowed."""
    keys = {"bcrypt_cost": 10, "login_attempts_per_minute": 0, "address_attempts_per_minute": 0} | keys
    return {f"RELAIS_ACCOUNTS__{key.upper()}": json.dumps(value) for key, value in keys.items()}


def proxy_url(url):
    """Tells a sidecar that runs on its own where the proxy is."""
    return {"RELAIS_SIDECARS__PROXY_URL": url}


def _pairs(table):
    """TOML strings, numbers, booleans and arrays of strings are written as in JSON; a table within one is written inline."""
    return [f"{key} = {_value(value)}" for key, value in table.items()]


def _value(value):
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{json.dumps(key)} = {_value(one)}" for key, one in value.items()) + " }"
    return json.dumps(value)
