"""Is DAB pleasant in a terminal: the prompt, its keys, its memory, the bars, and 80 columns?"""

import re
import stat

import pytest

from server import dab_binary, run
from terminal import COLUMNS, CTRL_C, CTRL_D, UP, Terminal, plain

BAR = re.compile("[█▉▊▋▌▍▎▏░#>-]{8,}|[⠁-⣿]")


@pytest.fixture
def terminals():
    """Starts programs on terminals of their own, and ends those that a failed test leaves."""
    started = []

    def start(*command, **options):
        started.append(Terminal(*command, **options))
        return started[-1]

    yield start
    for terminal in started:
        terminal.kill()


@pytest.fixture
def prompt(server, terminals, tmp_path):
    """Starts `dab sql` with a state directory of its own, and waits for the prompt."""

    def start(*options):
        environment = {"XDG_STATE_HOME": str(tmp_path / "state")}
        terminal = terminals(dab_binary(), "sql", "--data", server.data, *options, environment=environment)
        terminal.wait_for("dab> $")
        return terminal

    return start


def test_a_statement_over_several_lines_ends_with_its_semicolon(prompt):
    terminal = prompt()
    terminal.type("SELECT 6 * 7\r")
    terminal.wait_for(r"\.\.\.> $")
    terminal.type("AS answer,\r")
    terminal.wait_for(r"\.\.\.> $")
    terminal.type("';' AS mark;\r")
    shown = terminal.wait_for("(?s)1 row\n.*dab> $")
    for line in ("| answer | mark |", "| 42     | ;    |"):
        assert line in shown.splitlines(), shown
    terminal.type(CTRL_D)
    assert terminal.end() == 0


def test_an_error_is_said_and_the_session_goes_on(prompt):
    terminal = prompt()
    terminal.type("SELECT nothing FROM nowhere;\r")
    assert "nowhere" in terminal.wait_for("(?s)error: .*dab> $")
    terminal.type("SELECT 'still ' || 'here' AS words;\r")
    assert "| still here |" in terminal.wait_for("(?s)1 row\n.*dab> $")
    terminal.type("\\q\r")
    assert terminal.end() == 0


def test_ctrl_c_drops_what_was_typed_and_ctrl_d_leaves(prompt):
    terminal = prompt()
    terminal.type("SELECT 'dropped'")
    terminal.wait_for("dropped'$")
    terminal.type(CTRL_C)
    terminal.wait_for("dab> $")
    terminal.type("SELECT 'first line\r")
    terminal.wait_for(r"\.\.\.> $")
    terminal.type(CTRL_C)
    terminal.wait_for("dab> $")
    terminal.type("SELECT 'kept' AS words;\r")
    shown = terminal.wait_for("(?s)1 row\n.*dab> $")
    assert "| kept  |" in shown and "error" not in shown, shown
    terminal.type(CTRL_D)
    assert terminal.end() == 0


@pytest.mark.parametrize(
    "format, sql, begins",
    [
        ("csv", "SELECT value FROM generate_series(1, 1000000000000);", "\n1000\n"),
        ("table", "SELECT count(*) FROM generate_series(1, 1000000000000);", ""),
    ],
)
def test_ctrl_c_ends_a_statement_and_not_the_session(prompt, format, sql, begins):
    terminal = prompt("--format", format)
    terminal.type(sql + "\r")
    terminal.wait_for(begins)
    terminal.wait_for_cooked_mode()
    terminal.type(CTRL_C)
    assert "error" not in terminal.wait_for("(?s)interrupted.*dab> $")
    terminal.type("SELECT 'still ' || 'here' AS words;\r")
    terminal.wait_for("(?s)still here.*dab> $")
    terminal.type(CTRL_D)
    assert terminal.end() == 0


