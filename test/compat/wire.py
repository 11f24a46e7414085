"""JSON lines between a test and the Python client it drives."""

import base64
import json
import logging
import sys
import threading

SERVER_EVENTS = [
    "connection_ack",
    "server_status",
    "compatibility_warning",
    "claude_event",
    "pong",
    "version_info",
    "event_history",
    "event_error",
    "history_gap",
]

_lock = threading.Lock()


def say(**line):
    with _lock:
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()


def read_command(line):
    return json.loads(line, object_hook=_from_json)


def _from_json(value):
    """What JSON has no form for, but Python programs do send."""
    if "$bytes" in value:
        return base64.b64decode(value["$bytes"])
    if "$float" in value:
        return float(value["$float"])
    return value


class _TransportHandler(logging.Handler):
    def emit(self, record):
        if str(record.msg).startswith("Received packet"):
            name, data = record.args
            say(packet=name, data=data if isinstance(data, str) else repr(data))
        elif str(record.msg).startswith("Sending polling GET"):
            say(at="poll")


def transport_logger():
    """
    Tells of each packet as it arrives, and of each poll. The sync client runs every handler in a thread of its
    own, so only the packets show the order in which the server sent them.
    """
    logger = logging.getLogger("transport")
    logger.setLevel(logging.INFO)
    logger.propagate = False
    logger.addHandler(_TransportHandler())
    return logger
