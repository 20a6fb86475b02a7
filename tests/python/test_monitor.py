"""Does `dab monitor` follow an honest ledger in silence, and call out each kind of wrong by its own exit code, with evidence
that others can check?"""

import os
import signal
import subprocess
import threading
import time
from pathlib import Path

import pytest

from checkpoint import Checkpoint
from made_ledger import MadeLedger, Signer, note
from server import STOP_SECONDS_MAX, dab_binary, dab_verify_binary, run
from trust_directory import Trust
from web import Web

GOOD, UNDECIDED, FORK, SHRUNK, STALLED, WRITER, BAD, USAGE = 0, 2, 10, 11, 12, 13, 14, 64
FOLLOW_SECONDS_MAX = 60


def made(directory, leaves, word="leaf", **policy):
    ledger = MadeLedger(directory, **policy)
    extend(ledger, leaves, word)
    return ledger.issue()


def extend(ledger, leaves, word="leaf"):
    for n in range(leaves):
        ledger.notarize(f"table/{n % 5}", b"%s %d" % (word.encode(), n))


class Monitor:
    """`dab monitor --once` over one state directory."""

    def __init__(self, ledger, state, place=None):
        self.trust, self.place, self.state = ledger.trust, place or ledger.public, Path(state)

    def command(self, *arguments):
        words = [dab_binary(), "monitor", self.place, "--trust", self.trust, "--state", self.state, *arguments]
        return [str(word) for word in words]

    def look(self, expected, *arguments, place=None):
        if place:
            self.place = place
        done = run(*self.command("--once", *arguments), check=False, timeout=60)
        assert done.returncode == expected, (done.returncode, done.stdout, done.stderr)
        assert "panicked" not in done.stderr and "\x1b" not in done.stdout + done.stderr
        return done.stdout + done.stderr

    def kept(self):
        return (self.state / "checkpoint").read_bytes()

    def evidence(self, kind):
        return sorted((self.state / "evidence").glob(f"{kind}-*"))


@pytest.fixture
def ledger(tmp_path):
    return made(tmp_path / "ledger", 300)


@pytest.fixture
def monitor(ledger, tmp_path):
    """A monitor that has looked at the ledger of 300 leaves."""
    monitor = Monitor(ledger, tmp_path / "monitor")
    assert "good: size 300, 300 new leaves, certifies alone" in monitor.look(GOOD)
    return monitor


@pytest.fixture
def web():
    web = Web()
    yield web
    web.stop()


def test_honest_growth_is_followed_and_kept_as_a_plain_file(ledger, monitor):
    assert monitor.kept() == ledger.checkpoint()
    assert monitor.look(GOOD) == "", "nothing is said when nothing is new"
    for more in (1, 211, 1, 300):
        extend(ledger, more, f"more {more}")
        ledger.issue()
        words = monitor.look(GOOD)
        assert f"size {len(ledger.entries)}, {more} new {'leaf' if more == 1 else 'leaves'}" in words
        assert monitor.kept() == ledger.checkpoint()
    assert not (monitor.state / "evidence").exists()


@pytest.mark.parametrize("leaves", [300, 301, 700])
def test_a_fork_is_told_and_anybody_can_check_the_evidence(ledger, monitor, tmp_path, leaves):
    fork = made(tmp_path / "fork", leaves, "forged")
    told = tmp_path / "told"
    command = f'printf "%s\\n" "$DAB_ALARM" "$DAB_ALARM_EVIDENCE" "$DAB_ALARM_LEDGER" "$DAB_ALARM_REASON" > "{told}"'
    words = monitor.look(FORK, "--on-alarm", command, place=fork.public)
    assert words.startswith("ALARM fork: the ledger forked")
    kind, folder, place, reason = told.read_text().splitlines()
    assert (kind, Path(folder), place) == ("fork", monitor.evidence("fork")[0], str(fork.public))
    assert reason in words
    heads = [Checkpoint((Path(folder) / name).read_bytes(), Trust(ledger.trust)) for name in ("first", "second")]
    assert (heads[0].size, heads[1].size) == (300, leaves)
    # the command that it prints
    check = words.split("check it: dab-verify ")[1].split("\n")[0].split()
    found = run(dab_verify_binary(), *check, check=False)
    assert found.returncode == 1 and "signed both: believe it no more" in " ".join(found.stdout.split()), found.stdout
    # nothing of the fork is accepted, and the next look says the same
    assert monitor.kept() == ledger.checkpoint()
    monitor.look(FORK)
    assert len(monitor.evidence("fork")) == 1
    monitor.look(GOOD, place=ledger.public)


