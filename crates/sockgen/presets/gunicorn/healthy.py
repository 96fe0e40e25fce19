"""Whether the application of this release is well: exit status 0.

gunicorn serves what systemd passed and opens nothing else, so each deploy asks in a process beside the slot: as its
user, in its sandbox, with its environment.
"""
import sys
from wsgiref.util import setup_testing_defaults

from wsgi import application

environ = {"PATH_INFO": "/health"}
setup_testing_defaults(environ)
answer = {}
body = b"".join(application(environ, lambda status, headers: answer.update(status=status)))
if not answer["status"].startswith(("2", "3")):
    sys.exit(answer["status"] + ": " + body.decode(errors="replace"))
