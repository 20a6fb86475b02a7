"""What any other program does to bind its data into a node's ledger, over plain HTTP, and to check it later."""

import base64
import hashlib
import http.client
import json
import ssl

from blake3 import blake3

from server import dab_binary, dab_verify_binary, run


def digests(content, subject, **more):
    found = {"subject": subject, "blake3": blake3(content).hexdigest(), "sha256": hashlib.sha256(content).hexdigest()}
    return found | {"bytes": len(content)} | more


def post(server, body, user="admin", password=None, headers=(), path="/add", method="POST"):
    """Status, headers and text of one request, over TLS with the certificate checked."""
    context = ssl.create_default_context(cafile=server.ca)
    connection = http.client.HTTPSConnection("localhost", server.audit_port, context=context, timeout=120)
    given = f"{user}:{server.password if password is None else password}"
    sent = {"Authorization": "Basic " + base64.b64encode(given.encode()).decode()} | dict(headers)
    sent = {name: value for name, value in sent.items() if value is not None}
    body = json.dumps(body) if isinstance(body, dict) else body
    try:
        connection.request(method, path, body=body, headers=sent)
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read().decode()
    finally:
        connection.close()


def judged(server, file, proof, *arguments):
    """The verdict of `dab` and `dab-verify`, which must agree, and the report."""
    words = ["verify", file, "--proof", proof, "--trust", server.trust, *arguments]
    ours, theirs = (run(program, *words, check=False) for program in (dab_binary(), dab_verify_binary()))
    assert (ours.returncode, ours.stdout) == (theirs.returncode, theirs.stdout)
    return ours.returncode, ours.stdout