def test_a_smaller_ledger_is_told(ledger, monitor, tmp_path):
    smaller = MadeLedger(tmp_path / "smaller")
    smaller.entries = ledger.entries[:200]
    words = monitor.look(SHRUNK, place=smaller.issue().public)
    assert "ALARM shrunk: the ledger shrank: size 300 was certified, now it shows 200" in words
    assert [file.name for file in sorted(monitor.evidence("shrunk")[0].iterdir())] == ["first", "second"]


def test_without_cosigners_no_growth_is_a_stall(ledger, monitor):
    monitor.look(GOOD, "--stall-s", "3600")
    os.utime(monitor.state / "checkpoint", (1_700_000_000, 1_700_000_000))
    assert "ALARM stalled: the ledger of 300 leaves has not grown for" in monitor.look(STALLED, "--stall-s", "3600")
    monitor.look(GOOD)
    extend(ledger, 1)
    ledger.issue()
    monitor.look(GOOD, "--stall-s", "3600")


def test_with_cosigners_it_is_the_time_of_their_quorum(tmp_path):
    ledger = made(tmp_path / "ledger", 5, witnesses=3, quorum="2")
    monitor = Monitor(ledger, tmp_path / "monitor")
    text = ledger.checkpoint().rpartition(b"\n\n")[0] + b"\n"

    def cosign(*times):
        lines = [witness.line(text, time) for witness, time in zip(ledger.witnesses, times)]
        ledger.write("public/checkpoint", text + b"\n" + ledger.log.line(text) + b"".join(lines))

    long_ago, lately = 1_700_000_000, int(time.time())
    for times, expected in [
        ((long_ago, long_ago, long_ago), STALLED),
        ((lately, long_ago, long_ago), STALLED),  # one of three keeps no ledger alive
        ((lately, lately), GOOD),
        ((long_ago, lately, lately), GOOD),
    ]:
        cosign(*times)
        words = monitor.look(expected, "--stall-s", "3600")
        assert expected == GOOD or "has no cosignatures of its quorum newer than" in words
    # nobody signs in the future: it would keep a dead ledger alive until then
    cosign(lately + 100_000, lately + 100_000)
    assert "s in the future, which is no sign of life" in monitor.look(STALLED, "--stall-s", "3600")


def test_a_ledger_that_cannot_be_reached_stalls_too(ledger, monitor, tmp_path):
    words = monitor.look(UNDECIDED, place=tmp_path / "nowhere")
    assert words.startswith("undecided: checkpoint cannot be read")
    os.utime(monitor.state / "checkpoint", (1_700_000_000, 1_700_000_000))
    assert "it could not be read: checkpoint" in monitor.look(STALLED, "--stall-s", "3600")


def test_writers_who_are_not_expected_are_told(ledger, monitor, tmp_path):
    second = Signer(f"{ledger.origin}/node2", "second")
    with (ledger.trust / "writers").open("a") as writers:
        writers.write(f"{second.vkey} table/*\n")
    ledger.notarize("table/1", b"by the second", writer=second)
    ledger.issue()
    words = monitor.look(WRITER, "--writer", ledger.writer.name)
    assert f"leaf 300: {second.name} wrote it, about table/1: that writer is not expected" in words
    folder = monitor.evidence("writer")[0]
    assert (folder / "leaf").read_bytes() == ledger.entries[300]
    assert (folder / "checkpoint").read_bytes() == ledger.checkpoint()
    monitor.look(GOOD, "--writer", ledger.writer.name, "--writer", second.name)
    ledger.notarize("catalog", b"not its subject", writer=second)
    ledger.issue()
    assert "may not write subject catalog" in monitor.look(WRITER)
    ledger.entries.pop()
    del ledger.heads["catalog"]
    ledger.notarize("table/2", b"by a stranger", writer=Signer("stranger", "stranger"))
    ledger.issue()
    assert "leaf 301: leaf is signed by stranger" in monitor.look(WRITER)
    done = run(*monitor.command("--once", "--writer", "nobody"), check=False)
    assert done.returncode == 1 and "lists no key of that name" in done.stderr


