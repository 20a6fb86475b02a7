"""A real `dab serve` process for every test that asks for one, and public drivers to talk to it.

The binaries come from the environment: DAB_BINARY (and DAB_VERIFY_BINARY, by default `dab-verify` beside it)."""

import itertools
import os
import re
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

import adbc_driver_flightsql.dbapi as flightsql
import pytest
from adbc_driver_flightsql import DatabaseOptions

START_SECONDS_MAX = 60
STOP_SECONDS_MAX = 30
COMMAND_SECONDS_MAX = 300
CALL_SECONDS_MAX = 120
JAVA_PROJECT = Path(__file__).parents[1] / "java"
NAMES = itertools.count(1)


def pytest_runtest_logreport(report):
    """Notes a skipped test in the file that `tests/run` shows at its end."""
    if report.skipped and os.environ.get("DAB_TEST_SKIPPED") and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        with open(os.environ["DAB_TEST_SKIPPED"], "a") as noted:
            noted.write(f"{report.nodeid}: {reason.removeprefix('Skipped: ')}\n")


def binary(variable, fallback=None):
    path = os.environ.get(variable) or fallback
    if not path:
        pytest.fail(f"{variable} is not set: build with `cargo build` and set it to the path of the binary", False)
    if not os.access(path, os.X_OK):
        pytest.fail(f"{variable}: {path} is no program", False)
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


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Server:
    """A `dab serve` process over a data directory. It is up when its `endpoint` file names the port it listens on."""

    def __init__(self, data, *arguments, port=0):
        self.data, self.arguments, self.port, self.process = Path(data), arguments, port, None
        self.output = Path(f"{data}.log")

    def start(self):
        self.audit_port = free_port()
        command = [dab_binary(), "serve", "--data", self.data, "--listen", f"127.0.0.1:{self.port}"]
        command += ["--audit-listen", f"127.0.0.1:{self.audit_port}", *self.arguments]
        endpoint = self.data / "endpoint"
        endpoint.unlink(missing_ok=True)
        with self.output.open("ab") as output:
            self.process = subprocess.Popen([str(word) for word in command], stdout=output, stderr=subprocess.STDOUT)
        deadline = time.monotonic() + START_SECONDS_MAX
        while not (endpoint.exists() and endpoint.read_text().endswith("\n")):
            assert self.process.poll() is None, f"dab serve ended before it was up:\n{self.log()}"
            assert time.monotonic() < deadline, f"dab serve is not up after {START_SECONDS_MAX} s:\n{self.log()}"
            time.sleep(0.02)
        self.url = endpoint.read_text().split("\n")[0]
        return self

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
    def trust(self):
        return self.data / "trust"

    @property
    def public(self):
        return self.data / "public"

    def connect(self, username="admin", password=None, autocommit=True, **options):
        """A connection by the stock ADBC driver, as a stranger's script would make it."""
        options |= {"username": username, "password": self.password if password is None else password}
        for call in (DatabaseOptions.TIMEOUT_QUERY, DatabaseOptions.TIMEOUT_UPDATE, DatabaseOptions.TIMEOUT_FETCH):
            options.setdefault(call.value, str(CALL_SECONDS_MAX))
        if self.url.startswith("grpc+tls:"):
            options.setdefault(DatabaseOptions.TLS_ROOT_CERTS.value, self.ca.read_text())
        return flightsql.connect(self.url, db_kwargs=options, autocommit=autocommit)

    def query(self, sql, parameters=None):
        """The rows of one query over a connection of its own."""
        with self.connect() as connection, connection.cursor() as cursor:
            cursor.execute(sql, parameters)
            return cursor.fetchall()

    def dab(self, *arguments, check=True, **options):
        """Runs a verb of the command line against this server's data directory."""
        verb = 2 if arguments[0] in ("load", "audit") else 1
        return run(dab_binary(), *arguments[:verb], "--data", self.data, *arguments[verb:], check=check, **options)

    def table(self, name):
        """The folder of a table's files. A name used before gets a suffix, so the newest folder counts."""
        folders = [
            path for path in (self.data / "tables").iterdir() if re.fullmatch(f"{name}(-[0-9a-f]{{8}})?", path.name)
        ]
        return max(folders, key=lambda path: path.stat().st_mtime)


def started(tmp_path_factory, *arguments):
    server = Server(tmp_path_factory.mktemp("node") / "data", *arguments).start()
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """One server for all tests that can share it: TLS, a fresh data directory, the first user `admin`."""
    yield from started(tmp_path_factory)


@pytest.fixture(scope="module")
def own_server(tmp_path_factory):
    """A server that this module has for itself."""
    yield from started(tmp_path_factory)


@pytest.fixture(scope="module")
def plaintext_server(tmp_path_factory):
    """A server without TLS, on loopback."""
    yield from started(tmp_path_factory, "--insecure-loopback")


@pytest.fixture(scope="session")
def node_home(tmp_path_factory):
    """What an auditor takes home from a node that has then stopped. Not to be changed: forgers work on copies."""
    from offline import TakenHome

    return TakenHome(tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="session")
def made_home(tmp_path_factory):
    """The same, made in Python: no `dab` has touched it."""
    from offline import MadeHome

    return MadeHome(tmp_path_factory.mktemp("made"))


@pytest.fixture(params=["of a node", "made in Python"])
def home(request):
    """What the auditor took home. The verifiers must judge DAB's own ledger and a stranger's alike."""
    return request.getfixturevalue("node_home" if request.param == "of a node" else "made_home")


@pytest.fixture(scope="session")
def java(tmp_path_factory):
    """The command that runs the Java program of tests/java, but for its arguments. Maven fetches the driver."""
    missing = [tool for tool in ("java", "mvn") if not shutil.which(tool)]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}")
    build = tmp_path_factory.mktemp("java")
    run("mvn", "-q", "-B", "-ntp", f"-Ddab.build.directory={build}", "process-classes", cwd=JAVA_PROJECT, timeout=600)
    path = f"{build}/classes:{build}/dependency/*"
    return ["java", "--add-opens=java.base/java.nio=ALL-UNNAMED", "-cp", path, "dab.JdbcTour"]


@pytest.fixture
def connection(server):
    with server.connect() as connection:
        yield connection


@pytest.fixture
def cursor(connection):
    with connection.cursor() as cursor:
        yield cursor


@pytest.fixture
def name(request):
    """A table name that no other test uses."""
    words = re.sub(r"\W+", "_", request.node.name.lower().removeprefix("test_")).strip("_")
    return f"t{next(NAMES)}_{words[:50]}"
