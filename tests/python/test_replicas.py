"""Several nodes, one ledger: does any of them answer, does one that dies stop or lose anything, are strangers' folders refused?"""

import json
import os
import re
import subprocess
import threading
import time

import pytest
from deltalake import DeltaTable

from go_verifier import in_go
from group import Group, node_verb
from server import dab_binary, dab_verify_binary, free_port, run, wait_until

WRITERS = 4
SECONDS_MAX = 120


@pytest.fixture(scope="module")
def group(tmp_path_factory):
    group = Group(tmp_path_factory.mktemp("group")).start()
    try:
        yield group
    finally:
        group.stop()


def receipts(node, table):
    sql = f"SELECT version, proof FROM dab.receipts WHERE table_name = '{table}' ORDER BY version"
    return dict(node.query(sql))


def accepted(go, *arguments):
    """What the verifier in Go says of what a quorum certified; a node alone has no cosigners."""
    status, words = in_go(go, *arguments)
    assert status == 0 and "cosigned by n" in words and "alone" not in words, words


def audited(node):
    """What an auditor finds who derives the whole ledger from one node's public files."""
    done = run(dab_verify_binary(), "audit", "ledger", node.public, "--trust", node.trust, "--json")
    return json.loads(done.stdout)


def test_any_node_takes_a_statement_and_every_other_shows_it_at_once(group):
    first, *others = group.nodes
    with first.connect() as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE shared (id BIGINT, node VARCHAR)")
    for n, node in enumerate(group.nodes):
        with node.connect() as connection, connection.cursor() as cursor:
            cursor.execute(f"INSERT INTO shared VALUES ({n}, 'n{n + 1}')")
        for other in group.nodes:
            assert other.query("SELECT count(*) FROM shared") == [(n + 1,)]
    assert [row[0] for row in others[-1].query("SELECT id FROM shared ORDER BY id")] == [0, 1, 2, 3]
    # and whoever reads the folder without DAB
    assert DeltaTable(group.tables / "shared").version() == 4


def test_a_receipt_of_one_node_is_certified_by_a_quorum_and_checks_with_the_trust_of_another(group, go, tmp_path):
    with group.nodes[1].connect() as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE proved AS SELECT 1 AS id")
    commit = group.tables / "proved" / "_delta_log" / f"{0:020}.json"
    data = [word for path in (group.tables / "proved").glob("*.parquet") for word in ("--data", path)]
    for node, other in zip(group.nodes, reversed(group.nodes)):
        (proof,) = receipts(node, "proved").values()
        path = tmp_path / "receipt.tlog-proof"
        path.write_text(proof)
        done = run(dab_verify_binary(), "verify", path, "--trust", other.trust)
        accepted(go, "proof", path, "--trust", other.trust, "--commit", commit, *data)
        cosigners = set(re.findall(r"^— (dab/group/n\d) ", proof, re.MULTILINE))
        assert len(cosigners) >= 3, proof
        assert "certifies alone" not in done.stdout, done.stdout
    head = tmp_path / "latest.head-proof"
    group.nodes[3].dab("prove", "--head", "proved", "-o", head)
    run(dab_verify_binary(), "head", head, "--trust", group.nodes[0].trust)
    accepted(go, "head", head, "--trust", group.nodes[0].trust)
    trusts = {(node.trust / "policy").read_text() for node in group.nodes}
    assert len(trusts) == 1 and "group replicas 3 n1 n2 n3 n4\nquorum replicas\n" in trusts.pop()


def test_status_shows_who_leads_and_who_is_away(group):
    shown = node_verb("status", "--data", group.nodes[2].data).stdout
    states = [line.split("|")[4].strip() for line in shown.splitlines() if line.startswith("|")][1:]
    assert states.count("leads") == 1 and set(states) <= {"leads", "answers", "connected"}, shown
    assert max(map(len, shown.splitlines())) <= 80, shown
    rows = json.loads(node_verb("status", "--data", group.nodes[2].data, "--format", "json").stdout.splitlines()[2])
    assert (rows["id"], rows["name"], rows["answers"]) == (3, "n3", True), rows


