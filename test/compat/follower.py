"""
A stock python-socketio client that resumes where it was, and tells of each event it gets, until its standard input
ends. It goes by the packets: the sync client runs every handler in a thread of its own.
"""

import asyncio
import json
import logging
import sys

import socketio

import wire

options = json.loads(sys.argv[1])
position = {}


class Packets(logging.Handler):
    def emit(self, record):
        if not str(record.msg).startswith("Received packet") or record.args[0] != "MESSAGE":
            return
        data = record.args[1]
        if not isinstance(data, str) or not data.startswith("2["):
            return
        name, payload = json.loads(data[1:])
        if name == "claude_event":
            position["seq"] = payload["seq"]
            wire.say(seq=payload["seq"], id=payload["id"])
        elif name == "connection_ack":
            position.setdefault("seq", payload["last_seq"])
            position["epoch"] = payload["epoch"]
            wire.say(at="ack", seq=position["seq"])
        elif name == "history_gap":
            wire.say(gap=payload)


logger = logging.getLogger("packets")
logger.setLevel(logging.INFO)
logger.propagate = False
logger.addHandler(Packets())

settings = {
    "handle_sigint": False,
    "reconnection_delay": 0.05,
    "reconnection_delay_max": 0.2,
    "engineio_logger": logger,
}
connection = {
    "auth": lambda: {"resume": position} if "epoch" in position else {},
    "transports": options["transports"],
    "wait_timeout": 10,
}


def follow():
    client = socketio.Client(**settings)
    client.connect(options["url"], **connection)
    sys.stdin.read()
    client.disconnect()


async def follow_async():
    client = socketio.AsyncClient(**settings)
    await client.connect(options["url"], **connection)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    await client.disconnect()


if options["async"]:
    asyncio.run(follow_async())
else:
    follow()
