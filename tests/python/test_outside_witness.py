"""Witnesses outside come and go, as people of several organisations would have it: does the ledger ask whom its epoch names, is
every auditor told, and can those who trust the policy before follow?"""

import re
import shutil
import signal
import subprocess

import pytest

from auditor import audit_ledger
from epochs import follow
from go_verifier import in_go
from group import Group, approve, node_verb
from made_ledger import Signer
from receipt import verify
from sandbox import Sandbox, is_running, restart
from server import dab_binary, dab_verify_binary, free_port, run, wait_until
from signed_note import COSIGNER_KEY
from trust_directory import Trust
from verdict import Invalid
from witness import Witness

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
    return approve(change, *group.nodes[1:3])


def apply(group, change):
    return node_verb("apply", "--data", group.nodes[3].data, change).stdout


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
        """Once more, by the independent verifier, from where it was."""
        policy, writers = ((self.python / name).read_bytes() for name in ("policy", "writers"))
        for self.epoch, _, _, policy, writers in follow(changes, policy, writers, self.epoch):
            (self.python / "policy").write_bytes(policy)
            (self.python / "writers").write_bytes(writers)


def audited_by_others(go, group, trust):
    """The independent verifiers, which know no epochs, under the policy of now."""
    public = group.nodes[2].public
    audit_ledger(lambda path: (public / path).read_bytes(), Trust(trust))
    assert in_go(go, "ledger", public, "--trust", trust)[0] == 0


def test_a_witness_comes_is_replaced_and_goes_and_every_auditor_is_told(go, group, witnesses, tmp_path):
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
    group.nodes[2].query("INSERT INTO t VALUES (1)")
    proof = group.nodes[3].receipt("t").encode()
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
    group.nodes[0].query("INSERT INTO t VALUES (2)")
    proof = group.nodes[1].receipt("t").encode()
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
    there[0].query("INSERT INTO t VALUES (3)")
    led.start()
    assert led.query("SELECT count(*) FROM t") == [(3,)]
    assert "; besides, w2.example has to cosign" in led.log()

    # the last one goes: whoever runs the replicas can do without, and nobody is left unaware of it
    change.unlink()
    told = draft(group, change, "remove", "w2.example")
    assert "then NO witness outside has to cosign: the members certify by themselves" in told, told
    apply(group, change)
    two.stop(signal.SIGKILL)
    group.nodes[1].query("INSERT INTO t VALUES (4)")
    receipt.write_text(group.nodes[2].receipt("t"))
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
        group.nodes[0].query("INSERT INTO t VALUES (9)")
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
    for arguments in (["--witness"], []):
        with Sandbox(tmp_path / "s", *arguments) as sandbox:
            assert len(sandbox.nodes) == 4 and "witness" in sandbox.pids, sandbox.said
            table, nodes = f"t{len(arguments)}", sandbox.nodes.values()
            node = sandbox.nodes["n2"]
            node.dab("sql", "-c", f"CREATE TABLE {table} AS SELECT 1 AS id")
            assert "\n— witness.sandbox " in node.receipt(table)
            # the four together cannot do without the fifth, and go on with it
            said = sandbox.kill("witness")
            assert "nothing is certified until it runs again" in said, said
            certified = (sandbox.nodes["n1"].public / "checkpoint").read_bytes()
            insert = [dab_binary(), "sql", "--data", node.data, "-c", f"INSERT INTO {table} VALUES (2)"]
            waiting = subprocess.Popen(insert, stdout=subprocess.DEVNULL)
            wait_until(lambda: any("a witness does not cosign" in node.log() for node in nodes))
            assert (sandbox.nodes["n1"].public / "checkpoint").read_bytes() == certified
            witness = subprocess.Popen(restart(said), stdout=subprocess.DEVNULL)
            try:
                # it may be told that its outcome is unknown, and is carried out all the same
                waiting.wait(SECONDS_MAX)
                rows = ("sql", "-c", f"SELECT count(*) AS n FROM {table}", "--format", "csv")
                wait_until(lambda: "2" in node.dab(*rows, check=False).stdout.split())
                shown = sandbox.nodes["n3"]
                run(dab_verify_binary(), "audit", "ledger", shown.public, "--trust", shown.trust)
            finally:
                witness.kill()
                witness.wait()
            sandbox.process.send_signal(signal.SIGINT)
            assert sandbox.process.wait(SECONDS_MAX) == 0
            assert not any(map(is_running, sandbox.pids.values())), "a process outlives its sandbox"
