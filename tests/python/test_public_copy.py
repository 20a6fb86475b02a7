"""Is the ledger's public copy beside the tables enough for an audit: as a copied folder, behind a plain web server, of any
verifier, at every moment, while nodes die, and is a changed one found out?"""

import json
import shutil
import signal
import ssl
import subprocess
import sys
import urllib.request

import pytest

from auditor import main as auditor
from checkpoint import Checkpoint
from forgeries import LEDGER_FORGERIES
from go_verifier import in_go
from group import Group
from offline import in_python, in_rust, programs
from server import Server, free_port, run, wait_until
from trust_directory import Trust

VALID, INVALID = 0, 1
INSERTS = 260  # more leaves than a tile has hashes


def copy_of(node):
    return node.tables / "_ledger"


def size_of(folder, trust):
    """The leaves of a folder's checkpoint, which is certified; none where there is no checkpoint yet."""
    try:
        return Checkpoint((folder / "checkpoint").read_bytes(), Trust(trust)).size
    except FileNotFoundError:
        return 0


def health(node):
    context = ssl.create_default_context(cafile=str(node.ca))
    with urllib.request.urlopen(f"https://127.0.0.1:{node.audit_port}/health", context=context) as answer:
        return json.loads(answer.read())


def wait_for_copy(node, copy=None):
    """Waits until the copy has all that the node has certified."""
    copy = copy or copy_of(node)
    wait_until(lambda: size_of(copy, node.trust) >= size_of(node.public, node.trust))


def statuses(place, trust, go=None):
    """What every auditor says of a ledger in a folder or at a URL; the one in Go reads folders."""
    ledger = ["ledger", place, "--trust", trust]
    found = {"auditor.py": in_python(auditor, ledger)}
    for program in programs():
        if program.name == "dab" or "://" not in str(place):
            # a server on this machine is out of reach without any network
            audit = [program, "audit", *ledger]
            done = run(*audit, check=False) if "://" in str(place) else None
            found[program.name] = (done.returncode, done.stdout + done.stderr) if done else in_rust(*audit)
    if go and "://" not in str(place):
        found["dab-go-verify"] = in_go(go, *ledger)
    return {status for status, _ in found.values()}, found


@pytest.fixture(scope="module")
def taken(tmp_path_factory):
    """The copy of a node whose ledger fills a tile, taken while the node ran, and its trust directory."""
    directory = tmp_path_factory.mktemp("copy")
    server = Server(directory / "data").start()
    try:
        with server.connect() as connection, connection.cursor() as cursor:
            cursor.execute("CREATE TABLE t (id BIGINT)")
            for row in range(INSERTS):
                cursor.execute(f"INSERT INTO t VALUES ({row})")
        wait_for_copy(server)
        shutil.copytree(copy_of(server), directory / "copy")
        shutil.copytree(server.trust, directory / "trust")
    finally:
        server.stop()
    return directory / "copy", directory / "trust"


def test_a_copied_folder_is_audited_by_every_verifier(taken, go):
    folder, trust = taken
    found, words = statuses(folder, trust, go)
    assert found == {VALID}, words
    assert size_of(folder, trust) > 256


def test_behind_a_plain_web_server_it_is_audited_too(taken):
    folder, trust = taken
    port = free_port()
    command = [sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1", "--directory", str(folder)]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, **quiet) as web:
        try:
            url = f"http://127.0.0.1:{port}"
            wait_until(lambda: answers(f"{url}/checkpoint"))
            found, words = statuses(url, trust)
            assert found == {VALID}, words
        finally:
            web.kill()


def answers(url):
    try:
        return urllib.request.urlopen(url).read()
    except OSError:
        return None


@pytest.mark.parametrize("name", LEDGER_FORGERIES)
def test_a_forged_copy_is_found_out_by_every_verifier(node_home, go, tmp_path, name):
    copy = tmp_path / "copied"
    _, public, table = node_home.copy(tmp_path / "home")
    shutil.copytree(node_home.data / "tables" / "_ledger", copy)
    found, words = statuses(copy, node_home.trust, go)
    assert found == {VALID}, words
    LEDGER_FORGERIES[name](copy, table)
    found, words = statuses(copy, node_home.trust, go)
    assert found == {INVALID}, words


def test_the_copy_of_a_stopped_node_has_its_last_checkpoint(node_home):
    copy = node_home.data / "tables" / "_ledger"
    assert (copy / "checkpoint").read_bytes() == (node_home.public / "checkpoint").read_bytes()


def test_health_says_how_far_the_copy_is_and_a_killed_node_s_is_brought_up(tmp_path):
    server = Server(tmp_path / "data").start()
    copy = copy_of(server)
    try:
        with server.connect() as connection, connection.cursor() as cursor:
            cursor.execute("CREATE TABLE t (id BIGINT)")
            for row in range(5):
                cursor.execute(f"INSERT INTO t VALUES ({row})")
                # at every moment, however far it is
                if (copy / "checkpoint").exists():
                    snapshot = tmp_path / f"snapshot{row}"
                    shutil.copytree(copy, snapshot, ignore=shutil.ignore_patterns(".tmp-*"))
        server.stop(signal.SIGKILL)
        if (copy / "checkpoint").exists():
            assert statuses(copy, server.trust)[0] == {VALID}
        server.start()
        wait_for_copy(server)
        size = size_of(server.public, server.trust)
        told = wait_until(lambda: (found := health(server))["figures"]["public_copy"]["size"] == size and found)
        assert told["parts"]["public_copy"] == "ok", told
        assert told["figures"]["public_copy"] == {"size": size, "behind_ms": 0, "trouble": None}
        # somebody removes it
        shutil.rmtree(copy)
        wait_for_copy(server)
        assert statuses(copy, server.trust)[0] == {VALID}
    finally:
        server.stop()


def test_a_copy_that_cannot_be_written_is_told_and_holds_up_no_commit(tmp_path):
    server = Server(tmp_path / "data").start()
    try:
        with server.connect() as connection, connection.cursor() as cursor:
            cursor.execute("CREATE TABLE t (id BIGINT)")
            wait_for_copy(server)
            copy = copy_of(server)
            shutil.rmtree(copy)
            copy.write_text("in the way")
            cursor.execute("INSERT INTO t VALUES (1)")
            told = wait_until(lambda: (found := health(server))["figures"]["public_copy"]["trouble"] and found)
            assert (told["status"], told["parts"]["public_copy"]) == ("busy", "busy"), told
            cursor.execute("INSERT INTO t VALUES (2)")
            copy.unlink()
            wait_for_copy(server)
            assert statuses(copy, server.trust)[0] == {VALID}
    finally:
        server.stop()


def test_nodes_that_share_a_table_root_keep_one_copy_up_though_the_leader_dies(go, tmp_path):
    group = Group(tmp_path).start()
    copy = group.tables / "_ledger"
    try:
        with group.nodes[0].connect() as connection, connection.cursor() as cursor:
            cursor.execute("CREATE TABLE t (id BIGINT)")
        wait_for_copy(group.nodes[0], copy)
        dead = group.leader()
        group.kill(dead)
        survivor = next(node for node in group.running())
        with survivor.connect() as connection, connection.cursor() as cursor:
            cursor.execute("INSERT INTO t VALUES (1)")
        wait_for_copy(survivor, copy)
        found, words = statuses(copy, survivor.trust, go)
        assert found == {VALID} and not any("alone" in said for _, said in words.values()), words
    finally:
        group.stop()
    # and whoever has the trust directory of any of them
    assert statuses(copy, group.nodes[3].trust, go)[0] == {VALID}
