"""Members that come and go, by the command line as its help says: does the ledger go on, and can an auditor follow?"""

import shutil

import pytest

from go_verifier import in_go
from group import ORIGIN, Group, approve, node_verb
from server import Server, dab_verify_binary, free_port, run


@pytest.fixture(scope="module")
def group(tmp_path_factory):
    group = Group(tmp_path_factory.mktemp("members")).start()
    try:
        with group.nodes[0].connect() as connection, connection.cursor() as cursor:
            cursor.execute("CREATE TABLE t AS SELECT 1 AS id")
        group.founded = [(group.nodes[0].trust / name).read_text() for name in ("policy", "writers")]
        yield group
    finally:
        group.stop()


def candidate(group, name, directory=None):
    """A machine of its own, with its keys and the line by which the others know it."""
    node = Server((directory or group.directory) / name, "--tables", group.tables)
    address = f"{node.host}:{free_port()}"
    line = node_verb("keys", "--data", node.data, "--origin", ORIGIN, "--name", name, "--address", address)
    path = node.data.with_suffix(".line")
    path.write_text(line.stdout)
    return node, path


def rows(node):
    return [row[0] for row in node.query("SELECT id FROM t ORDER BY id")]


def test_a_lost_machine_is_replaced_and_an_auditor_follows(group, go, tmp_path):
    trust, followed = tmp_path / "trust", tmp_path / "followed"
    shutil.copytree(group.nodes[0].trust, trust)
    lost = group.leader()
    group.kill(lost)
    name = f"n{group.nodes.index(lost) + 1}"
    there = [node for node in group.nodes if node is not lost]
    new, line = candidate(group, "n5")
    change, invitation = tmp_path / "change", tmp_path / "invitation"
    drafted = node_verb("add", "--data", there[0].data, line, "--replaces", name, "-o", change).stdout
    assert f" {name} " in drafted and " n5 " in drafted, drafted
    assert "approved by 1 of the 3 members that it takes" in drafted, drafted

    # too few: nothing happens, and the message says what is next
    few = node_verb("apply", "--data", there[0].data, change, "-o", invitation, check=False)
    assert few.returncode != 0 and "too few members approve" in few.stderr, few
    assert "node approve" in few.stdout and not invitation.exists()
    approved = approve(change, *there[1:])
    assert "approved by 3 of the 3" in approved and "node apply" in approved, approved

    applied = node_verb("apply", "--data", there[1].data, change, "-o", invitation).stdout
    assert "node join" in applied, applied
    assert invitation.stat().st_mode & 0o777 == 0o600
    joined = node_verb("join", "--data", new.data, invitation).stdout
    assert f"n5 is replica 5 of {ORIGIN}" in joined, joined
    new.launch()
    new.wait_until_up()
    group.nodes[group.nodes.index(lost)] = new
    assert rows(new) == [1]

    # the quorum rests on the new one now
    away = there[2]
    group.kill(away)
    new.query("INSERT INTO t VALUES (2)")
    assert rows(there[0]) == [1, 2]
    listed = node_verb("list", "--data", there[0].data).stdout
    assert [line.split()[0] for line in listed.splitlines()] == sorted(
        {"1", "2", "3", "4", "5"} - {name[1:]}, key=int
    ), listed
    away.start()

    # who trusts the old members does not take the new ones' word, and follows by theirs
    receipt = tmp_path / "receipt.tlog-proof"
    receipt.write_text(new.receipt("t"))
    assert run(dab_verify_binary(), "verify", receipt, "--trust", trust, check=False).returncode == 1
    assert in_go(go, "proof", receipt, "--trust", trust)[0] == 1
    status, words = in_go(go, "follow", there[0].trust / "changes", "--trust", trust, "--output", followed)
    assert status == 0 and "epoch 1, 4 members; checkpoint of dab/group" in words, words
    told = run(dab_verify_binary(), "follow", there[0].trust / "changes", "--trust", trust, "--write").stdout
    assert "epoch 1, 4 members" in told, told
    run(dab_verify_binary(), "verify", receipt, "--trust", trust)
    run(dab_verify_binary(), "audit", "ledger", new.public, "--trust", trust)
    assert (trust / "policy").read_text() == (new.trust / "policy").read_text()
    for name in ("policy", "writers"):
        assert (followed / name).read_text() == (trust / name).read_text()
    audited_in_go(go, group, new, followed, receipt, tmp_path / "head")


def audited_in_go(go, group, node, trust, receipt, head):
    """The verifier in Go finds checkpoint, receipt, head proof, ledger and table of one node certified by those trusted."""
    node.dab("prove", "--head", "t", "-o", head)
    for arguments in [
        ("checkpoint", node.public / "checkpoint"),
        ("proof", receipt),
        ("head", head),
        ("ledger", node.public),
        ("table", group.tables / "t", "--ledger", node.public),
    ]:
        status, words = in_go(go, *arguments, "--trust", trust)
        assert status == 0 and "cosigned by n" in words, words


def test_what_cannot_be_is_refused_by_name(group, tmp_path):
    data = group.nodes[1].data
    for verb, arguments, reason in [
        ("remove", ["n9"], "there is no member n9; there are"),
        ("add", [tmp_path / "nothing"], "cannot read"),
        ("approve", [tmp_path / "nothing"], "cannot read"),
        ("join", [tmp_path / "nothing"], ""),
    ]:
        done = node_verb(verb, "--data", data, *arguments, check=False)
        assert done.returncode != 0 and reason in done.stderr, done
    name = group.nodes[2].data.name
    _, line = candidate(group, name, tmp_path)
    change = tmp_path / "change"
    done = node_verb("add", "--data", data, line, "-o", change, check=False)
    assert done.returncode != 0 and f"name {name} of another member" in done.stderr, done
    junk = tmp_path / "junk"
    junk.write_text("nothing\n")
    done = node_verb("approve", "--data", data, junk, check=False)
    assert done.returncode != 0 and not change.exists(), done


def test_a_member_leaves_and_the_others_go_on(group, go, tmp_path):
    there = group.running()
    leaving = group.leader()
    others = [node for node in there if node is not leaving]
    change = tmp_path / "change"
    name = leaving.data.name
    node_verb("remove", "--data", others[0].data, name, "-o", change)
    approve(change, *others[1:])
    applied = node_verb("apply", "--data", others[0].data, change).stdout
    assert "leaves" in applied and f" {name} " in applied, applied
    leaving.stop()
    others[0].query("INSERT INTO t VALUES (3)")
    assert [rows(node) for node in others] == [[1, 2, 3]] * 3
    assert "\ngroup replicas 2 " in (others[0].trust / "policy").read_text()
    # from what the group was founded with, through both changes
    founded, followed = tmp_path / "founded", tmp_path / "followed"
    changes = others[0].trust / "changes"
    founded.mkdir()
    for name, text in zip(("policy", "writers"), group.founded):
        (founded / name).write_text(text)
    status, words = in_go(go, "follow", changes, "--trust", founded, "--output", followed)
    assert status == 0 and "epoch 2, 3 members" in words, words
    receipt = tmp_path / "receipt.tlog-proof"
    receipt.write_text(others[0].receipt("t"))
    audited_in_go(go, group, others[0], followed, receipt, tmp_path / "head")
