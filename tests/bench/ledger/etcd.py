"""Three members of etcd on loopback, each a process with files of its own, which are synced as always."""

import json
import os
import shutil
import socket
import subprocess
import time

MEMBERS = 3
START_SECONDS_MAX = 30


def missing():
    """Why etcd cannot be measured here; None where it can."""
    if not program():
        return "there is no etcd: neither in PATH nor from Debian's package etcd-server"
    if not os.environ.get("ETCD_LOAD"):
        return "its client is written in Go, and there is no Go to build it"
    return None


def program():
    return os.environ.get("ETCD") or shutil.which("etcd")


def version():
    said = subprocess.run([program(), "--version"], capture_output=True, text=True).stdout
    return said.splitlines()[0].removeprefix("etcd Version: ")


class Etcd:
    """A new cluster, up while the `with` block runs; nothing of its configuration but addresses and folders is set."""

    def __init__(self, folder):
        self.folder, self.processes, self.endpoints = folder, [], []

    def __enter__(self):
        ports = free_ports(2 * MEMBERS)
        peers = {f"m{n}": f"http://127.0.0.1:{ports[2 * n]}" for n in range(MEMBERS)}
        self.endpoints = [f"http://127.0.0.1:{ports[2 * n + 1]}" for n in range(MEMBERS)]
        cluster = ",".join(f"{name}={url}" for name, url in peers.items())
        for (name, peer), client in zip(peers.items(), self.endpoints):
            command = [program(), "--name", name, "--data-dir", self.folder / name, "--initial-cluster", cluster]
            command += ["--initial-cluster-state", "new", "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer]
            command += ["--listen-client-urls", client, "--advertise-client-urls", client]
            # what it says goes to a file: there is much of it under load
            log = open(self.folder / f"{name}.log", "wb")
            self.processes.append(subprocess.Popen(command, stdout=log, stderr=log))
        self.await_ready()
        return self

    def __exit__(self, *_):
        for process in self.processes:
            process.kill()
        for process in self.processes:
            process.wait()

    def await_ready(self):
        end = time.monotonic() + START_SECONDS_MAX
        while True:
            done = self.run_load("--clients", MEMBERS, "--warm-up", "100ms", "--for", "400ms")
            if done.returncode == 0:
                return
            if time.monotonic() > end or any(process.poll() is not None for process in self.processes):
                raise RuntimeError(f"etcd does not answer: {done.stderr}")
            time.sleep(0.1)

    def load(self, clients, per_second, seconds, value_bytes):
        """What so many clients find who put values of this size."""
        of = ["--clients", clients, "--for", f"{seconds}s", "--bytes", value_bytes]
        done = self.run_load(*of, "--per-second", per_second or 0)
        if done.returncode != 0:
            raise RuntimeError(done.stderr)
        return json.loads(done.stdout)

    def run_load(self, *arguments):
        command = [os.environ["ETCD_LOAD"], "--endpoints", ",".join(self.endpoints), *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True)


def free_ports(count):
    """Ports that nobody listened on just now; all are held until all are known."""
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in held]
    for one in held:
        one.close()
    return ports