def spoil(ledger, path, place=-20):
    file = ledger.public / path
    content = bytearray(file.read_bytes())
    content[place] ^= 1
    file.write_bytes(content)


@pytest.mark.parametrize(
    "path, evidence",
    [
        ("tile/entries/001.p/54", {"checkpoint", "leaf"}),
        ("tile/0/001.p/54", {"first", "second"}),
        ("tile/1/000.p/1", {"first", "second"}),
        ("checkpoint", {"checkpoint"}),
    ],
)
def test_a_changed_file_is_told_from_a_fork(ledger, monitor, path, evidence):
    extend(ledger, 10, "more")
    ledger.issue()
    spoil(ledger, path)
    words = monitor.look(BAD)
    assert words.startswith("ALARM bad: ")
    assert {file.name for file in monitor.evidence("bad")[0].iterdir()} == evidence
    ledger.issue()
    monitor.look(GOOD)


def test_leaves_that_do_not_hold_are_told_by_their_index(ledger, tmp_path):
    honest = list(ledger.entries)
    for n, (entry, words) in enumerate([
        (b"\x1b[2J\x1b]0;VALID\x07", "leaf 300: "),
        (honest[0], "leaf 300: subject table/0 has sequence 0 here, 60 is due"),
        (note(b"dab/leaf/v1\norigin \x1b[2J\n", ledger.writer), "leaf 300: "),
    ]):
        # each by one who has seen none of the others: two of them are a fork
        monitor = Monitor(ledger, tmp_path / f"state{n}")
        ledger.entries = honest
        ledger.issue()
        monitor.look(GOOD)
        ledger.entries = [*honest, entry]
        ledger.issue()
        assert f"ALARM bad: {words}" in monitor.look(BAD)


def test_no_text_of_a_ledger_is_read_by_the_shell(ledger, monitor, tmp_path):
    trap = "table/$(touch${IFS}pwned)`touch${IFS}pwned`;touch${IFS}pwned;'\"|&"
    ledger.notarize(trap, b"x")
    ledger.issue()
    (ledger.trust / "writers").write_text(f"{ledger.writer.vkey} table/0* table/1 table/2 table/3 table/4\n")
    told = tmp_path / "told"
    command = f'echo "$DAB_ALARM_REASON" > "{told}"'
    done = run(*monitor.command("--once", "--on-alarm", command), check=False, cwd=tmp_path)
    assert done.returncode == WRITER, done
    assert trap in told.read_text()
    assert not (tmp_path / "pwned").exists()


def test_a_command_that_fails_changes_no_exit_code(ledger, monitor, tmp_path):
    fork = made(tmp_path / "fork", 300, "forged")
    assert "--on-alarm: the command ended with" in monitor.look(FORK, "--on-alarm", "exit 3", place=fork.public)


def test_what_the_monitor_lost_of_its_own_it_reads_again(ledger, monitor):
    (monitor.state / "heads").unlink()
    monitor.look(GOOD)
    assert (monitor.state / "heads").exists()
    (monitor.state / "heads").write_bytes(b"rubbish")
    extend(ledger, 3)
    ledger.issue()
    assert "3 new leaves" in monitor.look(GOOD)
    (monitor.state / "checkpoint").write_bytes(b"rubbish")
    done = run(*monitor.command("--once"), check=False)
    assert done.returncode == 1 and "does not count under this policy" in done.stderr


