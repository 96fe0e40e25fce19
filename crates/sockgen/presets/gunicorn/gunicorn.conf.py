"""gunicorn reads this file where it starts. It finds the sockets by LISTEN_FDS and says READY=1 itself."""
import os

workers = 2
# The default worker answers one client at a time, and waits for one that connects and says nothing.
worker_class = "gthread"
threads = 16
# A worker says that it lives by touching a file: here, not on a disk.
worker_tmp_dir = "/dev/shm"
# How long an old release may take to end what it still answers: swap.drain.
graceful_timeout = int(os.environ.get("SOCKACT_DRAIN_USEC", 30_000_000)) // 1_000_000
