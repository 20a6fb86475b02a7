"""Does a stranger's Java program with the public JDBC driver connect, look around, write and read back?

The program is tests/java; Maven fetches the driver. Without Java or Maven the tests are skipped and say so."""

import re
import urllib.parse

from other_ca import OTHER_CA
from server import run


def jdbc_url(server, **options):
    address = urllib.parse.urlsplit(server.url)
    options = {"user": "admin", "password": server.password} | options
    if address.scheme == "grpc+tls":
        options = {"useEncryption": "true", "tlsRootCerts": str(server.ca)} | options
    else:
        options["useEncryption"] = "false"
    return f"jdbc:arrow-flight-sql://{address.netloc}/?{urllib.parse.urlencode(options)}"


def said(output):
    return dict(line.split(": ", 1) for line in output.splitlines() if ": " in line)


def check_tour(words, table):
    assert "dab" in words["product"].lower()
    assert "lake" in words["catalogs"].split(",")
    assert {"public", "dab"} <= set(words["schemas"].split(","))
    assert "TABLE" in words["types"].split(",")
    assert words["valid"] == "true"
    assert (words["updated"], words["batched"]) == ("1", "3")
    assert words["row 1"] == "eins|1.10|2026-01-31|0.5"
    assert words["row 2"] == "Zahl 2 数|2.25|2026-02-02|0.25"
    assert words["row 4"] == "null|4.25|2026-02-04|0.5"
    assert words["selected"] == "Zahl 3 数"
    assert (words["table"], words["in schema"]) == (table, "public")
    assert words["columns"] == "id,label,price,day,x"
    assert words["column types"] == "-5,12,3,91,8", "BIGINT, VARCHAR, DECIMAL, DATE, DOUBLE of java.sql.Types"
    assert "no_such_table" in words["error"]
    assert words["afterwards"] == "42"


def test_the_tour_over_tls_finds_writes_and_reads(server, java, name):
    done = run(*java, jdbc_url(server), name)
    check_tour(said(done.stdout), name)
    assert server.query(f"SELECT count(*), sum(price) FROM {name}")[0][0] == 4


def test_the_tour_in_plaintext_finds_writes_and_reads(plaintext_server, java, name):
    check_tour(said(run(*java, jdbc_url(plaintext_server), name).stdout), name)


def test_a_wrong_password_is_refused_in_java(server, java, name):
    done = run(*java, jdbc_url(server, password="wrong"), name, check=False)
    assert done.returncode != 0
    assert re.search("UNAUTHENTICATED|(?i:credential|password)", done.stderr), done.stderr[-2000:]


def test_a_server_with_an_unknown_certificate_is_refused_in_java(server, java, name, tmp_path):
    (tmp_path / "ca.pem").write_text(OTHER_CA)
    done = run(*java, jdbc_url(server, tlsRootCerts=str(tmp_path / "ca.pem")), name, check=False)
    assert done.returncode != 0
    assert re.search("(?i)certif|handshake|ssl|unavailable", done.stderr), done.stderr[-2000:]
