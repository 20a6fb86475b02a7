"""Does a load over http bring everything or nothing, say where it came from, and keep secrets to itself?"""

import json
import os
import time

import pytest
from blake3 import blake3

from loading import refused
from web import Web, send, send_without_end

CSV = b"id,label\n1,a\n2,b\n"
# Words that must stand nowhere: not on a screen, not in a commit.
SECRETS = ["alice", "pass-word", "signed-value", "plain-value", "bare-value", "part-of-the-page"]
SECRET_QUERY = "?X-Amz-Signature=signed-value&part=plain-value&bare-value#part-of-the-page"


@pytest.fixture
def web():
    web = Web()
    yield web
    web.stop()


def keeps_secrets(words):
    assert not [secret for secret in SECRETS if secret in words], words


def sources(server, table):
    (line,) = server.dab("history", table, "--format", "json").stdout.splitlines()
    return json.loads(json.loads(line)["sources"])


def test_url_entity_tag_time_and_digest_stand_in_the_commit_and_in_the_history(server, name, web):
    web.answers["/data/a.csv"] = (200, {"ETag": '"v-17"'}, CSV)
    before = time.time()
    server.dab("load", "file", name, web.url("/data/a.csv"))
    assert server.query(f"SELECT * FROM {name} ORDER BY id") == [(1, "a"), (2, "b")]
    (source,) = sources(server, name)
    assert source["url"] == web.url("/data/a.csv")
    assert source["etag"] == '"v-17"'
    assert source["blake3"] == blake3(CSV).hexdigest() and source["bytes"] == len(CSV)
    assert before - 1 <= source["fetched_unix_ms"] / 1000 <= time.time() + 1
    shown = server.dab("history", name).stdout
    for part in (source["url"], '"v-17"', source["blake3"], f"{len(CSV)} bytes", time.strftime("%Y-", time.gmtime())):
        assert part in shown, shown
    commit = next(server.table(name).glob("_delta_log/*.json")).read_text()
    assert source["blake3"] in commit and source["url"] in commit


def test_credentials_and_every_value_of_the_query_stay_secret(server, name, web):
    web.answers["/a.csv"] = CSV
    done = server.dab("load", "file", name, web.url("/a.csv" + SECRET_QUERY, "alice:pass-word@"))
    (request,) = web.requests
    assert "signed-value" in request.path and request.headers["Authorization"].startswith("Basic "), "they are used"
    keeps_secrets(done.stdout + done.stderr)
    (source,) = sources(server, name)
    assert source["url"] == web.url("/a.csv?X-Amz-Signature=redacted&part=redacted&redacted")
    keeps_secrets(server.dab("history", name).stdout)
    keeps_secrets("".join(path.read_text() for path in server.table(name).glob("_delta_log/*.json")))


@pytest.mark.parametrize(
    "url",
    [
        "http://alice:pass-word@{}/missing.csv" + SECRET_QUERY,
        "http://alice:pass-word@{}/unknown.xyz" + SECRET_QUERY,
        "http://alice:pass-word@127.0.0.1:1/a.csv" + SECRET_QUERY,
        "http://alice:pass-word@[{}/a.csv" + SECRET_QUERY,
        "HTTP://alice:pass-word@no host/a.csv" + SECRET_QUERY,
        "s3://alice:pass-word@bucket/a.csv" + SECRET_QUERY,
        "ftp://alice:pass-word@host/a.csv" + SECRET_QUERY,
        "http://alice:pass-word@{}/loop.csv" + SECRET_QUERY,
        "http://alice:pass-word@{}/cut.csv" + SECRET_QUERY,
        "http://alice:pass-word@{}/ragged.csv" + SECRET_QUERY,
    ],
)
def test_errors_keep_secrets_too(server, web, url):
    web.answers["/loop.csv"] = (302, {"Location": "/loop.csv" + SECRET_QUERY}, b"")
    web.answers["/cut.csv"] = (200, {"Content-Length": "1000"}, CSV)
    web.answers["/ragged.csv"] = b"id,label\n1,a\n2\n3,c,more\n"
    words = refused(server, "never_secret", url.format(web.address), says="error: ")
    keeps_secrets(words)