def test_nothing_acknowledged_is_lost_when_the_leader_is_killed_under_load(go, tmp_path):
    group = Group(tmp_path).start()
    try:
        with group.nodes[0].connect() as connection, connection.cursor() as cursor:
            cursor.execute("CREATE TABLE t (writer BIGINT, n BIGINT)")
        load = Load(group)
        load.run_until(acknowledged=3)
        dead = group.leader()
        killed = time.monotonic()
        group.kill(dead)
        load.run_until(acknowledged=load.least() + 3)
        # below the table stands why it is away
        away, survivor = f"\nn{group.nodes.index(dead) + 1}: ", group.running()[0]
        wait_until(lambda: away in node_verb("status", "--data", survivor.data).stdout)
        gap = max(load.next_after(killed) - killed, 0)
        print(f"failover: {gap:.2f} s from the kill of the leader to the next acknowledged commit")
        dead.start()
        load.run_until(acknowledged=load.least() + 2)
        load.end()
        found = group.nodes[1].query("SELECT writer, n, count(*) FROM t GROUP BY writer, n")
        assert all(count == 1 for *_, count in found), "a row was written twice"
        rows = {(writer, n) for writer, n, _ in found}
        assert load.acknowledged() <= rows, "an acknowledged row is lost"
        assert rows <= load.acknowledged() | load.unknown, "a row that was denied is there"
        for node in group.nodes:
            assert node.query("SELECT count(*) FROM t") == [(len(rows),)]
    finally:
        group.stop()
    # each replica's public files tell the same ledger, and the plain table is what it says
    found = [audited(node) for node in group.nodes]
    for node, other in zip(group.nodes, reversed(group.nodes)):
        accepted(go, "checkpoint", node.public / "checkpoint", "--trust", other.trust)
        accepted(go, "table", tmp_path / "tables" / "t", "--ledger", node.public, "--trust", other.trust)
    assert {report["verdict"] for report in found} == {"valid"}, found
    assert DeltaTable(tmp_path / "tables" / "t").to_pyarrow_table().num_rows == len(rows)


class Load:
    """One writer for each node, each with one row a statement; a writer whose node is gone goes to the next one."""

    def __init__(self, group):
        self.group, self.unknown, self.times = group, set(), []
        self.counts, self.errors, self.stopping = [0] * WRITERS, [], threading.Event()
        self.done = [set() for _ in range(WRITERS)]
        self.moved = threading.Condition()
        self.threads = [threading.Thread(target=self.write, args=(writer,)) for writer in range(WRITERS)]
        for thread in self.threads:
            thread.start()

    def write(self, writer):
        at, n = writer, 0
        while not self.stopping.is_set():
            node = self.group.nodes[at % len(self.group.nodes)]
            try:
                with node.connect() as connection:
                    while not self.stopping.is_set():
                        n += 1
                        with connection.cursor() as cursor:
                            cursor.execute(f"INSERT INTO t VALUES ({writer}, {n})")
                        with self.moved:
                            self.done[writer].add((writer, n))
                            self.times.append(time.monotonic())
                            self.moved.notify_all()
            except Exception as error:  # whatever a driver makes of a node that is gone
                self.errors.append(error)
                self.unknown.add((writer, n))
                at += 1
                time.sleep(0.05)

    def acknowledged(self):
        return set().union(*self.done)

    def least(self):
        return min(map(len, self.done))

    def run_until(self, acknowledged):
        with self.moved:
            reached = self.moved.wait_for(lambda: self.least() >= acknowledged, SECONDS_MAX)
        assert reached, (self.done, self.errors[-3:])

    def next_after(self, moment):
        with self.moved:
            return min(time for time in self.times if time > moment)

    def end(self):
        self.stopping.set()
        for thread in self.threads:
            thread.join()


def test_what_a_killed_node_had_ratified_is_published_by_another(tmp_path):
    group = Group(tmp_path)
    armed = tmp_path / "armed"
    first = group.nodes[0]
    for node in group.nodes:
        own = node is first
        node.launch(**({"DAB_CRASH_POINT": "publish::before", "DAB_CRASH_ARMED": str(armed)} if own else {}))
    for node in group.nodes:
        node.wait_until_up()
    try:
        with first.connect() as connection, connection.cursor() as cursor:
            cursor.execute("CREATE TABLE t (id BIGINT)")
        armed.touch()
        asking = threading.Thread(target=lambda: insert_or_fail(first))
        asking.start()
        wait_until(lambda: "at crash point publish::before" in first.log())
        group.kill(first)
        asking.join()
        # the ledger has it, so that every node shows it, and the plain table gets it
        assert group.nodes[2].query("SELECT id FROM t") == [(7,)]
        wait_until(lambda: DeltaTable(tmp_path / "tables" / "t").version() == 1)
    finally:
        group.stop()


def insert_or_fail(node):
    try:
        with node.connect() as connection, connection.cursor() as cursor:
            cursor.execute("INSERT INTO t VALUES (7)")
    except Exception:  # its node is killed while it waits
        pass


