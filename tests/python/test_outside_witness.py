"""Witnesses outside come and go, as people of several organisations would have it: does the ledger ask whom its epoch names, is
every auditor told, and can those who trust the policy before follow?"""

import os
import re
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from auditor import audit_ledger
from group import Group, node_verb
from made_ledger import Signer
from server import dab_binary, dab_verify_binary, free_port, run, wait_until
from test_go import go, in_go  # noqa: F401 (a fixture is found by its name)
from test_sandbox import is_running, said_until
from test_witness import Witness
from verifier import COSIGNER_KEY, Invalid, Trust, verify

SECONDS_MAX = 120
GOOD, BAD, WITNESSES = 0, 14, 15


@pytest.fixture(scope="module")
def group(tmp_path_factory):
    group = Group(tmp_path_factory.mktemp("outside")).start()
    try:
        with group.nodes[0].connect() as connection, connection.cursor() as cursor:
            cursor.execute("CREATE TABLE t (id BIGINT)")
        yield group
    finally:
        group.stop()


@pytest.fixture(scope="module")
def witnesses(group, tmp_path_factory):
    """Two organisations that know the ledger, by what they were given of it."""
    directory = tmp_path_factory.mktemp("witnesses")
    names = ["w1.example", "w2.example"]
    running = [Witness(directory / name, "--name", name, "--trust", group.nodes[0].trust) for name in names]
    try:
        yield running
    finally:
        for witness in running:
            witness.stop()


def draft(group, change, *arguments):
    """Drafts at one member's machine, and has two more approve. What the last one was told."""
    node_verb("witness", arguments[0], "--data", group.nodes[0].data, *arguments[1:], "-o", change)
    for node in group.nodes[1:3]:
        told = node_verb("approve", "--data", node.data, change).stdout
    return told


def apply(group, change):
    return node_verb("apply", "--data", group.nodes[3].data, change).stdout


def insert(node, value):
    with node.connect() as connection, connection.cursor() as cursor:
        cursor.execute(f"INSERT INTO t VALUES ({value})")


def last_receipt(node):
    return node.query("SELECT proof FROM dab.receipts WHERE table_name = 't' ORDER BY version DESC LIMIT 1")[0][0].encode()


class Auditor:
    """Somebody who was given the trust directory once, and from then on believes nothing else."""

    def __init__(self, group, directory):
        self.group, self.trust, self.state = group, directory / "trust", directory / "monitor"
        self.python = directory / "in-python"
        for trust in (self.trust, self.python):
            shutil.copytree(group.nodes[0].trust, trust)
        self.epoch = 0

    def monitor(self, expected):
        words = ["monitor", self.group.nodes[1].public, "--trust", self.trust, "--state", self.state, "--once"]
        done = run(dab_binary(), *words, "--on-alarm", 'echo "told: $DAB_ALARM $DAB_ALARM_REASON"', check=False)
        assert done.returncode == expected, (done.returncode, done.stdout, done.stderr)
        return done.stdout + done.stderr

    def audit(self):
        ledger = ["audit", "ledger", self.group.nodes[1].public, "--trust", self.trust]
        return " ".join(run(dab_verify_binary(), *ledger).stdout.split())

    def follow(self):
        changes = self.group.nodes[1].trust / "changes"
        told = run(dab_verify_binary(), "follow", changes, "--trust", self.trust, "--write").stdout
        self.follow_in_python(changes.read_bytes())
        for name in ("policy", "writers"):
            assert (self.python / name).read_text() == (self.trust / name).read_text(), name
        return " ".join(told.split())

    def follow_in_python(self, changes):
        """Once more, by the page of the format: each change is a note that a receipt of the old ones binds, the last of theirs."""
        epoch = 0
        while changes:
            head = re.match(rb"dab/epoch-change/v1\nepoch (\d+)\nreceipt (\d+)\n", changes)
            lengths = [int(length) for length in head.groups()]
            note, rest = changes[head.end() :][: lengths[0]], changes[head.end() + lengths[0] :]
            receipt, changes = rest[: lengths[1]], rest[lengths[1] :]
            if epoch == self.epoch:
                leaf, index, checkpoint = verify(receipt, Trust(self.python), commit=note)
                assert (leaf.subject, leaf.operation, leaf.sequence) == ("members", "MEMBERS", epoch)
                assert checkpoint.size == index + 1
                parts = re.search(rb"\npolicy (\d+)\n(.*)", note, re.DOTALL)
                lines = parts[2].split(b"\n")
                count = int(parts[1])
                (self.python / "policy").write_bytes(b"\n".join(lines[:count]) + b"\n")
                writers = int(lines[count].removeprefix(b"writers "))
                (self.python / "writers").write_bytes(b"\n".join(lines[count + 1 : count + 1 + writers]) + b"\n")
                self.epoch += 1
            epoch += 1


