"""The smallest app with a log in it, for the server of `web_server.py`."""

import os

from starlette.applications import Starlette
from starlette.routing import Mount

import vlog

app = Starlette(routes=[Mount("/log", vlog.LogApp(os.environ["LOG"]))])
