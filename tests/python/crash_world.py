"""The statements that are sent to a node that may die at any of them, and what is held against it afterwards."""

from collections import Counter
from dataclasses import dataclass, field
from http.client import HTTPException

from auditor import audit_ledger, audit_table, source
from clients import DENIALS
from notarizing import digests, post
from offline import audits
from receipt import verify
from trust_directory import Trust
from verdict import Invalid, Undecided

# A client that was told of a failure asks again under the same key, as long as there is somebody to ask.
ASKED_MAX = 3
# What a node that dies meanwhile leaves of an answer over HTTP.
NO_ANSWER = (OSError, HTTPException)
CONTENT, SUBJECT = b"every night, the same dump\n", "digest/dump"
# A table of so many columns has a commit that is too large for the ledger's entry, and is staged as a file.
WIDE_COLUMNS = 300
WIDE = ", ".join(f"a_column_with_a_name_that_is_rather_long_{n:03} BIGINT" for n in range(WIDE_COLUMNS))


@dataclass(frozen=True)
class Statement:
    """SQL, the table it is about, and how the table's history names what it does to the rows."""

    sql: str
    table: str
    operation: str
    rows: tuple = ()

    def ask(self, server):
        """The answer, or why there is none."""
        done = server.dab("sql", "--idempotency-key", self.sql[:60].replace(" ", "_"), "-c", self.sql, check=False)
        assert "panicked at" not in done.stderr, done.stderr
        return (None, done.stderr.strip()) if done.returncode else (done.stdout, None)

    def receipt(self, server):
        try:
            return server.receipt(self.table)
        except Exception:  # whatever a driver makes of a node that dies meanwhile
            return None


@dataclass(frozen=True)
class Digest:
    """Foreign data to be bound, over HTTP."""

    operation: str = "NOTARIZE"
    table: str | None = None

    def ask(self, server):
        try:
            key = [("dab-idempotency-key", "dump")]
            status, headers, text = post(server, digests(CONTENT, SUBJECT), headers=key)
        except NO_ANSWER as error:
            return None, f"{type(error).__name__} of HTTP"
        if status != 200:
            return None, text.strip()
        return f"leaf {headers['dab-leaf-index']}", None

    def receipt(self, server):
        """Asking again is answered with the receipt."""
        try:
            status, _, text = post(server, digests(CONTENT, SUBJECT))
            return text if status == 200 else None
        except NO_ANSWER:
            return None


STATEMENTS = (
    Statement("CREATE TABLE t (id BIGINT)", "t", "CREATE TABLE"),
    Statement("INSERT INTO t VALUES (1), (2)", "t", "INSERT", (1, 2)),
    Statement("INSERT INTO t SELECT value FROM generate_series(1001, 2000)", "t", "INSERT", tuple(range(1001, 2001))),
    Digest(),
    Statement("CREATE TABLE u AS SELECT value AS id FROM generate_series(1, 5)", "u", "CREATE TABLE AS", (1, 2, 3, 4, 5)),
    Statement(f"CREATE TABLE wide ({WIDE})", "wide", "CREATE TABLE"),
    Statement("INSERT OVERWRITE t VALUES (7)", "t", "OVERWRITE", (7,)),
    Statement("DROP TABLE u", "u", "DROP TABLE"),
)
LATER = (
    Statement("INSERT INTO t VALUES (8)", "t", "INSERT", (8,)),
    Statement("CREATE TABLE later AS SELECT 1 AS id", "later", "CREATE TABLE AS", (1,)),
)


