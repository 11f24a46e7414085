"""
Sends events the way claude-mpm's Socket.IO pools do: a few synchronous clients that are kept and used again, a circuit
breaker in front of them, and for what must not wait a client of its own that connects, emits and disconnects at once.
"""

import json
import sys
import time

import requests
import socketio

import wire

options = json.loads(sys.argv[1])
URL = f"http://localhost:{options['port']}"


class Breaker:
    """Closed until five failures in a row, then open; after a while one request decides."""

    def __init__(self):
        self.state, self.failures, self.opened = "closed", 0, 0.0

    def allows(self):
        if self.state == "open" and time.time() - self.opened > options["recovery_timeout"]:
            self.state = "half_open"
        return self.state != "open"

    def record(self, success):
        if success:
            self.state, self.failures = "closed", 0
            return
        self.failures += 1
        if self.state == "half_open" or self.failures >= 5:
            self.state, self.opened = "open", time.time()


class Pool:
    def __init__(self, max_connections=3):
        self.max_connections, self.connections = max_connections, []

    def get(self, index):
        self.connections = [client for client in self.connections if client.connected]
        if index < len(self.connections):
            return self.connections[index]
        client = socketio.Client(reconnection=False, logger=False, engineio_logger=False)
        client.connect(URL, wait=True, wait_timeout=1.0)
        self.connections.append(client)
        return client

    def close_all(self):
        for client in self.connections:
            client.disconnect()
        self.connections.clear()


def emit_pooled(event, index):
    if not breaker.allows():
        return "dropped"
    try:
        pool.get(index % pool.max_connections).emit("claude_event", event)
        breaker.record(True)
        return "sent"
    except Exception:
        breaker.record(False)
        return "failed"


def emit_direct(event):
    client = socketio.Client(logger=False, engineio_logger=False)
    client.connect(URL, wait=True, wait_timeout=1.0)
    client.emit("claude_event", event)
    # Without it the client closes its socket over what it has not written yet, to any server.
    client.eio.queue.join()
    client.disconnect()
    return "sent"


def post(event):
    response = requests.post(
        f"{URL}/api/events",
        json={"namespace": "/", "event": "claude_event", "data": event},
        timeout=2.0,
        headers={"Content-Type": "application/json"},
    )
    return "sent" if response.status_code in (200, 204) else "failed"


pool, breaker = Pool(), Breaker()
for line in sys.stdin:
    command = json.loads(line)
    if command["do"] == "close":
        pool.close_all()
        outcome = "closed"
    elif command["do"] == "pooled":
        outcome = emit_pooled(command["event"], command.get("index", 0))
    else:
        outcome = {"direct": emit_direct, "post": post}[command["do"]](command["event"])
    wire.say(reply=command["n"], outcome=outcome, breaker=breaker.state, connections=len(pool.connections))
pool.close_all()