def test_it_follows_over_http_and_ends_at_the_alarm(ledger, web, tmp_path):
    publish(web, ledger)
    monitor = Monitor(ledger, tmp_path / "monitor", web.url("/ledger/"))
    with Following(monitor) as following:
        following.expect("good: size 300, 300 new leaves")
        extend(ledger, 5, "more")
        publish(web, ledger.issue())
        following.expect("good: size 305, 5 new leaves")
    # whole before anybody looks: a look between two of its files would find leaves that fit no tree
    publish(web, made(tmp_path / "fork", 305, "forged"))
    with Following(monitor) as following:
        assert following.process.wait(FOLLOW_SECONDS_MAX) == FORK


def test_it_follows_a_real_node_and_leaves_what_it_knows_when_it_is_killed(server, cursor, tmp_path, name):
    monitor = Monitor(server, tmp_path / "monitor", f"https://127.0.0.1:{server.audit_port}")
    cursor.execute(f"CREATE TABLE {name} AS SELECT 1 AS id")
    with Following(monitor) as following:
        following.expect("good: size ")
        cursor.execute(f"INSERT INTO {name} VALUES (2)")
        following.expect("new leaf")
    assert Checkpoint(monitor.kept(), Trust(server.trust)).size > 1
    # where trust/ledger says it is
    done = run(dab_binary(), "monitor", "--trust", server.trust, "--state", monitor.state, "--once")
    assert not done.stderr


def test_a_fork_whose_tiles_are_withheld_is_told_later(ledger, monitor, web, tmp_path):
    publish(web, made(tmp_path / "fork", 310, "forged"))
    for path in [path for path in web.answers if "/tile/" in path]:
        web.answers[path] = (503, {}, b"")
    assert "undecided: " in monitor.look(UNDECIDED, place=web.url("/ledger/"))
    pending = monitor.state / "pending" / "0"
    shown = pending.read_bytes()
    assert Checkpoint(shown, Trust(ledger.trust)).size == 310
    # the honest face again, by another process
    extend(ledger, 20, "more")
    publish(web, ledger.issue())
    assert "of 310, and both were certified" in monitor.look(FORK)
    evidence = {file.name: file.read_bytes() for file in monitor.evidence("fork")[0].iterdir()}
    assert evidence["first"] == shown and evidence["second"] == ledger.checkpoint() and evidence["proof"]


def test_a_fork_whose_tiles_are_not_there_is_told_later_too(ledger, monitor, web, tmp_path):
    publish(web, made(tmp_path / "fork", 310, "forged"))
    for path in [path for path in web.answers if "/tile/" in path]:
        web.answers[path] = (404, {}, b"")
    assert "ALARM bad: " in monitor.look(BAD, place=web.url("/ledger/"))
    shown = (monitor.state / "pending" / "0").read_bytes()
    assert Checkpoint(shown, Trust(ledger.trust)).size == 310
    extend(ledger, 20, "more")
    publish(web, ledger.issue())
    assert "of 310, and both were certified" in monitor.look(FORK)
    assert {file.name for file in monitor.evidence("fork")[0].iterdir()} == {"first", "second", "proof"}


def test_what_could_not_be_read_at_first_and_holds_is_forgotten(ledger, monitor, web):
    extend(ledger, 20, "more")
    publish(web, ledger.issue())
    answers = dict(web.answers)
    for path in [path for path in web.answers if "/tile/" in path]:
        web.answers[path] = (503, {}, b"")
    monitor.look(UNDECIDED, place=web.url("/ledger/"))
    assert (monitor.state / "pending" / "0").read_bytes() == ledger.checkpoint()
    web.answers = answers
    monitor.look(GOOD)
    assert not list((monitor.state / "pending").iterdir())


def test_a_file_that_is_too_long_is_bad(ledger, monitor, web):
    publish(web, ledger)
    web.answers["/ledger/checkpoint"] = b"x" * (1 << 24)
    assert "ALARM bad: " in monitor.look(BAD, place=web.url("/ledger/"))