@dataclass
class World:
    """What the client was told, from the first start to the last check. `found` says what is wrong, one sentence each."""

    answers: dict = field(default_factory=dict)
    receipts: list = field(default_factory=list)
    unsure: set = field(default_factory=set)
    errors: Counter = field(default_factory=Counter)
    found: list = field(default_factory=list)
    order: list = field(default_factory=list)

    def send_all(self, servers, between=lambda statement, acknowledged: None):
        """Each statement to another one first, as far as any lives. Each attempt's outcome is told to `between`."""
        for number, statement in enumerate(STATEMENTS):
            first = number % len(servers)
            doors = servers[first:] + servers[:first]
            answer, _ = self._ask(doors, statement, between)
            if answer:
                self.answers[statement] = answer
                self.receipts += [statement.receipt(server) for server in doors if server.alive()][:1]

    def _ask(self, servers, statement, between=lambda statement, acknowledged: None):
        """The answer, or the last complaint of several: of the next one that lives, each time."""
        complaint = "the node is gone"
        for attempt in range(ASKED_MAX):
            alive = [server for server in servers if server.alive()]
            if not alive:
                break
            answer, complaint = statement.ask(alive[attempt % len(alive)])
            between(statement, answer is not None)
            if answer == "":
                self.found.append(f"{name(statement)}: no word of it, and exit status 0")
                return None, "no word of it"
            if answer:
                return answer, None
            self.errors[f"{name(statement)}: {complaint}"] += 1
            if not any(words in complaint for words in DENIALS):
                self.unsure.add(statement)
        return None, complaint

    def check_after_restart(self, server):
        """Whole statements, none lost; then all of them again under their keys, and others."""
        present = self._seen(server)
        self.order = [statement for statement in STATEMENTS if present[statement]]
        self._check(server, present)
        for statement in STATEMENTS:
            answer, complaint = self._ask([server], statement)
            before = self.answers.get(statement)
            if answer is None:
                self.found.append(f"asked again, {name(statement)} is refused: {complaint}")
            elif before and before != answer and statement.operation != "DROP TABLE":
                # of a drop that was carried out before, that and the leaf are known
                self.found.append(f"{name(statement)} was answered {before!r}, and asked again {answer!r}")
            else:
                self.answers.setdefault(statement, answer)
        self.order += [statement for statement in STATEMENTS if statement not in self.order]
        for statement in LATER:
            answer, complaint = self._ask([server], statement)
            if answer is None:
                self.found.append(f"the next writer is refused: {complaint}")
            else:
                self.answers[statement] = answer
            self.order.append(statement)
        self._check(server, self._seen(server))

    def check_files(self, server):
        """By all auditors, from the files of a node that has stopped."""
        for who, (status, words) in audits(server.trust, server.public, server.table("t")).items():
            if status:
                self.found.append(f"{who}: {words}")

    def _seen(self, server):
        """How often each statement's effect is there, by the tables' histories and the ledger's leaves."""
        self.commits = server.query(
            "SELECT coalesce(table_name, dropped_name), version, operation, rows_added, leaf_index, table_name IS NULL"
            " FROM dab.commits ORDER BY 1, 2"
        )
        self.leaves = {}
        trust = Trust(server.trust)
        try:
            _, self.leaves = audit_ledger(source(str(server.public), trust), trust)
        except (Invalid, Undecided) as verdict:
            self.found.append(f"the ledger's files: {verdict}")
        present = Counter()
        for table, _, operation, rows, _, _ in self.commits:
            same = [each for each in (*STATEMENTS, *LATER) if (each.table, each.operation) == (table, operation)]
            same = [each for each in same if len(each.rows) == rows]
            if len(same) != 1:
                self.found.append(f"nobody asked for {operation} of {rows} rows in {table}")
            present.update(same)
        for statement in STATEMENTS:
            if statement.operation == "NOTARIZE":
                present[statement] = len(self.leaves.get(SUBJECT, []))
            if statement.operation == "DROP TABLE":
                present[statement] = any(table == statement.table and gone for table, _, _, _, _, gone in self.commits)
        return present

    def _check(self, server, present):
        asked = (*STATEMENTS, *(each for each in LATER if each in self.order))
        for statement in asked:
            if present[statement] > 1:
                self.found.append(f"done {present[statement]} times: {name(statement)}")
            if statement in self.answers and not present[statement]:
                self.found.append(f"acknowledged and lost: {name(statement)}")
            elif statement not in self.answers and statement not in self.unsure and present[statement]:
                # each time it was asked for, the answer was that nothing was written; or it was not asked for
                self.found.append(f"refused, or not asked for, and there: {name(statement)}")
        self._check_tables(server, [statement for statement in self.order if present[statement]])
        self._check_receipts(server)

    def _check_tables(self, server, done):
        """Rows, versions and files of what is there, and nothing else."""
        due = rows_after(done)
        sql = "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public' ORDER BY 1"
        tables = [table for (table,) in server.query(sql)]
        if tables != sorted(due):
            self.found.append(f"there are the tables {tables} instead of {sorted(due)}")
        for table in set(tables) & set(due):
            rows = [] if table == "wide" else [row for (row,) in server.query(f"SELECT id FROM {table} ORDER BY id")]
            if rows != sorted(due[table]):
                self.found.append(f"{table} has {shown(rows)} instead of {shown(sorted(due[table]))}")
            versions = [commit[1] for commit in self.commits if commit[0] == table]
            if versions != list(range(len(versions))):
                self.found.append(f"{table} has the versions {versions}")
            try:
                audit_table(server.table(table), self.leaves, deep=True)
            except (Invalid, Undecided, OSError) as verdict:
                self.found.append(f"the files of {table}: {verdict}")
        indices = [commit[4] for commit in self.commits]
        if len(set(indices)) < len(indices):
            self.found.append(f"versions share a leaf: {self.commits}")

    def _check_receipts(self, server):
        """Those of now, and those that were handed out before: for the same leaves."""
        now = {index: proof for index, proof in server.query("SELECT leaf_index, proof FROM dab.receipts")}
        given = [receipt for receipt in self.receipts if receipt]
        for receipt in (*now.values(), *given):
            try:
                leaf, index, _ = verify(receipt.encode(), Trust(server.trust))
                chain = self.leaves.get(leaf.subject, [])
                if leaf.sequence >= len(chain) or chain[leaf.sequence].hash != leaf.hash:
                    self.found.append(f"the receipt of leaf {index} speaks about another ledger")
            except Invalid as verdict:
                self.found.append(f"a receipt does not verify: {verdict}")


def rows_after(done):
    """The rows of each table that is there, after these statements in this order."""
    tables = {}
    for statement in done:
        if statement.operation == "DROP TABLE":
            del tables[statement.table]
        elif statement.operation == "INSERT":
            tables[statement.table] = tables.get(statement.table, ()) + statement.rows
        elif statement.table:
            tables[statement.table] = statement.rows
    return tables


def name(statement):
    return statement.sql[:70] if isinstance(statement, Statement) else f"the digest of {SUBJECT}"


def shown(rows):
    return f"{len(rows)} rows {rows[:3]}..{rows[-3:]}" if len(rows) > 6 else rows
