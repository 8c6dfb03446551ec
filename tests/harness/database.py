"""A look into relais's own database, as an application that shares it has."""

import sqlite3
from contextlib import closing

import psycopg


class Table:
    """Statements with `?` for parameters, whatever the database."""

    def __init__(self, relais):
        self.url = relais.settings.get("DATABASE_URL")
        self.file = relais.data / "relais.db"

    def value(self, statement, *parameters):
        """The first column of the first row."""
        return self._run(statement, parameters, lambda cursor: cursor.fetchone()[0])

    def change(self, statement, *parameters):
        """Changes exactly one row."""
        assert self._run(statement, parameters, lambda cursor: cursor.rowcount) == 1

    def _run(self, statement, parameters, result):
        if self.url:
            with psycopg.connect(self.url) as connection:
                return result(connection.execute(statement.replace("?", "%s"), parameters))
        with closing(sqlite3.connect(self.file, timeout=10)) as connection, connection:
            return result(connection.execute(statement, parameters))
