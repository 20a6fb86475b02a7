"""A long ledger beside a short one: what proofs, audits, restarts and memory cost, and how that grows."""

import json
import shutil

import replicas
from report import Section, size

PROOF_BYTES_MAX, CHECKED_MS_MAX = 2600, 1.0
# Fewer leaves than this the raft logs still hold when the empty replica asks.
CATCH_UP_LEAVES_MIN = 5000
PROOFS = 1000
# Noise of a shared machine takes as much.
SLOWER_BY_MAX = 0.2


def measure(setting):
    section = Section("growth", f"{setting.leaves} leaves beside {setting.leaves_short}")
    section.say(
        "Three of four replicas take the leaves, in proposals of 256 on about a thousand subjects, and end as in a crash. "
        "Another process starts them again, asks for receipts of leaves all over the ledger, checks each from its text, "
        "and derives the ledger again from its public files, every signature included, on one core. The fourth replica "
        "then starts with nothing, and the raft logs reach back too little: it takes the leaves over from the others and "
        "checks each."
    )
    found = {leaves: look(setting, leaves) for leaves in sorted({setting.leaves_short, setting.leaves})}
    section.data = found
    section.table(["", *(f"{leaves} leaves" for leaves in found)], list(rows(found.values())))
    judge(section, found, setting)
    return section


def look(setting, leaves):
    folder = setting.ledger_folder(leaves)
    noted = folder / "filled.json"
    if not noted.exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        filled = replicas.measure(folder, "fill", folder, "--leaves", leaves)
        noted.write_text(json.dumps(filled))
    found = {"filled": json.loads(noted.read_text())}
    found["recovered"] = replicas.measure(folder, "recover", folder, "--proofs", PROOFS)
    if leaves >= CATCH_UP_LEAVES_MIN:
        found["caught up"] = replicas.measure(folder, "catch-up", folder)
    return found


def rows(found):
    """The table, line by line."""
    found = list(found)
    filled, recovered = ([one[part] for one in found] for part in ("filled", "recovered"))
    proofs = [one["proofs"] for one in recovered]
    yield ["taken, leaves/s", *(f"{one['per_s']:.0f}" for one in filled)]
    yield ["… first and last tenth", *(f"{one['per_s_by_part'][0]:.0f}, {one['per_s_by_part'][-1]:.0f}" for one in filled)]
    yield ["64 clients after the restart, leaves/s", *(f"{one['load']['per_s']:.0f}" for one in recovered)]
    yield ["proof", *(f"{one['bytes_median']} B" for one in proofs)]
    yield ["… largest, with hashes", *(f"{one['bytes_max']} B, {one['hashes_max']}" for one in proofs)]
    yield ["… made, p50 and p99", *(pair(one, "made") for one in proofs)]
    yield ["… checked, p50 and p99", *(pair(one, "checked") for one in proofs)]
    yield ["derived again, leaves/s", *(f"{one['leaves_derived_per_s']:.0f}" for one in recovered)]
    yield ["one replica starts after the crash", *(f"{one['replayed_ms']:.0f} ms" for one in recovered)]
    yield ["first leaf certified, all three started", *(f"{one['certified_ms']:.0f} ms" for one in recovered)]
    yield ["resident, one replica, after the start", *(size(one["resident_bytes"]) for one in recovered)]
    yield ["resident, one replica, after taking them", *(size(one["resident_bytes_per_replica"]) for one in filled)]
    yield ["public files, bytes a leaf", *(f"{one['disk_bytes']['public'] / one['leaves']:.0f}" for one in filled)]
    yield ["private files, bytes a leaf", *(f"{one['disk_bytes']['private'] / one['leaves']:.0f}" for one in filled)]
    yield ["taken over by an empty replica, leaves/s", *(caught_up(one) for one in found)]


def pair(of, what):
    return f"{of[f'{what}_p50_ms']:.3f}, {of[f'{what}_p99_ms']:.3f} ms"


def caught_up(found):
    return f"{found['caught up']['per_s']:.0f}" if "caught up" in found else "–"


def judge(section, found, setting):
    short, long = found[setting.leaves_short], found[setting.leaves]
    proofs = long["recovered"]["proofs"]
    text = f"a proof at {setting.leaves} leaves within {PROOF_BYTES_MAX} bytes"
    section.aim(text, proofs["bytes_max"] <= PROOF_BYTES_MAX, f"{proofs['bytes_max']} bytes")
    checked = proofs["checked_p50_ms"]
    section.aim(f"… checked within {CHECKED_MS_MAX:.0f} ms", checked <= CHECKED_MS_MAX, f"{checked:.3f} ms")
    before, after = (one["recovered"]["load"]["per_s"] for one in (short, long))
    text = f"what a leaf costs does not grow: {setting.leaves} leaves take within 20 % as many writes a second"
    section.aim(text, after >= (1 - SLOWER_BY_MAX) * before, f"{after:.0f} against {before:.0f}")
