"""
Finds a server and uses it the way claude-mpm's client manager does: probe the ports, read the version as three
integers, ask for compatibility, connect with AsyncClient and no choice of transport, emit, ping without an argument again and again, come back when
the server does.
"""

import asyncio
import json
import socket
import sys
import time
from datetime import datetime, timezone

import requests
import socketio

import wire

options = json.loads(sys.argv[1])
CLIENT_VERSION = options["client_version"]


def discover():
    for host in ["localhost", "127.0.0.1"]:
        for port in options["ports"]:
            with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
                probe.settimeout(0.5)
                if probe.connect_ex((host, port)) != 0:
                    continue
            response = requests.get(f"http://{host}:{port}/version", timeout=10)
            if response.status_code == 200:
                yield f"http://{host}:{port}", response.json()


def score(version):
    major, minor, patch = [int(part) for part in version["server_version"].split(".")]
    return major * 100 + minor * 10 + patch + 5 * len(version["features"])


async def main():
    found = list(discover())
    wire.say(found=found)
    url, version = max(found, key=lambda server: score(server[1]))

    answer = requests.post(f"{url}/compatibility", json={"client_version": CLIENT_VERSION}, timeout=10)
    wire.say(compatibility=answer.json(), status=answer.status_code)

    client = socketio.AsyncClient(
        reconnection=True,
        reconnection_attempts=0,
        reconnection_delay=0.05,
        reconnection_delay_max=5,
        randomization_factor=0.5,
        logger=False,
        engineio_logger=False,
    )

    @client.event
    async def connection_ack(data):
        wire.say(event="connection_ack", data=data)

    @client.event
    async def server_status(data):
        wire.say(event="server_status", data=data)

    @client.event
    async def claude_event(data):
        wire.say(event="claude_event", data=data)

    @client.event
    async def pong(data):
        wire.say(event="pong", data=data)

    auth = {"claude_mpm_version": CLIENT_VERSION, "client_id": f"claude-mpm-{time.time()}"}
    await client.connect(url, auth=auth)
    wire.say(at="ready", transport=client.transport())

    for kind, data in options["emits"]:
        event = {
            "type": kind,
            # An offset and a Z: no valid time, but what the original sends.
            "timestamp": datetime.now(timezone.utc).isoformat() + "Z",
            "data": data,
            "client_version": CLIENT_VERSION,
        }
        wire.say(emitting=event)
        await client.emit("claude_event", event)

    async def check_health():
        while True:
            if client.connected:
                await client.emit("ping")
            await asyncio.sleep(options["ping_every"])

    health = asyncio.create_task(check_health())
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
    health.cancel()
    await client.disconnect()


asyncio.run(main())
