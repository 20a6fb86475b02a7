"""A node that is killed, or whose call fails, at any call that changes its files: does the next start find everything that was
acknowledged, every statement whole or not at all and once, and a ledger that every verifier accepts?

And if it is one of four replicas: do the others go on meanwhile?

`crash_points.py` does it for every call when called by hand, and here for some, drawn by a seed: it is printed, and
DAB_TEST_SEED replays it. The tests behind it ask whether its tools notice what they should."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import syscalls
from crash_points import KINDS
from crash_world import STATEMENTS, World
from server import Server, run
from syscalls import Point, logged, tracer

CAMPAIGN = Path(__file__).with_name("crash_points.py")
TRIALS, TRIALS_OF_REPLICAS = 2 * len(KINDS), 5
# Three threads that write `start`, `middle` and `end` to a file each, one line a call; two of them sync after each. Then the
# files are renamed, one after the other. It says which calls failed.
PROGRAM = """
import os, threading
def write(n):
    handle = os.open(f"f{n}", os.O_WRONLY | os.O_CREAT)
    for line in (b"start", b"middle", b"end"):
        calls = [lambda: os.write(handle, line)] + [lambda: os.fsync(handle)] * (n < 2)
        for call in calls:
            try:
                call()
            except OSError as error:
                os.write(1, f"f{n} {line.decode()} {error.errno}\\n".encode())
