"""A model server that does as it is told: stands in for the image's own `serve`.

Its environment says how it behaves (STAND_IN_PING: status of /ping, STAND_IN_STATUS: status of
/invocations, STAND_IN_SLEEP: seconds before each answer, STAND_IN_NAME: what it calls itself,
STAND_IN_RECORD: inference ids of requests are printed); so does a request's body (`exit`,
`print`, `meet`, `sleep`, `refuse`, `break`).
"""

import json
import os
import signal
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

MEETING = threading.Barrier(2)
NAME = os.environ.get("STAND_IN_NAME", "model")


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else every answer waits for an acknowledgement, 40 ms

    def do_GET(self) -> None:
        self.answer(int(os.environ.get("STAND_IN_PING", "200")), b"")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if "STAND_IN_RECORD" in os.environ:
            # With its end of line, which print writes apart: another thread may come between.
            print(f"asked {self.headers['X-Amzn-SageMaker-Inference-Id']}\n", end="", flush=True)
        command = body.decode(errors="replace").split()
        if command[:1] == ["exit"]:
            os._exit(3)
        if command[:1] == ["print"]:
            print(body.decode().removeprefix("print "), flush=True)
        time.sleep(float(os.environ.get("STAND_IN_SLEEP", "0")))
        if command[:1] == ["meet"]:
            MEETING.wait(20)  # breaks, and with it the answer, unless two are here at once
        if command[:1] == ["sleep"]:
            time.sleep(float(command[1]))
        if command[:1] == ["refuse"]:
            self.answer(400, b'{"error": "no"}')
        elif command[:1] == ["break"] or "STAND_IN_STATUS" in os.environ:
            self.answer(int(os.environ.get("STAND_IN_STATUS", "500")), b"broken")
        elif self.headers.get("Content-Type") == "application/x-parquet":
            self.answer(200, body, "application/x-parquet")
        elif self.headers.get("Content-Type") == "application/jsonlines":
            scores = [{"score": len(json.loads(line))} for line in body.decode().splitlines()]
            lines = "".join(json.dumps(score) + "\n" for score in scores)
            self.answer(200, lines.encode(), "application/jsonlines")
        elif (self.headers.get("Content-Type") or "").startswith("text/csv"):
            lengths = "".join(f"{len(line)}\n" for line in body.decode().splitlines())
            self.answer(200, lengths.encode(), "text/csv")
        else:
            self.answer(200, json.dumps(self.about(body)).encode())

    def about(self, body: bytes) -> dict[str, object]:
        model = Path(os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml")) / "model"
        return {
            "name": NAME,
            "pid": os.getpid(),
            "port": int(os.environ["SAGEMAKER_BIND_TO_PORT"]),
            "bytes": len(body),
            "region": os.environ.get("AWS_REGION", os.environ.get("AWS_DEFAULT_REGION")),
            "files": sorted(path.name for path in model.iterdir()),
            "inference_id": self.headers.get("X-Amzn-SageMaker-Inference-Id"),
        }

    def answer(self, status: int, body: bytes, kind: str = "application/json") -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        if attributes := self.headers.get("X-Amzn-SageMaker-Custom-Attributes"):
            self.send_header("X-Amzn-SageMaker-Custom-Attributes", f"saw {attributes}")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_args: object) -> None:
        pass


if __name__ == "__main__":
    if NAME == "crash":
        sys.exit("no such model")
    address = (os.environ["SAGEMAKER_BIND_HOST"], int(os.environ["SAGEMAKER_BIND_TO_PORT"]))
    server = ThreadingHTTPServer(address, Handler)
    signal.signal(
        signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown, daemon=True).start()
    )
    print("serving", flush=True)
    server.serve_forever()