def test_a_commit_waits_for_the_witness_outside(go, tmp_path):
    """Four organisations hold the ledger, a fifth the witness: without it, nothing is certified by the four alone."""
    state, port = tmp_path / "witness", free_port()
    printed = run(dab_binary(), "witness", "--state", state, "--name", "fifth.example", "--print-key").stdout
    group = Group(tmp_path / "group", witness=(printed.strip(), f"http://127.0.0.1:{port}"))
    witness = ["witness", "--state", state, "--trust", group.nodes[0].trust, "--listen", f"127.0.0.1:{port}"]
    witness = [str(word) for word in [dab_binary(), *witness]]
    running = subprocess.Popen(witness, stdout=subprocess.DEVNULL)
    try:
        group.start()
        with group.nodes[0].connect() as connection, connection.cursor() as cursor:
            cursor.execute("CREATE TABLE t (id BIGINT)")
        running.kill()
        running.wait()
        certified = [(node.public / "checkpoint").read_bytes() for node in group.nodes]
        asking = threading.Thread(target=lambda: insert_or_fail(group.nodes[2]))
        asking.start()
        # it is asked for what the replicas have agreed on
        wait_until(lambda: any("a witness does not cosign" in node.log() for node in group.nodes))
        assert certified == [(node.public / "checkpoint").read_bytes() for node in group.nodes]
        running = subprocess.Popen(witness, stdout=subprocess.DEVNULL)
        asking.join()
        wait_until(lambda: group.nodes[3].query("SELECT count(*) FROM t") == [(1,)])
        proofs = receipts(group.nodes[3], "t")
        path = tmp_path / "receipt.tlog-proof"
        for proof in proofs.values():
            assert "\n— fifth.example " in proof, proof
            path.write_text(proof)
            run(dab_verify_binary(), "verify", path, "--trust", group.nodes[1].trust)
            accepted(go, "proof", path, "--trust", group.nodes[1].trust)
            # the quorum of the replicas without the witness's word is none
            path.write_text(re.sub(r"(?m)^— fifth\.example .*\n", "", proof))
            assert in_go(go, "proof", path, "--trust", group.nodes[1].trust)[0] == 1
    finally:
        group.stop()
        running.kill()
        running.wait()


def test_a_node_that_sees_another_folder_of_tables_is_refused(group, tmp_path):
    node = group.nodes[3]
    node.stop()
    try:
        for folder, words in [
            (tmp_path / "nowhere", "there is no such folder"),
            (tmp_path, "no .dab-root is here"),
        ]:
            done = serve(node, "--tables", folder)
            assert done.returncode == 1 and words in done.stderr, done.stderr
        (tmp_path / ".dab-root").write_text("another\n")
        done = serve(node, "--tables", tmp_path)
        assert "have their tables in another folder" in done.stderr, done.stderr
        done = serve(node)
        assert "--tables" in done.stderr, done.stderr
        # no command of a client makes a replica take part
        done = run(dab_binary(), "sql", "--data", node.data, "-c", "SELECT 1", check=False)
        assert done.returncode == 1 and "is a replica's, and none runs there" in done.stderr, done.stderr
    finally:
        node.start()


def serve(node, *arguments):
    anywhere = ["--listen", "127.0.0.1:0", "--audit-listen", "127.0.0.1:0"]
    return run(dab_binary(), "serve", "--data", node.data, *anywhere, *arguments, check=False, timeout=SECONDS_MAX)


def test_keys_are_made_once_and_a_founding_is_taken_once(tmp_path):
    keys = ["--origin", "dab/x", "--name", "n1", "--address", "127.0.0.1:4001", "--data", tmp_path / "n1"]
    line = node_verb("keys", *keys).stdout
    assert node_verb("keys", *keys).stdout == line, "asked again, the machine is the same"
    other = node_verb("keys", *keys[:3], "n2", *keys[4:], check=False)
    assert other.returncode == 1 and "already that of n1" in other.stderr, other.stderr
    (tmp_path / "lines").write_text(line)
    found = ["--origin", "dab/x", "-o", tmp_path / "founding", tmp_path / "lines"]
    alone = node_verb("found", *found, check=False)
    assert "needs no founding" in alone.stderr and not (tmp_path / "founding").exists(), alone.stderr
    second = ["--origin", "dab/x", "--name", "n2", "--address", "127.0.0.1:4002", "--data", tmp_path / "n2"]
    (tmp_path / "lines").write_text(line + node_verb("keys", *second).stdout)
    early = serve_in(tmp_path / "n1")
    assert "bring it the founding first" in early.stderr, early.stderr
    node_verb("found", *found)
    assert os.stat(tmp_path / "founding").st_mode & 0o777 == 0o600
    again = node_verb("found", *found, check=False)
    assert again.returncode == 1 and "is there already" in again.stderr, again.stderr
    for torn in ["", "name only\n", line.replace("sha256:", "sha1:")]:
        (tmp_path / "torn").write_text(torn + "x\n")
        done = node_verb("found", "--origin", "dab/x", "-o", tmp_path / "no", tmp_path / "torn", check=False)
        assert done.returncode == 1 and "line 1" in done.stderr, done.stderr
    assert "replica 2 of dab/x" in node_verb("join", "--data", tmp_path / "n2", tmp_path / "founding").stdout


def serve_in(data):
    anywhere = ["--listen", "127.0.0.1:0", "--audit-listen", "127.0.0.1:0", "--tables", data.parent]
    return run(dab_binary(), "serve", "--data", data, *anywhere, check=False, timeout=SECONDS_MAX)