threads = [threading.Thread(target=write, args=(n,)) for n in range(3)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
os.mkdir("done")
for n in range(3):
    os.rename(f"f{n}", f"done/f{n}")
"""
CALLS = 3 * (1 + 3) + 2 * 3 + 1 + 3


@pytest.fixture(scope="module", autouse=True)
def can_be_met():
    reason = syscalls.why_not()
    if reason:
        pytest.skip(reason)


def campaign(directory, capsys, *arguments):
    """What it says, nothing being wrong."""
    done = run(sys.executable, CAMPAIGN, "--dir", directory, *arguments, check=False, timeout=900)
    with capsys.disabled():
        print(f"\n{done.stdout}")
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    assert done.stdout.endswith("nothing is wrong\n")
    return done.stdout


def test_interrupted_at_any_call_a_node_starts_again_whole(tmp_path, capsys):
    said = campaign(tmp_path, capsys, "--count", TRIALS)
    assert re.search(r"^kill: 2 of 2; \d killed", said, re.MULTILINE), said
    # whoever starts it again finds all that was tried, and tries nothing twice
    again = campaign(tmp_path, capsys)
    assert f"\n{TRIALS} of them were tried before\n" in again and again.splitlines()[2:] == said.splitlines()[2 + TRIALS :]


def test_interrupted_at_any_call_a_replica_is_not_missed_and_catches_up(tmp_path, capsys):
    said = campaign(tmp_path, capsys, "--replica", "leader", "--replica", "follower", "--count", TRIALS_OF_REPLICAS)
    # how calls follow one another is not the same in each life; most points are met
    unmet = re.findall(r"^\d+\. .*: the point was not met", said, re.MULTILINE)
    assert len(unmet) < TRIALS_OF_REPLICAS / 2, said


def met(tmp_path, at=None, do=None):
    """Runs the program; what it said, its status, the log, and the names and contents of the files that it left."""
    folder, log = tmp_path / "files", tmp_path / "log"
    folder.mkdir()
    command = [*tracer(folder, log, at, do), sys.executable, "-c", PROGRAM]
    done = subprocess.run(list(map(str, command)), cwd=folder, capture_output=True, text=True, timeout=60)
    files = {path.name: path.read_text() for path in folder.rglob("f?")}
    return done.stdout + done.stderr, done.returncode, logged(log), files


def test_every_call_of_every_thread_is_counted_and_none_elsewhere(tmp_path):
    words, status, (points, point), files = met(tmp_path)
    assert (words, status, point) == ("", 0, None)
    assert len(points) == CALLS == len(set(points))
    assert {point.nth for point in points if (point.call, point.path) == ("write", "f2")} == {1, 2, 3}
    assert points[-1] == Point("rename", "done/f2", 1) == Point.parsed(str(points[-1]))
    assert files == {f"f{n}": "startmiddleend" for n in range(3)}


def test_a_killed_process_has_made_the_calls_before_the_point_and_no_other(tmp_path):
    _, status, (points, point), files = met(tmp_path, "rename done/f1 #1", "kill")
    assert (status, str(point)) == (-signal.SIGKILL, "rename done/f1 #1") and points[-1] == point
    assert not (tmp_path / "files" / "done" / "f1").exists() and (tmp_path / "files" / "done" / "f0").exists()
    assert files["f1"] == "startmiddleend"


def test_a_point_by_its_number_is_the_so_maniest_call_of_all_threads(tmp_path):
    _, status, (points, point), _ = met(tmp_path, CALLS - 3, "kill")
    assert (status, str(point), len(points)) == (-signal.SIGKILL, "mkdir done #1", CALLS - 3)


def test_a_torn_write_leaves_its_first_half(tmp_path):
    _, status, _, files = met(tmp_path, "write f0 #2", "tear")
    assert (status, files["f0"]) == (-signal.SIGKILL, "startmid")


def test_a_call_fails_once_or_from_there_on(tmp_path):
    words, status, (_, point), files = met(tmp_path, "fsync f1 #2", "eio")
    assert (words, status, str(point)) == ("f1 middle 5\n", 0, "fsync f1 #2")
    assert files == {f"f{n}": "startmiddleend" for n in range(3)}


def test_a_full_disk_stays_full(tmp_path):
    words, status, (points, _), files = met(tmp_path, "write f0 #3", "enospc")
    assert "f0 end 28\n" in words and "No space left on device: 'done'" in words and status == 1
    assert files["f0"] == "startmiddle"
    # what takes no room goes on
    assert Point("fsync", "f0", 3) in points


def test_only_what_comes_after_arming_is_counted_and_other_folders_by_their_names(tmp_path):
    folder, other, armed = tmp_path / "files", tmp_path / "elsewhere", tmp_path / "armed"
    for each in (folder, other):
        each.mkdir()
    program = "import sys; folder, other, armed = sys.argv[1:]; [open(f'{place}/f', 'w').close() for place in (folder, other)]"
    program += "; open(armed, 'w').close(); [open(f'{place}/g', 'w').close() for place in (folder, other)]"
    command = tracer(folder, tmp_path / "log", also=[("there", other)], armed=armed)
    subprocess.run([str(word) for word in (*command, sys.executable, "-c", program, folder, other, armed)], check=True)
    assert [(point.path, point.nth) for point in logged(tmp_path / "log")[0]] == [("g", 1), ("there/g", 1)]


def test_names_drawn_by_chance_are_the_same_point_in_each_run(tmp_path):
    program = "import os; [open(name, 'w').close() for name in os.environ['NAMES'].split()]"
    names = "part-00000-21ae282f-8a7f-40a3-9cfa-e989fba0456d-c000.parquet .tmp-8a7f t-0123abcd"
    command = [*tracer(tmp_path, tmp_path / "log"), sys.executable, "-c", program]
    subprocess.run(list(map(str, command)), cwd=tmp_path, env=os.environ | {"NAMES": names}, check=True)
    assert [point.path for point in logged(tmp_path / "log")[0]] == ["part-00000-*-c000.parquet", ".tmp-*", "t-*"]


def test_what_was_lost_or_done_twice_or_not_asked_for_is_noticed(tmp_path):
    create, insert, many, *_ = STATEMENTS
    world, server = World(), Server(tmp_path / "data").start()
    try:
        server.query(create.sql)
        for sql in (insert.sql, insert.sql, "INSERT INTO t VALUES (9), (10), (11)"):
            server.query(sql)
        world.answers |= {create: "its answer", many: "its answer"}
        world.unsure.add(insert)
        world.check_after_restart(server)
    finally:
        server.stop()
    found = "\n".join(world.found)
    for wrong in (
        f"acknowledged and lost: {many.sql}",
        f"done 2 times: {insert.sql}",
        "nobody asked for INSERT of 3 rows in t",
        "t has 7 rows [1, 1, 2]..[9, 10, 11] instead of [1, 2]",
        f"{many.sql} was answered 'its answer', and asked again",
        f"asked again, {create.sql} is refused",
    ):
        assert wrong in found, found