def audited_by_others(go, group, trust):  # noqa: F811
    """The independent verifiers, which know no epochs, under the policy of now."""
    public = group.nodes[2].public
    audit_ledger(lambda path: (public / path).read_bytes(), Trust(trust))
    assert in_go(go, "ledger", public, "--trust", trust)[0] == 0


def test_a_witness_comes_is_replaced_and_goes_and_every_auditor_is_told(go, group, witnesses, tmp_path):  # noqa: F811
    one, two = witnesses
    change, receipt = tmp_path / "change", tmp_path / "receipt.tlog-proof"
    auditor = Auditor(group, tmp_path)
    assert node_verb("witness", "list", "--data", group.nodes[0].data).stdout == ""
    assert "certified by 3 of its 4 replicas, of which 1 may be faulty\n" in group.nodes[0].log()
    auditor.monitor(GOOD)

    # the first one comes: from the change on, all of it bears its cosignature
    told = draft(group, change, "add", one.vkey, one.url)
    assert f"engages    w1.example, a witness outside, at {one.url}" in told, told
    assert "nothing is certified without that one witness" in told, told
    told = apply(group, change)
    leaf = re.search(r"certified by leaf (\d+): from leaf (\d+) on the witnesses of then are asked", told)
    assert leaf and int(leaf[2]) == int(leaf[1]) + 1 and "dab-verify follow" in told, told
    for node in group.nodes:
        wait_until(lambda: b"\ngroup both all replicas outside\n" in (node.trust / "policy").read_bytes())
    insert(group.nodes[2], 1)
    proof = last_receipt(group.nodes[3])
    assert "\n— w1.example ".encode() in proof, proof
    # who trusts the members alone still can, hears that something changes, and then what
    said = auditor.monitor(GOOD)
    assert f"notice: leaf {leaf[1]} begins an epoch: see dab-verify follow" in said, said
    assert f"which witness is asked says (1 leaf, the last is {leaf[1]})" in auditor.audit()
    told = auditor.follow()
    assert "in epoch 1: now w1.example has to cosign; new w1.example" in told, told
    said = auditor.monitor(WITNESSES)
    assert "told: witnesses the policy asks for other witnesses outside: now w1.example has to cosign" in said, said
    assert "ALARM witnesses" in said, said
    auditor.monitor(GOOD)
    verify(proof, Trust(auditor.python))
    audited_by_others(go, group, auditor.trust)

    # it gives way to another: the old policy is of no use for what follows, and says what to do
    change.unlink()
    told = draft(group, change, "add", two.vkey, two.url, "--replaces", "w1.example")
    assert "dismisses  w1.example" in told and "engages    w2.example" in told, told
    apply(group, change)
    one.stop(signal.SIGKILL)
    insert(group.nodes[0], 2)
    proof = last_receipt(group.nodes[1])
    assert "\n— w2.example ".encode() in proof and b"w1.example" not in proof, proof
    wait_until(lambda: (group.nodes[1].public / "checkpoint").read_bytes().count("— w2.example".encode()) == 1)
    with pytest.raises(Invalid):
        verify(proof, Trust(auditor.python))
    assert "follow the ledger's changes first (dab-verify follow)" in auditor.monitor(BAD)
    told = auditor.follow()
    assert "in epoch 2: now w2.example has to cosign; gone w1.example; new" in told, told
    assert "gone w1.example; new w2.example" in auditor.monitor(WITNESSES)
    auditor.monitor(GOOD)
    verify(proof, Trust(auditor.python))
    audited_by_others(go, group, auditor.python)
    listed = node_verb("witness", "list", "--data", group.nodes[3].data).stdout
    assert listed == f"w2.example  {two.url}\n    {two.vkey}\n", listed

    # another leader asks it too, and a replica that was away learns of it all
    led = group.leader()
    group.kill(led)
    there = [node for node in group.nodes if node is not led]
    insert(there[0], 3)
    led.start()
    assert led.query("SELECT count(*) FROM t") == [(3,)]
    assert "; besides, w2.example has to cosign" in led.log()

    # the last one goes: whoever runs the replicas can do without, and nobody is left unaware of it
    change.unlink()
    told = draft(group, change, "remove", "w2.example")
    assert "then NO witness outside has to cosign: the members certify by themselves" in told, told
    apply(group, change)
    two.stop(signal.SIGKILL)
    insert(group.nodes[1], 4)
    receipt.write_bytes(last_receipt(group.nodes[2]))
    assert run(dab_verify_binary(), "verify", receipt, "--trust", auditor.trust, check=False).returncode == 1
    gone = "now none: whoever runs the replicas certifies without them; gone w2.example"
    assert f"in epoch 3: {gone}" in auditor.follow()
    assert gone in auditor.monitor(WITNESSES)
    assert "witnesses outside none: whoever runs the replicas" in auditor.audit()
    run(dab_verify_binary(), "verify", receipt, "--trust", auditor.trust)
    audited_by_others(go, group, auditor.python)


