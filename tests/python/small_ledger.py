"""A ledger of twelve leaves made in Python, for verifiers to be tried on and for the vectors of receipts."""

from forgeries import Evidence
from made_ledger import MadeLedger


def small_ledger(directory, **policy):
    """Twelve leaves: seven versions of `orders`, four of `parts`, one of the catalog."""
    ledger = MadeLedger(directory, **policy)
    for i in range(12):
        if i == 2:
            ledger.notarize("catalog", b"private body")
        else:
            ledger.commit("parts" if i % 3 == 1 else "orders", [b"PAR1 rows %d" % i * 9, b"PAR1 more %d" % i * 9])
    return ledger


def evidence_of(ledger, index, table, version):
    folder = ledger.directory / "tables" / table
    commit = (folder / f"_delta_log/{version:020}.json").read_bytes()
    names = [f"part-{version:05}-{n}.parquet" for n in range(2)]
    return Evidence(ledger.receipt(index), commit, tuple((name, (folder / name).read_bytes()) for name in names))


def all_evidence(ledger):
    """The evidence of each version of both tables, in the order of their leaves."""
    versions = {"orders": 0, "parts": 0}
    found = []
    for index in [*range(2), *range(3, 12)]:
        table = "parts" if index % 3 == 1 else "orders"
        found.append(evidence_of(ledger, index, table, versions[table]))
        versions[table] += 1
    return found
