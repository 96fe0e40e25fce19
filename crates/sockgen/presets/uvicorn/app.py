"""What users ask is answered here, as any ASGI application does; sockact.toml says how it is deployed."""
import asyncio
import os
import socket
from pathlib import Path

# Which release this is: the build writes the file. One without it is not whole, and is not well.
FILE = Path(__file__).with_name("VERSION")
VERSION = FILE.read_text().strip() if FILE.exists() else ""


async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        return await lifespan(receive, send)
    status, body = 200, VERSION or "unknown"
    if scope["path"] == "/health" and not VERSION:
        status, body = 503, "this release has no file VERSION"
    headers = [(b"content-type", b"text/plain"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body.encode()})


async def lifespan(receive, send):
    """Opens the address of this slot alone, where each deploy asks for its health, and says READY=1."""
    await receive()
    path = os.environ.get("SOCKACT_HEALTH")
    health = path and await asyncio.start_unix_server(answer_health, path)
    await send({"type": "lifespan.startup.complete"})
    ready()
    await receive()
    if health:
        health.close()
    await send({"type": "lifespan.shutdown.complete"})


def ready():
    """sd_notify(3): what uvicorn itself does not say. Users' connections wait in systemd's socket until then."""
    if address := os.environ.get("NOTIFY_SOCKET"):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as to:
            to.sendto(b"READY=1", address.replace("@", "\0", 1))


async def answer_health(reader, writer):
    """Answers one request, in the loop that serves users: when that hangs, this does too."""
    await reader.readuntil(b"\r\n\r\n")
    status = "200 OK" if VERSION else "503 this release has no file VERSION"
    writer.write(f"HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n".encode())
    writer.close()