def test_a_server_that_never_finishes_does_not_silence_the_monitor(ledger, web, tmp_path):
    publish(web, ledger)
    ended = threading.Event()

    def trickle(handler):
        handler.send_response(200)
        handler.send_header("Content-Length", "1000")
        handler.end_headers()
        while not ended.is_set():
            handler.wfile.write(b"x")
            handler.wfile.flush()
            ended.wait(0.05)

    web.answers["/ledger/tile/entries/000"] = trickle
    monitor = Monitor(ledger, tmp_path / "monitor", web.url("/ledger/"))
    words = monitor.look(UNDECIDED, "--look-s", "1")
    assert "the time for this look is over" in words
    # nothing was ever accepted: it counts from the start of the process
    done = run(*monitor.command("--interval-s", "1", "--stall-s", "1"), check=False, timeout=60)
    ended.set()
    assert done.returncode == STALLED, done
    assert "ALARM stalled: the ledger could not be read for" in done.stderr and "time for this look" in done.stderr


def test_redirects_are_not_followed_and_proxies_not_used(ledger, monitor, web, monkeypatch):
    publish(web, ledger)
    secret = web.url("/secret")
    web.answers["/secret"] = b"for nobody else\n"
    web.answers["/ledger/checkpoint"] = (302, {"Location": secret}, b"")
    words = monitor.look(UNDECIDED, place=web.url("/ledger/"))
    assert "302 Found, and redirects are not followed" in words
    assert [request.path for request in web.requests] == ["/ledger/checkpoint"]
    publish(web, ledger)
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monitor.look(GOOD)


def test_a_url_with_a_password_is_refused_and_not_repeated(ledger, monitor, web):
    monitor.place = web.url("/ledger/", "ann:s3cret@")
    done = run(*monitor.command("--once"), check=False)
    assert done.returncode == 1 and "a user or a password" in done.stderr and "s3cret" not in done.stderr
    assert not web.requests


def test_the_command_runs_though_nobody_reads_what_is_said(ledger, monitor, tmp_path):
    monitor.place = made(tmp_path / "fork", 300, "forged").public
    told = tmp_path / "told"
    read, write = os.pipe()
    os.close(read)
    command = monitor.command("--once", "--on-alarm", f'echo "$DAB_ALARM" > "{told}"')
    try:
        done = subprocess.run(command, stdout=write, stderr=write, timeout=60)
    finally:
        os.close(write)
    assert done.returncode == FORK and told.read_text() == "fork\n"


def test_subjects_that_are_not_followed_are_told(ledger, monitor):
    heads = monitor.state / "heads"
    heads.write_text(heads.read_text().replace("\ncomplete yes\n", "\ncomplete no\n"))
    assert "beyond the first 100000 is not checked" in monitor.look(UNDECIDED)


def test_nobody_else_reads_what_is_kept(ledger, monitor, tmp_path):
    monitor.look(FORK, place=made(tmp_path / "fork", 300, "forged").public)
    for path in [monitor.state, *monitor.state.rglob("*")]:
        assert path.stat().st_mode & 0o077 == 0, path


def publish(web, ledger):
    """Puts all files in place, the checkpoint last."""
    files = [path for path in ledger.public.rglob("*") if path.is_file()]
    for path in sorted(files, key=lambda path: path.name == "checkpoint"):
        web.answers[f"/ledger/{path.relative_to(ledger.public)}"] = path.read_bytes()


class Following:
    """`dab monitor` that goes on until it is ended."""

    def __init__(self, monitor):
        self.command, self.lines, self.changed = monitor.command("--interval-s", "1"), [], threading.Condition()

    def __enter__(self):
        self.process = subprocess.Popen(self.command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.reader = threading.Thread(target=self.read)
        self.reader.start()
        return self

    def read(self):
        for line in self.process.stdout:
            with self.changed:
                self.lines.append(line)
                self.changed.notify_all()

    def expect(self, words):
        with self.changed:
            come = self.changed.wait_for(lambda: any(words in line for line in self.lines), FOLLOW_SECONDS_MAX)
            assert come, (words, self.lines)
            self.lines.clear()

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait(STOP_SECONDS_MAX)
        self.reader.join()
        self.process.stdout.close()