def test_what_was_typed_is_remembered_by_the_next_session_and_by_nobody_else(prompt, tmp_path):
    terminal = prompt()
    terminal.type("SELECT 'of the first session'\r")
    terminal.wait_for(r"\.\.\.> $")
    terminal.type("AS words;\r")
    terminal.wait_for("(?s)1 row\n.*dab> $")
    terminal.type(CTRL_D)
    assert terminal.end() == 0
    history = tmp_path / "state" / "dab" / "history"
    assert stat.S_IMODE(history.stat().st_mode) == 0o600, "a statement may hold what is nobody's business"

    terminal = prompt()
    terminal.type(UP)
    terminal.wait_for("of the first session'(?s:.*)AS words;$")
    terminal.type("\r")
    assert "| of the first session |" in terminal.wait_for("(?s)1 row\n.*dab> $")
    terminal.type(CTRL_D)
    assert terminal.end() == 0
    assert stat.S_IMODE(history.stat().st_mode) == 0o600


def test_a_history_that_others_could_read_is_closed_to_them(prompt, tmp_path):
    history = tmp_path / "state" / "dab" / "history"
    history.parent.mkdir(parents=True)
    history.write_text("#V2\nSELECT 1;\n")
    history.chmod(0o644)
    terminal = prompt()
    terminal.type(CTRL_D)
    assert terminal.end() == 0
    assert stat.S_IMODE(history.stat().st_mode) == 0o600


def test_a_killed_session_has_kept_its_statements(prompt):
    terminal = prompt()
    terminal.type("SELECT 'before the end' AS words;\r")
    terminal.wait_for("(?s)1 row\n.*dab> $")
    terminal.kill()
    terminal = prompt()
    terminal.type(UP)
    terminal.wait_for("before the end' AS words;$")


LOAD = ["load", "tpch", "--scale", "0.02"]


def test_a_load_shows_a_bar_on_a_terminal_and_leaves_plain_lines(terminals, tmp_path):
    terminal = terminals(dab_binary(), *LOAD, "--data", tmp_path / "data")
    assert terminal.end() == 0, plain(terminal.raw)
    assert "\x1b[" in terminal.raw and re.search(r"loading\s+" + BAR.pattern, plain(terminal.raw)), terminal.raw
    assert re.search("table lineitem created .*, version 0 · leaf [0-9]+ · certifies alone\n", plain(terminal.raw)), terminal.raw


def test_without_a_terminal_there_are_plain_lines_and_no_bar(tmp_path):
    done = run(dab_binary(), *LOAD, "--data", tmp_path / "data")
    words = done.stdout + done.stderr
    assert "\x1b" not in words and "\r" not in words and not BAR.search(words), words
    assert len(done.stdout.splitlines()) == 8, "a line a table"


def test_the_tour_fits_80_columns_and_shows_bars(terminals, tmp_path):
    ports = ["--listen", "127.0.0.1:0", "--audit-listen", "127.0.0.1:0"]
    terminal = terminals(dab_binary(), "quickstart", "--no-serve", *ports, folder=tmp_path)
    assert terminal.end() == 0, plain(terminal.raw)
    assert re.search(r"loading\s+" + BAR.pattern, plain(terminal.raw))
    # A bar draws over its own line; what stands behind the last carriage return of a line stays.
    lines = [plain(line.rstrip("\r").split("\r")[-1]) for line in terminal.raw.split("\n")]
    # A path from the root is as long as it is.
    absolute = (str(tmp_path), dab_binary())
    wide = [line for line in lines if len(line) > COLUMNS and not any(path in line for path in absolute)]
    assert not wide, "\n".join(wide)


@pytest.mark.parametrize("verb", ["", "quickstart", "serve", "sql", "load", "load file", "history", "verify", "audit table"])
def test_help_fits_80_columns_on_a_terminal(terminals, verb):
    terminal = terminals(dab_binary(), *verb.split(), "--help")
    assert terminal.end() == 0
    lines = plain(terminal.raw).split("\n")
    assert "Usage:" in plain(terminal.raw) and max(map(len, lines)) <= COLUMNS, "\n".join(lines)
