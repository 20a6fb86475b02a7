"""A bare Flight server in a process of its own: pyarrow's, on gRPC's C++ implementation. It knows no SQL, no users and
no ledger; its two tickets are the least that moving lineitem over Flight can cost.

`python peer.py ADDRESS CERTIFICATE FILE...` serves the rows of Parquet files and writes its URL into the file ADDRESS.
TLS takes the certificate from a node's own file; `-` means none."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pyarrow
import pyarrow.dataset
import pyarrow.flight as flight

# DAB's messages carry about 2 MiB, which this many rows of lineitem take.
BATCH_ROWS = 10_000


class BareServer(flight.FlightServerBase):
    def __init__(self, location, files, **options):
        super().__init__(location, **options)
        self.files = pyarrow.dataset.dataset(files)
        batches = self.files.to_table().combine_chunks().to_batches(max_chunksize=BATCH_ROWS)
        self.memory = pyarrow.Table.from_batches(batches)

    def do_get(self, _context, ticket):
        if ticket.ticket == b"memory":
            return flight.RecordBatchStream(self.memory)
        return flight.RecordBatchStream(self.files.scanner(batch_size=BATCH_ROWS).to_reader())


class Peer:
    """The process, up while the `with` block runs, with the certificate that `node` has, if it has one."""

    def __init__(self, node, files):
        certificate = node.data / "private" / "tls" / "server.json" if node.certificate else "-"
        self.address = node.data.parent / f"peer-{'tls' if node.certificate else 'plaintext'}"
        self.command = [sys.executable, __file__, self.address, certificate, *files]

    def __enter__(self):
        self.process = subprocess.Popen([str(word) for word in self.command])
        while not (self.address.exists() and self.address.read_text().endswith("\n")):
            if self.process.poll() is not None:
                raise SystemExit("the bare Flight server did not start")
            time.sleep(0.02)
        self.url = self.address.read_text().strip()
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()


def main(address, certificate, *files):
    options = {}
    if certificate != "-":
        pem = json.loads(Path(certificate).read_text())
        options["tls_certificates"] = [(pem["certificate_pem"], pem["key_pem"])]
    scheme = "grpc+tls" if options else "grpc"
    server = BareServer(f"{scheme}://127.0.0.1:0", list(files), **options)
    Path(address).write_text(f"{scheme}://127.0.0.1:{server.port}\n")
    server.serve()


if __name__ == "__main__":
    main(*sys.argv[1:])
