"""A small web server on a free port, over real sockets, that answers as a test tells it to."""

import contextlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Web:
    """`answers` maps a path to bytes, to (status, headers, body), or to a function of the request's handler that sends the
    whole answer itself. `requests` are the handlers of the requests so far: `path` and `headers` are the request's."""

    def __init__(self):
        web = self
        self.answers, self.requests = {}, []

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                web.requests.append(self)
                answer = web.answers.get(self.path.split("?")[0], (404, {}, b"no such page"))
                # A client that hangs up is what some tests are about.
                with contextlib.suppress(ConnectionError):
                    if callable(answer):
                        answer(self)
                        self.close_connection = True
                    else:
                        send(self, *((200, {}, answer) if isinstance(answer, bytes) else answer))

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.address = f"127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def url(self, path, credentials=""):
        return f"http://{credentials}{self.address}{path}"

    def stop(self):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


def send(handler, status, headers, body):
    """Sends a whole answer. A `Content-Length` among the headers stands in for the true one."""
    handler.send_response(status)
    for header, value in ({"Content-Length": str(len(body))} | headers).items():
        handler.send_header(header, value)
    handler.end_headers()
    handler.wfile.write(body)


def send_without_end(handler):
    """Sends the lines of a CSV file until the client hangs up, and never says how many there are."""
    handler.send_response(200)
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    rows = b"id\n" + b"1\n" * 32768
    chunk = b"%x\r\n%s\r\n" % (len(rows), rows)
    while True:
        handler.wfile.write(chunk)
