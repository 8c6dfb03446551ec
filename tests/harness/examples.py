"""The example configurations, started as the five systems would start them: with variables that they have already."""

from pathlib import Path

from .process import REPOSITORY

FOLDER = REPOSITORY / "config" / "examples"
EXAMPLES = sorted(path for path in FOLDER.glob("*") if path.is_dir())


def variables(example):
    """The example's `.env`, read as the five systems read theirs: names, values, comments, optional quotes."""
    lines = (line.strip() for line in (example / ".env").read_text().splitlines())
    pairs = (line.split("=", 1) for line in lines if line and not line.startswith("#"))
    return {name.strip(): value.strip().strip("'\"") for name, value in pairs}


def environment(given, cloud, data, redis_url=None, new_database=None):
    """Those variables, but for addresses of outside servers and the data folder; what is not given stays unset."""
    here = {
        "DO_SPACES_ENDPOINT": cloud.url,
        "AWS_ENDPOINT_URL": cloud.url,
        "AWS_ACCESS_KEY_ID": given.get("AWS_ACCESS_KEY_ID", cloud.access_key),
        "AWS_SECRET_ACCESS_KEY": given.get("AWS_SECRET_ACCESS_KEY", cloud.secret_key),
        "SECRET_KEY": given.get("SECRET_KEY"),
    }
    if given.get("DATABASE_URL", "").startswith("postgres"):
        here["DATABASE_URL"] = new_database()
    if "REDIS_URL" in given:
        here["REDIS_URL"] = redis_url
    if "DB_PATH" in given:
        here["DB_PATH"] = data / Path(given["DB_PATH"]).name
    return given | here


def together(file, *examples):
    """The `relais.toml` of several examples as one file; nothing where none has one."""
    texts = [(example / "relais.toml").read_text() for example in examples if (example / "relais.toml").exists()]
    if not texts:
        return None
    file.write_text("\n".join(texts))
    return file
