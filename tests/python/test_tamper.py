"""Does any changed byte go unnoticed? Single-byte changes at a seeded sample of offsets over every artefact of a table.

The Rust tests try every offset. Here 3,200 changes go to the independent verifier, and a part of them to DAB's own:
the verdicts must be the same. The seed is printed; DAB_TEST_SEED replays it. DAB_TAMPER_CHANGES has more of them tried of
each artefact, a sixteenth of them by both."""

import os

import pytest

from auditor import audit_ledger, audit_table, source
from changed_bytes import change, pick, public_file
from consistency import check_fork
from epochs import follow
from offline import followed, ledger_audits, on_fork, statuses, verdicts
from receipt import verify
from trust_directory import Trust
from verdict import Invalid, Undecided

CHANGES_PER_ARTEFACT = int(os.environ.get("DAB_TAMPER_CHANGES", "400"))
COMPARED_PER_ARTEFACT = CHANGES_PER_ARTEFACT // 16
ARTEFACTS = ["proof", "commit file", "data file", "checkpoint", "tile", "entry bundle", "changes", "fork evidence"]
# Bytes that the formats declare neutral, with the reason. None: one log signature, no witness, nothing unauthenticated.
NEUTRAL = {}


def changed_fork(home, chance):
    """The evidence of a fork with one of its files changed."""
    name = chance.choice([*home.fork])
    at, changed = change(home.fork[name], chance)
    return at, home.fork | {name: changed}


def convicts(evidence, trust):
    """Raises unless somebody is convicted."""
    if check_fork(evidence["first"], evidence["second"], trust, evidence.get("proof")) is None:
        raise Undecided("nothing contradicts")


def rejected_in_python(call):
    try:
        call()
    except (Invalid, Undecided):
        return True
    return False


@pytest.mark.parametrize("artefact", ARTEFACTS)
def test_no_changed_byte_goes_unnoticed_by_the_independent_verifier(home, chance, artefact):
    trust = Trust(home.trust)
    missed = []
    for _ in range(CHANGES_PER_ARTEFACT):
        if artefact in ("proof", "commit file", "data file"):
            honest, put = pick(home, artefact, chance)
            at, changed = change(honest, chance)
            evidence = put(changed)
            caught = rejected_in_python(lambda e=evidence: verify(e.proof, trust, e.commit, e.data))
        elif artefact == "changes":
            at, changed = change(home.changes, chance)
            policy, writers = ((home.before / name).read_bytes() for name in ("policy", "writers"))
            caught = rejected_in_python(lambda raw=changed: follow(raw, policy, writers))
        elif artefact == "fork evidence":
            at, evidence = changed_fork(home, chance)
            caught = rejected_in_python(lambda e=evidence: convicts(e, trust))
        else:
            read, path = source(str(home.public), trust), public_file(home, artefact)
            at, changed = change(read(path), chance)

            def tampered(asked, read=read, path=path, changed=changed):
                return changed if asked == path else read(asked)

            caught = rejected_in_python(lambda read=tampered: audit_ledger(read, trust))
        if not caught and (artefact, at) not in NEUTRAL:
            missed.append(at)
    assert not missed, f"{artefact}: changes at {missed} were accepted"


@pytest.mark.parametrize("artefact", ARTEFACTS)
def test_dab_and_the_independent_verifier_give_the_same_verdict_on_changed_bytes(home, chance, tmp_path, artefact):
    for turn in range(COMPARED_PER_ARTEFACT):
        if artefact in ("proof", "commit file", "data file"):
            honest, put = pick(home, artefact, chance)
            at, changed = change(honest, chance)
            found = verdicts(put(changed), home.trust, tmp_path / str(turn))
        elif artefact == "changes":
            at, changed = change(home.changes, chance)
            found = followed(changed, home.before, tmp_path / str(turn))
        elif artefact == "fork evidence":
            at, evidence = changed_fork(home, chance)
            found = on_fork(evidence, home.trust, tmp_path / str(turn))
            # a fork is told by 1: of evidence that was changed, nothing is
            found = {who: (0 if status == 1 else status, words) for who, (status, words) in found.items()}
        else:
            trust, public, _ = home.copy(tmp_path / str(turn))
            path = public / public_file(home, artefact)
            at, changed = change(path.read_bytes(), chance)
            path.write_bytes(changed)
            found = ledger_audits(trust, public)
        assert 0 not in statuses(found), f"{artefact}, offset {at}: {found}"


def test_unchanged_changes_and_forks_are_taken(home, tmp_path):
    found = followed(home.changes, home.before, tmp_path / "changes")
    assert statuses(found) == {0}, found
    found = on_fork(home.fork, home.trust, tmp_path / "fork")
    assert statuses(found) == {1} and all(home.log in words for _, words in found.values()), found


def test_a_changed_byte_in_a_table_is_found_by_the_audit_of_the_table(home, chance, tmp_path):
    trust, public, table = home.copy(tmp_path)
    known = Trust(trust)
    subjects = audit_ledger(source(str(public), known), known)[1]
    audit_table(table, subjects, deep=True)
    files = sorted(path for path in table.rglob("*") if path.suffix in (".json", ".parquet"))
    for _ in range(200):
        path = chance.choice(files)
        honest = path.read_bytes()
        at, changed = change(honest, chance)
        path.write_bytes(changed)
        assert rejected_in_python(lambda: audit_table(table, subjects, deep=True)), f"{path.name}, offset {at}"
        path.write_bytes(honest)
