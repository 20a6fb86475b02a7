"""What a load left in a table's history, and what one that was refused said."""

import json


def commits(server, table):
    """Operation and sources of each commit, oldest first."""
    lines = server.dab("history", table, "--format", "json").stdout.splitlines()
    found = [json.loads(line) for line in reversed(lines)]
    return [(commit["operation"], json.loads(commit["sources"])) for commit in found]


def refused(server, *arguments, says, table=None, **options):
    """A load that fails with these words and commits nothing; its words."""
    done = server.dab("load", "file", *arguments, check=False, **options)
    assert done.returncode == 1, (done.stdout, done.stderr)
    assert "panicked" not in done.stderr
    for words in [says] if isinstance(says, str) else says:
        assert words in done.stderr, (words, done.stderr)
    made = "SELECT count(*) FROM information_schema.tables WHERE table_name = ?"
    assert server.query(made, (str(arguments[0]),)) == [(0,)], "a refused load makes no table"
    return done.stderr