def test_a_witness_that_would_stop_the_ledger_is_not_engaged(group, tmp_path):
    data, change = group.nodes[0].data, tmp_path / "change"
    nobody = f"http://127.0.0.1:{free_port()}"
    key = Signer("w9.example", "w9", COSIGNER_KEY).vkey
    ledger_key = re.search("^log (.*)$", (group.nodes[0].trust / "policy").read_text(), re.MULTILINE)[1]
    member_key = re.search("^witness n1 (.*)$", (group.nodes[0].trust / "policy").read_text(), re.MULTILINE)[1]
    stranger = Witness(tmp_path / "stranger", "--name", "w9.example", "--log", Signer("dab/other", "other").vkey)
    knows = Witness(tmp_path / "knows", "--name", "w8.example", "--trust", group.nodes[0].trust)
    try:
        for arguments, status, words in [
            (["add", key, nobody], 1, ["w9.example does not answer", "would stop the ledger"]),
            (["add", stranger.vkey, stranger.url], 1, ["w9.example refuses with status 404"]),
            (["add", key, knows.url], 1, ["no line is by its key"]),
            (["add", ledger_key, knows.url], 1, ["key"]),
            (["add", member_key, knows.url], 1, ["key"]),
            (["add", "rubbish", nobody], 64, ["rubbish"]),
            (["add", key, "nowhere"], 1, ["URL"]),
            (["add", key, "http://ann:secret@127.0.0.1:1"], 1, ["a user or a password"]),
            (["add", key, nobody, "--replaces", "w1.example"], 1, ["this ledger has no witness outside"]),
            (["remove", "w1.example"], 1, ["this ledger has no witness outside"]),
            (["add", key, nobody, "--witness-ca", tmp_path / "nothing"], 1, ["cannot read", "nothing"]),
        ]:
            done = node_verb("witness", arguments[0], "--data", data, *arguments[1:], "-o", change, check=False)
            said = " ".join(done.stderr.split())
            assert done.returncode == status and all(word in said for word in words), (arguments, done)
            assert "secret" not in said and "panicked" not in said and not change.exists(), (arguments, done)
        # one that answered when it was drafted, and is gone when it counts
        draft(group, change, "add", knows.vkey, knows.url)
        knows.stop(signal.SIGKILL)
        done = node_verb("apply", "--data", data, change, check=False)
        assert done.returncode == 1 and "would stop the ledger" in done.stderr, done
        insert(group.nodes[0], 9)
    finally:
        stranger.stop()
        knows.stop()


