"""A `dab witness` process, and what a log sends to it."""

import hashlib
import http.client
import re
import signal
import subprocess
from pathlib import Path

from made_ledger import b64, consistency
from merkle import leaf_hash
from server import STOP_SECONDS_MAX, dab_binary

CALL_SECONDS_MAX = 30


class Witness:
    """A `dab witness` process. It is up when it has printed its policy line."""

    def __init__(self, state, *arguments):
        self.state, self.arguments, self.context = Path(state), arguments, None
        self.start()

    def start(self):
        command = [dab_binary(), "witness", "--state", self.state, "--listen", "127.0.0.1:0", *self.arguments]
        self.errors = Path(f"{self.state}.log")
        with self.errors.open("ab") as errors:
            self.process = subprocess.Popen(
                [str(word) for word in command], stdout=subprocess.PIPE, stderr=errors, text=True
            )
        self.printed = []
        for line in self.process.stdout:
            self.printed.append(line.rstrip("\n"))
            if line.startswith("policy "):
                break
        assert self.printed and self.printed[-1].startswith("policy "), self.errors.read_text()
        self.policy_line = self.printed[-1].removeprefix("policy").strip()
        _, self.name, self.vkey, self.url = self.policy_line.split()

    def stop(self, with_signal=signal.SIGTERM):
        if self.process.poll() is None:
            self.process.send_signal(with_signal)
            self.process.wait(STOP_SECONDS_MAX)
        self.process.stdout.close()
        assert "panicked at" not in self.errors.read_text(), self.errors.read_text()
        return self.process.returncode

    def ask(self, method, path, body=None):
        """Status, content type and body of an answer."""
        address = re.sub("^https?://", "", self.url)
        if self.context:
            connection = http.client.HTTPSConnection(address, timeout=CALL_SECONDS_MAX, context=self.context)
        else:
            connection = http.client.HTTPConnection(address, timeout=CALL_SECONDS_MAX)
        try:
            connection.request(method, path, body)
            answer = connection.getresponse()
            return answer.status, answer.getheader("content-type"), answer.read()
        finally:
            connection.close()

    def add(self, entries, checkpoint, old):
        return self.ask("POST", "/add-checkpoint", request(entries, checkpoint, old))

    def latest(self, origin):
        return self.ask("GET", f"/{log_hash(origin)}/checkpoint")


def request(entries, checkpoint, old):
    """The body of `add-checkpoint` for a checkpoint over all the entries."""
    hashes = [leaf_hash(entry) for entry in entries]
    proof = consistency(hashes, old)
    return b"".join([b"old %d\n" % old, *(f"{b64(node)}\n".encode() for node in proof), b"\n", checkpoint])


def log_hash(origin):
    return hashlib.sha256(origin.encode()).hexdigest()
