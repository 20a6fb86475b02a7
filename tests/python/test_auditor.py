"""Does the independent auditor find every ledger and table that was forged, by strangers and by an insider with the keys? Needs
no `dab`."""

import shutil

import pytest

from auditor import audit_ledger, audit_table, entries_in, source, tile_path
from forgeries import LEDGER_FORGERIES, TABLE_FORGERIES, rejected
from made_ledger import MadeLedger, Signer, leaf_text, note
from merkle import leaf_hash
from trust_directory import Trust
from verdict import Undecided


def test_tile_paths_are_those_of_the_tiles_specification():
    assert tile_path(0, 1234067, 256) == "tile/0/x001/x234/067"
    assert tile_path("entries", 273, 112) == "tile/entries/273.p/112"
    assert tile_path(2, 0, 1) == "tile/2/000.p/1"


def test_an_entry_bundle_is_read_to_its_last_byte():
    assert entries_in(b"\0\1a\0\0\0\2bc") == [b"a", b"", b"bc"]
    for torn in (b"\0", b"\0\2a", b"\0\1a\0"):
        rejected(entries_in, torn)


def test_an_honest_ledger_and_its_tables_pass_the_audit(small_ledger):
    trust = Trust(small_ledger.trust)
    checkpoint, subjects = audit_ledger(source(str(small_ledger.public), trust), trust, since=small_ledger.checkpoint(4))
    assert {name.split("/")[0] for name in subjects} == {"catalog", "table"}
    assert sum(map(len, subjects.values())) == checkpoint.size == 12
    for table, versions in (("orders", 7), ("parts", 4)):
        subject, count, files, unchecked = audit_table(small_ledger.directory / "tables" / table, subjects, deep=True)
        assert (count, files, unchecked) == (versions, 2 * versions, [])


@pytest.mark.parametrize("name", LEDGER_FORGERIES | TABLE_FORGERIES)
def test_a_forged_ledger_or_table_is_rejected(small_ledger, tmp_path, name):
    copy = tmp_path / "copy"
    shutil.copytree(small_ledger.directory, copy)
    (LEDGER_FORGERIES | TABLE_FORGERIES)[name](copy / "public", copy / "tables" / "orders")
    trust = Trust(small_ledger.trust)

    def audit():
        audit_table(copy / "tables" / "orders", audit_ledger(source(str(copy / "public"), trust), trust)[1], deep=True)

    rejected(audit)


def test_a_missing_tile_entry_bundle_or_checkpoint_leaves_it_undecided(small_ledger, tmp_path):
    trust = Trust(small_ledger.trust)
    for path in ("checkpoint", tile_path(0, 0, 12), tile_path("entries", 0, 12)):
        copy = tmp_path / path.replace("/", "_")
        shutil.copytree(small_ledger.public, copy)
        (copy / path).unlink()
        with pytest.raises(Undecided):
            audit_ledger(source(str(copy), trust), trust)


def test_a_ledger_of_many_tiles_passes_and_each_flipped_hash_is_found(tmp_path):
    ledger = MadeLedger(tmp_path)
    for i in range(700):
        ledger.notarize(f"digest/{i % 7}", b"%d" % i)
    ledger.issue()
    trust = Trust(ledger.trust)
    assert audit_ledger(source(str(ledger.public), trust), trust)[0].size == 700
    for path in ("tile/0/000", "tile/0/002.p/188", "tile/1/000.p/2"):
        honest = (ledger.public / path).read_bytes()
        (ledger.public / path).write_bytes(honest[:-1] + bytes([honest[-1] ^ 1]))
        assert "differs" in rejected(audit_ledger, source(str(ledger.public), trust), trust)
        (ledger.public / path).write_bytes(honest)
    # a full tile stands in for a partial one: the checkpoint is older than the tiles
    (ledger.public / "checkpoint").write_bytes(ledger.checkpoint(300))
    (ledger.public / "tile/1/000.p/1").write_bytes((ledger.public / "tile/1/000.p/2").read_bytes()[:32])
    assert audit_ledger(source(str(ledger.public), trust), trust)[0].size == 300


# what an insider with the keys can do, and where it shows


def test_a_fork_signed_by_the_real_key_shows_against_an_older_checkpoint(small_ledger, tmp_path):
    fork = MadeLedger(tmp_path)
    for i in range(12):
        fork.notarize("digest/other", b"%d" % i)
    fork.issue()
    trust = Trust(small_ledger.trust)
    assert audit_ledger(source(str(fork.public), trust), trust)[0].size == 12, "alone, the fork looks sound"
    complaint = rejected(audit_ledger, source(str(fork.public), trust), trust, small_ledger.checkpoint())
    assert "does not continue" in complaint


def test_a_rolled_back_ledger_shows_against_a_newer_checkpoint(small_ledger, tmp_path):
    rolled = MadeLedger(tmp_path)
    rolled.entries = small_ledger.entries[:6]
    rolled.issue()
    trust = Trust(small_ledger.trust)
    complaint = rejected(audit_ledger, source(str(rolled.public), trust), trust, small_ledger.checkpoint())
    assert "shrank" in complaint


@pytest.mark.parametrize("fault", ["gap", "twice", "wrong parent", "foreign origin", "stranger", "wrong subject"])
def test_a_ledger_that_breaks_its_own_rule_is_rejected(tmp_path, fault):
    ledger = MadeLedger(tmp_path)
    ledger.notarize("digest/a", b"0")
    sequence, parent, origin, signer, subject = 1, ledger.heads["digest/a"][1], ledger.origin, ledger.writer, "digest/a"
    if fault == "gap":
        sequence = 2
    elif fault == "twice":
        sequence, parent = 0, None
    elif fault == "wrong parent":
        parent = leaf_hash(b"else")
    elif fault == "foreign origin":
        origin = "dab/other"
    elif fault == "stranger":
        signer = Signer("dab/made/node1", "stranger")
    else:
        ledger.write("trust/writers", f"{ledger.writer.vkey} digest/a table/*\n".encode())
        subject, sequence, parent = "digest/ab", 0, None
    ledger.entries.append(note(leaf_text(origin, subject, sequence, parent, b"1", []), signer))
    ledger.issue()
    trust = Trust(ledger.trust)
    rejected(audit_ledger, source(str(ledger.public), trust), trust)
