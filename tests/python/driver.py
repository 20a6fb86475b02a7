"""The stock ADBC driver for Flight SQL, mended in one place: a cursor is closed once, whatever comes of it.

A cursor that is closed tells the node to forget its statement. Where the node is gone, that fails; but the driver manager (1.13)
has by then counted the statement as closed, and takes the cursor for open. It closes it again with its connection and when
it forgets it, and each time finds one statement too few: `Underflow in closing this AdbcStatement`."""

import adbc_driver_flightsql
from adbc_driver_flightsql import dbapi
from adbc_driver_manager import AdbcConnection


class Cursor(dbapi.Cursor):
    def close(self):
        try:
            super().close()
        finally:
            self._closed = True


class Connection(dbapi.Connection):
    def cursor(self, *, adbc_stmt_kwargs=None):
        cursor = Cursor(self, adbc_stmt_kwargs, dbapi_backend=self._backend)
        self._cursors.add(cursor)
        return cursor


def connect(url, options, autocommit):
    """As `adbc_driver_flightsql.dbapi.connect` connects."""
    database = adbc_driver_flightsql.connect(url, db_kwargs=options)
    try:
        return Connection(database, AdbcConnection(database), autocommit=autocommit)
    except Exception:
        database.close()
        raise
