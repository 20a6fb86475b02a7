"""The measurements of ledger/benches/replicas: each call is a process of its own, and says one line of JSON."""

import json
import os
import subprocess


def load(folder, clients, per_second, seconds, unsigned=False):
    """What so many clients find who notarize, on a new ledger of four replicas; where nobody signs a leaf or checks one too."""
    how = ["--per-second", per_second] if per_second else []
    how += ["--unsigned"] if unsigned else []
    return measure(folder, "load", "--clients", clients, "--seconds", seconds, *how)


def measure(folder, *arguments):
    """Runs one measurement, whose ledger lies below `folder` where it says nothing else."""
    command = [os.environ["REPLICAS"], *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"TMPDIR": str(folder)})
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stderr}")
    return json.loads(done.stdout)
