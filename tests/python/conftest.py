"""A real `dab serve` process for every test that asks for one, and public drivers to talk to it."""

import itertools
import os
import random
import re
import shutil
from pathlib import Path

import pytest

from server import Server, run

JAVA_PROJECT = Path(__file__).parents[1] / "java"
NAMES = itertools.count(1)


def pytest_runtest_logreport(report):
    """Notes a skipped test in the file that `tests/run` shows at its end."""
    if report.skipped and os.environ.get("DAB_TEST_SKIPPED") and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        with open(os.environ["DAB_TEST_SKIPPED"], "a") as noted:
            noted.write(f"{report.nodeid}: {reason.removeprefix('Skipped: ')}\n")


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


@pytest.fixture(scope="session")
def small_ledger(tmp_path_factory):
    """A ledger of twelve leaves made in Python, and the evidence of each version of its tables. Not to be changed."""
    from small_ledger import all_evidence, small_ledger

    ledger = small_ledger(tmp_path_factory.mktemp("small")).issue()
    ledger.evidence = all_evidence(ledger)
    return ledger


@pytest.fixture(params=["of a node", "made in Python"])
def home(request):
    """What the auditor took home. The verifiers must judge DAB's own ledger and a stranger's alike."""
    return request.getfixturevalue("node_home" if request.param == "of a node" else "made_home")


@pytest.fixture
def chance(request, capsys):
    """What a test draws by chance; the seed is printed, and DAB_TEST_SEED replays it."""
    seed = int(os.environ.get("DAB_TEST_SEED") or random.SystemRandom().randrange(1 << 32))
    with capsys.disabled():
        print(f"\n{request.node.name}: DAB_TEST_SEED={seed}")
    return random.Random(seed)


@pytest.fixture(scope="session")
def go(tmp_path_factory):
    """The verifier in Go. Go fetches the packages that it stands on."""
    from go_verifier import built

    return built(tmp_path_factory.mktemp("go"))


@pytest.fixture(scope="session")
def browser(tmp_path_factory):
    from browser import Browser, missing_browser

    reason = missing_browser()
    if reason:
        pytest.skip(f"{reason}: the auditor's page")
    browser = Browser(tmp_path_factory.mktemp("browser"))
    yield browser
    browser.close()


@pytest.fixture(scope="module")
def page_verifier(browser):
    """The auditor's page opened as a file, for what calls its verifier."""
    from audit_page import opened

    with opened(browser) as page:
        yield page


@pytest.fixture
def page(browser):
    """The auditor's page opened as a file, for what a person does with it."""
    from audit_page import opened

    with opened(browser) as page:
        yield page


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