def test_a_redirect_is_followed_and_what_was_asked_for_is_named(server, name, web):
    other = Web()
    other.answers["/there.csv"] = CSV
    web.answers["/here.csv"] = (302, {"Location": other.url("/there.csv")}, b"")
    server.dab("load", "file", name, web.url("/here.csv" + SECRET_QUERY, "alice:pass-word@"))
    (request,) = other.requests
    other.stop()
    assert server.query(f"SELECT count(*) FROM {name}") == [(2,)]
    assert "Authorization" not in request.headers, "a password goes to nobody else"
    assert "Referer" not in request.headers, "nor does a signed query"
    (source,) = sources(server, name)
    assert source["url"].startswith(web.url("/here.csv")), source


def test_a_redirect_out_of_the_web_or_without_end_is_refused(server, web):
    web.answers["/passwd.csv"] = (302, {"Location": "file:///etc/passwd"}, b"")
    web.answers["/loop.csv"] = (302, {"Location": "/loop.csv"}, b"")
    refused(server, "never_redirected", web.url("/passwd.csv"), says=web.url("/passwd.csv"))
    refused(server, "never_redirected", web.url("/loop.csv"), says=[web.url("/loop.csv"), "redirect"])
    assert len(web.requests) < 30


@pytest.mark.parametrize("status", [204, 206, 400, 401, 403, 404, 410, 429, 500, 503])
def test_any_answer_but_the_whole_file_is_refused_with_its_status(server, web, status):
    web.answers["/a.csv"] = (status, {}, b"" if status == 204 else CSV)
    refused(server, "never_answered", web.url("/a.csv"), says=[web.url("/a.csv"), str(status)])


@pytest.mark.parametrize("kind", ["by its length", "by its chunks"])
def test_a_body_that_ends_early_is_not_loaded(server, web, kind):
    def torn(handler):
        if kind == "by its length":
            return send(handler, 200, {"Content-Length": str(len(CSV) + 1)}, CSV)
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        handler.wfile.write(b"%x\r\n%s\r\n" % (len(CSV), CSV))

    web.answers["/a.csv"] = torn
    refused(server, "never_torn", web.url("/a.csv"), says=[web.url("/a.csv"), "broke off"])


@pytest.mark.parametrize("kind", ["announced", "without end"])
def test_what_is_larger_than_the_limit_is_too_large(server, web, kind):
    web.answers["/a.csv"] = send_without_end if kind == "without end" else CSV + bytes(2 << 20)
    says = [web.url("/a.csv"), "too large", "1 MiB", "--download-mib"]
    refused(server, "never_large", "--download-mib", "1", web.url("/a.csv"), says=says, timeout=60)


def test_what_is_not_larger_than_the_limit_is_loaded(server, name, web):
    body = b"id\n" + b"1\n" * ((1 << 19) - 2) + b"1"
    assert len(body) == 1 << 20
    web.answers["/a.csv"] = body
    server.dab("load", "file", "--download-mib", "1", name, web.url("/a.csv"))
    assert server.query(f"SELECT count(*) FROM {name}") == [((1 << 19) - 1,)]


@pytest.mark.parametrize("kind", ["written over", "replaced", "changed and changed back"])
def test_a_file_that_changes_between_hashing_and_reading_is_not_loaded(server, tmp_path, web, kind):
    """Inputs are hashed one after the other: while the second is being fetched, the first has its digest already."""
    file = tmp_path / "first.csv"
    file.write_bytes(CSV)

    def meanwhile(handler):
        if kind == "replaced":
            (tmp_path / "new.csv").write_bytes(CSV.replace(b"a", b"z"))
            os.replace(tmp_path / "new.csv", file)
        else:
            file.write_bytes(CSV.replace(b"a", b"z"))
        if kind == "changed and changed back":
            file.write_bytes(CSV)
        send(handler, 200, {}, CSV)

    web.answers["/second.csv"] = meanwhile
    refused(server, "never_changed", file, web.url("/second.csv"), says=["first.csv", "changed while"])


def test_no_temporary_file_is_left_behind(server, name, tmp_path, web):
    web.answers["/a.csv"] = CSV
    web.answers["/cut.csv"] = (200, {"Content-Length": "1000"}, CSV)
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    server.dab("load", "file", name, web.url("/a.csv"), env=environment)
    server.dab("load", "file", name, web.url("/cut.csv"), env=environment, check=False)
    assert list(tmp_path.iterdir()) == []
