"""Does CSV come in with the types of all its lines, although loading begins after the first?"""

import datetime

import pytest

from loading import commits, refused

# More lines than those that suggest the types.
LINES = 12_000
ANEW = "the load starts anew"


def written(path, first, last, lines=LINES):
    """A file of two columns whose last lines are other than the first."""
    with path.open("w") as file:
        file.write("id,v\n")
        file.writelines(f"{number},{first}\n" for number in range(lines))
        file.writelines(f"{lines + number},{value}\n" for number, value in enumerate(last))
    return path


def kind(server, table):
    sql = "SELECT data_type FROM information_schema.columns WHERE table_name = ? AND column_name = 'v'"
    ((name,),) = server.query(sql, (table,))
    return name


@pytest.mark.parametrize(
    "first, last, type_name, values",
    [
        ("1", ["1.5"], "Float64", [1.5]),
        ("1", ["", "none"], "Utf8", [None, "none"]),
        ("1", ["9223372036854775808"], "Utf8", ["9223372036854775808"]),
        ("1.5", ["a"], "Utf8", ["a"]),
        ("true", ["1"], "Utf8", ["1"]),
        ("", ["7"], "Int64", [7]),
        ("2026-01-01", ["2026-01-01T12:34:56"], None, None),
        ("2026-01-01T00:00:00", ["2026-01-01T00:00:00.123456"], None, None),
    ],
)
def test_a_late_line_of_another_type_loads_with_every_row(server, name, tmp_path, first, last, type_name, values):
    file = written(tmp_path / "late.csv", first, last)
    done = server.dab("load", "file", name, file)
    assert done.stderr.count(ANEW) == 1 and "column v" in done.stderr and file.name in done.stderr, done.stderr
    assert server.query(f"SELECT count(*), sum(id) FROM {name}") == [
        (LINES + len(last), sum(range(LINES + len(last))))
    ]
    loaded = [value for (value,) in server.query(f"SELECT v FROM {name} WHERE id >= {LINES} ORDER BY id")]
    if type_name is None:
        # Whatever holds all of them, nothing of the late one is cut off.
        text = [value.isoformat() if isinstance(value, datetime.datetime) else value for value in loaded]
        assert text == last
    else:
        assert (kind(server, name), loaded) == (type_name, values)
    assert [operation for operation, _ in commits(server, name)] == ["LOAD"], "one commit, not two"


@pytest.mark.parametrize(
    "first, last, type_name",
    [
        ("1", ["-2", ""], "Int64"),
        ("1.5", ["2", "-1e-3", "1.5e3", ""], None),
        ("word", ["1", "2026-01-01", ""], "Utf8"),
        ("2026-01-01", ["1999-12-31", ""], "Date32"),
        ("2026-01-01T00:00:00.5", ["2026-01-01 00:00:01", "2026-01-01T00:00:01.123"], None),
    ],
)
def test_lines_of_one_type_are_read_once(server, name, tmp_path, first, last, type_name):
    done = server.dab("load", "file", name, written(tmp_path / "plain.csv", first, last))
    assert ANEW not in done.stderr
    assert type_name in (None, kind(server, name))


def test_a_late_line_that_does_not_fit_the_table_appends_nothing(server, name, tmp_path):
    server.dab("load", "file", name, written(tmp_path / "first.csv", "1", []))
    late = written(tmp_path / "late.csv", "1", ["x"])
    done = server.dab("load", "file", name, late, check=False)
    assert done.returncode == 1 and "column v is Int64 in the table and Utf8 in the rows" in done.stderr, done.stderr
    assert server.query(f"SELECT count(*) FROM {name}") == [(LINES,)]
    assert len(commits(server, name)) == 1


def test_a_file_that_is_torn_late_is_not_loaded(server, tmp_path):
    torn = written(tmp_path / "torn.csv", "1", ['"2'])
    refused(server, "never_torn_late", torn, says="ends inside a quoted field")
    ragged = written(tmp_path / "ragged.csv", "word", ["2,3"])
    words = refused(server, "never_ragged_late", ragged, says="ragged.csv")
    assert words.count("for line 12002") == 1 and "Csv" not in words, "the reason and its line once, in plain words"


def test_quoted_lines_and_line_ends_are_text(server, name, tmp_path):
    file = tmp_path / "quoted.csv"
    with file.open("w", newline="") as lines:
        lines.write("id,v\r\n")
        lines.writelines(f'{number},"a ""{number}"",\nb"\r\n' for number in range(LINES))
    server.dab("load", "file", name, file)
    assert server.query(f"SELECT v FROM {name} WHERE id = 11999") == [('a "11999",\nb',)]
    assert server.query(f"SELECT count(*) FROM {name}") == [(LINES,)]


def test_headers_are_looked_at_first(server, tmp_path):
    wide = tmp_path / "wide.csv"
    wide.write_text(",".join(f"c{number}" for number in range(200_000)) + "\n" + ",".join(["1"] * 200_000) + "\n")
    refused(server, "never_wide", wide, says=["wide.csv", "200000 columns", "4096"], timeout=20)
    twice = tmp_path / "twice.csv"
    twice.write_text("id,v,id\n1,2,3\n")
    refused(server, "never_twice", twice, says=["twice.csv", "two columns named id"])
    first, other = tmp_path / "first.csv", tmp_path / "other.csv"
    first.write_text("a,b\n1,2\n")
    other.write_text("b,a\n2,1\n")
    refused(server, "never_swapped", first, other, says=["first.csv", "other.csv", "in that order"])


def test_a_name_that_cannot_name_a_table_is_told_before_anything_is_read(server, tmp_path):
    done = server.dab("load", "file", "no name", tmp_path / "missing.csv", check=False)
    assert done.returncode == 1 and "cannot name a table" in done.stderr and "missing" not in done.stderr, done.stderr
