"""A `dab serve` process started from Python, and the stock ADBC driver to talk to it: for the tests, and for the benchmark.

The binaries come from the environment: DAB_BINARY (and DAB_VERIFY_BINARY, by default `dab-verify` beside it)."""

import os
import re
import signal
import socket
import subprocess
import time
from collections import deque
from pathlib import Path

from adbc_driver_flightsql import DatabaseOptions

from driver import connect

# Under strace a node takes longest.
START_SECONDS_MAX = 120
STOP_SECONDS_MAX = 60
COMMAND_SECONDS_MAX = 300
CALL_SECONDS_MAX = 120


def binary(variable, fallback=None):
    path = os.environ.get(variable) or fallback
    if not path:
        raise RuntimeError(f"{variable} is not set: build with `cargo build` and set it to the path of the binary")
    if not os.access(path, os.X_OK):
        raise RuntimeError(f"{variable}: {path} is no program")
    return str(Path(path).resolve())


def dab_binary():
    return binary("DAB_BINARY")


def dab_verify_binary():
    beside = os.environ.get("DAB_BINARY") and str(Path(os.environ["DAB_BINARY"]).with_name("dab-verify"))
    return binary("DAB_VERIFY_BINARY", beside)


def run(*command, check=True, **options):
    """Runs a command to its end. Its output is text; `check=False` leaves the exit status to the caller."""
    options = {"capture_output": True, "text": True, "timeout": COMMAND_SECONDS_MAX} | options
    done = subprocess.run([str(word) for word in command], **options)
    if check and done.returncode != 0:
        raise AssertionError(f"{' '.join(map(str, command))} exits {done.returncode}\n{done.stdout}\n{done.stderr}")
    return done


def wait_until(true, seconds_max=COMMAND_SECONDS_MAX):
    """What `true` returns, once that is true."""
    deadline = time.monotonic() + seconds_max
    while not (found := true()):
        assert time.monotonic() < deadline, f"it did not come about within {seconds_max} s"
        time.sleep(0.02)
    return found


# Bound, but not listening: the system gives their ports to nobody else, while who names one may listen there.
HELD_PORTS = deque(maxlen=64)


def free_port():
    held = socket.socket()
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    held.bind(("127.0.0.1", 0))
    HELD_PORTS.append(held)
    return held.getsockname()[1]


class Server:
    """A `dab serve` process over a data directory. It is up when its `endpoint` file names the port it listens on. `under`
    is a command to run it under, such as strace, or what enters another machine, whose address is then `host`."""

    # The longest that one call may take, and a command; `None` for as long as it takes.
    call_seconds_max, command_seconds_max = CALL_SECONDS_MAX, COMMAND_SECONDS_MAX

    def __init__(self, data, *arguments, port=0, under=(), host="127.0.0.1"):
        self.data, self.arguments, self.under = Path(data), arguments, under
        self.host, self.port, self.audit_port, self.process = host, port, None, None
        self.output, self.tables = Path(f"{data}.log"), self.data / "tables"

    def start(self):
        return self.launch().wait_until_up()

    def launch(self, **environment):
        """Starts the process; a replica serves only once a quorum of them runs."""
        self.audit_port = self.audit_port or free_port()
        command = [*self.under, dab_binary(), "serve", "--data", self.data, "--listen", f"{self.host}:{self.port}"]
        command += ["--audit-listen", f"127.0.0.1:{self.audit_port}", *self.arguments]
        (self.data / "endpoint").unlink(missing_ok=True)
        with self.output.open("ab") as output:
            self.process = subprocess.Popen(
                [str(word) for word in command],
                stdout=output,
                stderr=subprocess.STDOUT,
                env=os.environ | environment,
            )
        return self

    def wait_until_up(self):
        assert self.comes_up(), f"dab serve ended before it was up:\n{self.log()}"
        return self

    def comes_up(self):
        """Waits until it is up, or has ended before; tells which."""
        endpoint = self.data / "endpoint"
        deadline = time.monotonic() + START_SECONDS_MAX
        while not (endpoint.exists() and endpoint.read_text().endswith("\n")):
            if not self.alive():
                return False
            assert time.monotonic() < deadline, f"dab serve is not up after {START_SECONDS_MAX} s:\n{self.log()}"
            time.sleep(0.02)
        self.url = endpoint.read_text().split("\n")[0]
        return True

    def stop(self, with_signal=signal.SIGTERM):
        """Ends the process by its pid and complains if it had ended by itself or had panicked."""
        ended = self.process.poll()
        if ended is None:
            os.kill(self.process.pid, with_signal)
            try:
                self.process.wait(STOP_SECONDS_MAX)
            except subprocess.TimeoutExpired:
                os.kill(self.process.pid, signal.SIGKILL)
                self.process.wait()
                raise AssertionError(f"dab serve did not stop within {STOP_SECONDS_MAX} s:\n{self.log()}") from None
        assert ended is None, f"dab serve had ended with {ended}:\n{self.log()}"
        assert "panicked at" not in self.log(), self.log()

    def log(self):
        return self.output.read_text(errors="replace")[-8000:] if self.output.exists() else ""

    def alive(self):
        return self.process.poll() is None

    @property
    def password(self):
        return (self.data / "admin.token").read_text().strip()

    @property
    def ca(self):
        return self.data / "tls" / "ca.pem"

    @property
    def certificate(self):
        """The certificate authority's, as text; `None` for a node without TLS."""
        return self.ca.read_text() if self.url.startswith("grpc+tls:") else None

    @property
    def trust(self):
        return self.data / "trust"

    @property
    def public(self):
        return self.data / "public"

    def connect(self, username="admin", password=None, autocommit=True, call_seconds_max=None, **options):
        """A connection by the stock ADBC driver, as a stranger's script would make it."""
        call_seconds_max = call_seconds_max or self.call_seconds_max
        options |= {"username": username, "password": self.password if password is None else password}
        for call in (DatabaseOptions.TIMEOUT_QUERY, DatabaseOptions.TIMEOUT_UPDATE, DatabaseOptions.TIMEOUT_FETCH):
            if call_seconds_max:
                options.setdefault(call.value, str(call_seconds_max))
        if self.certificate:
            options.setdefault(DatabaseOptions.TLS_ROOT_CERTS.value, self.certificate)
        return connect(self.url, options, autocommit)

    def query(self, sql, parameters=None):
        """The rows of one query over a connection of its own."""
        with self.connect() as connection, connection.cursor() as cursor:
            cursor.execute(sql, parameters)
            return cursor.fetchall()

    def receipt(self, table):
        """The receipt of a table's last commit, as SQL shows it; `None` where it has none."""
        sql = f"SELECT proof FROM dab.receipts WHERE table_name = '{table}' ORDER BY version DESC LIMIT 1"
        return next((proof for (proof,) in self.query(sql)), None)

    def dab(self, *arguments, check=True, **options):
        """Runs a verb of the command line against this server's data directory."""
        verb = 2 if arguments[0] in ("load", "audit", "writer") else 1
        options.setdefault("timeout", self.command_seconds_max)
        return run(dab_binary(), *arguments[:verb], "--data", self.data, *arguments[verb:], check=check, **options)

    def table(self, name):
        """The folder of a table's files. A name used before gets a suffix, so the newest folder counts."""
        folders = [
            path for path in self.tables.iterdir() if re.fullmatch(f"{name}(-[0-9a-f]{{8}})?", path.name)
        ]
        return max(folders, key=lambda path: path.stat().st_mtime)
