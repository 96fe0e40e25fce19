systemctl start web.socket
python3 - <<'PYTHON' || harm "a client that does not block is refused (EAGAIN)"
import socket, sys
clients = [socket.socket(socket.AF_UNIX) for _ in range(20)]
for client in clients:
    client.setblocking(False)
    try:
        client.connect("/run/web.sock")
    except BlockingIOError:
        sys.exit(1)
PYTHON
