"""What users ask is answered here; sockact.toml says how it is deployed."""
from pathlib import Path

# Which release this is: the build writes the file. One without it is not whole, and is not well.
FILE = Path(__file__).with_name("VERSION")
VERSION = FILE.read_text().strip() if FILE.exists() else ""


def application(environ, start_response):
    status, body = "200 OK", VERSION or "unknown"
    if environ["PATH_INFO"] == "/health" and not VERSION:
        status, body = "503 Service Unavailable", "this release has no file VERSION"
    body = body.encode()
    start_response(status, [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
