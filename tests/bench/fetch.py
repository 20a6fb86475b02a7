"""`SELECT * FROM lineitem` through Flight SQL, against a bare Flight server that does nothing else."""

import base64

import pyarrow.flight as flight

from node import Node
from peer import Peer
from report import Section
from rounds import Side, interleave

QUERY = "SELECT * FROM lineitem"
SIDES = {
    "dab": "a DAB node: SQL is planned, Parquet is read and decoded, strings go from views to plain text",
    "adbc": "the same node by the ADBC driver, whose client is Go's",
    "memory": "a bare server (pyarrow, gRPC's C++) that sends batches of the same size from memory",
    "parquet": "the same server, reading and decoding the same Parquet files for each call",
}


def measure(setting):
    section = Section("fetch", f"{QUERY} at scale {setting.scale:g}, all rows held by the client")
    section.sides(SIDES)
    section.say(
        "The client is pyarrow's for all sides but adbc, on the same machine. MB are those of Arrow's memory. TLS is "
        "DAB's default; both servers then use the same certificate."
    )
    folder = setting.subfolder("fetch")
    with Node(folder / "data") as node:
        node.load_tpch(setting.scale)
    for way, arguments in {"TLS": (), "plaintext": ("--insecure-loopback",)}.items():
        with Node(folder / "data", *arguments) as node, Peer(node, node.files("lineitem")) as peer:
            compare(section, way, node, peer, setting.rounds)
    return section


def compare(section, way, node, peer, rounds):
    ours, bare = Client(node.url, node), Client(peer.url, node)
    expected = bare.fetch(flight.Ticket(b"memory"))
    size, count = expected.nbytes, expected.num_rows
    del expected

    def checked(table):
        if table.num_rows != count:
            raise SystemExit(f"{table.num_rows} rows instead of {count}")

    with node.connect() as connection, connection.cursor() as cursor:

        def by_adbc():
            cursor.execute(QUERY)
            checked(cursor.fetch_arrow_table())

        sides = {
            "dab": Side(lambda: checked(ours.query(QUERY))),
            "adbc": Side(by_adbc),
            "memory": Side(lambda: checked(bare.fetch(flight.Ticket(b"memory")))),
            "parquet": Side(lambda: checked(bare.fetch(flight.Ticket(b"parquet")))),
        }
        times = interleave(sides, rounds)
    section.say(f"{way}:")
    section.times(times, "memory", {"MB/s": lambda of: f"{size / of.median / 1e6:.0f}"}, way)


class Client:
    """pyarrow's Flight client, taught the one command of Flight SQL that a query takes."""

    def __init__(self, url, node):
        roots = {"tls_root_certs": node.certificate.encode()} if node.certificate else {}
        self.client = flight.FlightClient(url, **roots)
        login = base64.b64encode(f"admin:{node.password}".encode())
        self.options = flight.FlightCallOptions(headers=[(b"authorization", b"Basic " + login)])

    def query(self, sql):
        command = field(1, b"type.googleapis.com/arrow.flight.protocol.sql.CommandStatementQuery")
        command += field(2, field(1, sql.encode()))
        info = self.client.get_flight_info(flight.FlightDescriptor.for_command(command), self.options)
        return self.fetch(info.endpoints[0].ticket)

    def fetch(self, ticket):
        return self.client.do_get(ticket, self.options).read_all()


def field(number, content):
    """A field of bytes as protobuf writes it; lengths below 16384 are all that is needed here."""
    length = bytes([len(content)]) if len(content) < 128 else bytes([len(content) & 127 | 128, len(content) >> 7])
    return bytes([number << 3 | 2]) + length + content
