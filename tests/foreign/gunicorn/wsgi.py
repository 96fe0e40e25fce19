"""The application: its version, and its health."""
import os

HOME = os.path.dirname(os.path.abspath(__file__))


def read(name):
    try:
        with open(os.path.join(HOME, name)) as file:
            return file.read().strip()
    except FileNotFoundError:
        return ""


VERSION, FAULT = read("VERSION"), read("FAULT")


def application(environ, start_response):
    start_response("200 OK", [("Content-Length", str(len(VERSION)))])
    return [VERSION.encode()]