def test_a_founder_is_told_what_a_witness_outside_is_for(tmp_path):
    lines = []
    for n in (1, 2):
        words = ["--origin", "dab/told", "--name", f"n{n}", "--address", f"127.0.0.1:{4000 + n}"]
        lines.append(tmp_path / f"n{n}.line")
        lines[-1].write_text(node_verb("keys", "--data", tmp_path / f"n{n}", *words).stdout)
    told = node_verb("found", "--origin", "dab/told", "-o", tmp_path / "without", *lines).stdout
    assert "no witness outside has to cosign" in told and "Recommended: one of another organisation" in told, told
    key = Signer("w.example", "w", COSIGNER_KEY).vkey
    witness = ["--witness", key, "https://w.example/"]
    told = node_verb("found", "--origin", "dab/told", "-o", tmp_path / "with", *witness, *lines).stdout
    assert "w.example  https://w.example/" in told and "Recommended" not in told, told
    for verb in ([], ["witness"]):
        shown = node_verb(*verb, "--help") if verb else run(dab_binary(), "node", "--help")
        assert all(len(line) <= 100 for line in shown.stdout.splitlines()), shown.stdout
    assert "--witness KEY URL" in run(dab_binary(), "node", "--help").stdout


def test_a_sandbox_of_four_organisations_and_a_fifth_that_witnesses(tmp_path):
    command = [str(word) for word in [dab_binary(), "sandbox", "--dir", tmp_path / "s", "--base-port", "0"]]
    for again in (["--witness"], []):
        sandbox = subprocess.Popen([*command, *again], stdout=subprocess.PIPE, text=True)
        try:
            said = said_until(sandbox, "Ctrl-C stops them all")
            pids = dict(re.findall(r"^ +(n\d|witness) +pid (\d+)", said, re.MULTILINE))
            assert len(pids) == 5, said
            sql = [dab_binary(), "sql", "--data", tmp_path / "s" / "n2", "-c"]
            table = f"t{len(again)}"
            run(*sql, f"CREATE TABLE {table} AS SELECT 1 AS id")
            proof = run(*sql, f"SELECT proof FROM dab.receipts WHERE table_name = '{table}'", "--format", "csv").stdout
            assert "— witness.sandbox " in proof, proof
            # the four together cannot do without the fifth, and go on with it
            os.kill(int(pids["witness"]), signal.SIGKILL)
            said = said_until(sandbox, "it is started again by")
            assert "witness ended" in said and "nothing is certified until it runs again" in said, said
            certified = (tmp_path / "s" / "n1" / "public" / "checkpoint").read_bytes()
            waiting = subprocess.Popen([*map(str, sql), f"INSERT INTO {table} VALUES (2)"], stdout=subprocess.DEVNULL)
            logs = [tmp_path / "s" / f"n{n}.log" for n in (1, 2, 3, 4)]
            wait_until(lambda: any("a witness does not cosign" in log.read_text() for log in logs))
            assert (tmp_path / "s" / "n1" / "public" / "checkpoint").read_bytes() == certified
            words = said.split("started again by: ")[1].split()
            witness = subprocess.Popen([dab_binary(), *words[1:]], stdout=subprocess.DEVNULL)
            try:
                # it may be told that its outcome is unknown, and is carried out all the same
                waiting.wait(SECONDS_MAX)
                rows = f"SELECT count(*) AS n FROM {table}"
                wait_until(lambda: "2" in run(*sql, rows, "--format", "csv", check=False).stdout.split())
                trust = tmp_path / "s" / "n3" / "trust"
                run(dab_verify_binary(), "audit", "ledger", tmp_path / "s" / "n3" / "public", "--trust", trust)
            finally:
                witness.kill()
                witness.wait()
        finally:
            sandbox.send_signal(signal.SIGINT)
            assert sandbox.wait(SECONDS_MAX) == 0
        assert not any(is_running(int(pid)) for pid in pids.values()), "a process outlives its sandbox"
