"""A stock python-socketio AsyncClient, told what to do by JSON lines on its standard input."""

import asyncio
import json
import sys

import socketio

import wire

options = json.loads(sys.argv[1])


async def main():
    client = socketio.AsyncClient(
        handle_sigint=False,
        reconnection_delay=0.05,
        reconnection_delay_max=0.2,
        engineio_logger=wire.transport_logger(),
    )

    def listen(name):
        async def handler(data):
            wire.say(event=name, data=data)

        client.on(name, handler)

    for event in wire.SERVER_EVENTS:
        listen(event)

    @client.event
    async def connect():
        wire.say(at="connect")

    @client.event
    async def disconnect():
        wire.say(at="disconnect")

    await client.connect(
        options["url"], auth=options["auth"], transports=options["transports"], wait_timeout=10
    )
    wire.say(at="ready", sid=client.get_sid())

    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        command = wire.read_command(line)
        try:
            value = None
            if command["do"] == "emit":
                await client.emit(command["name"], command.get("data"))
            elif command["do"] == "call":
                value = await client.call(command["name"], command.get("data"), timeout=10)
            elif command["do"] == "state":
                value = {
                    "connected": client.connected,
                    "transport": client.transport(),
                    "sid": client.get_sid(),
                }
            wire.say(reply=command["n"], value=value)
        except Exception as error:
            wire.say(reply=command["n"], error=repr(error))

    await client.disconnect()
    # The library sends its goodbye from a task, over polling with a session it does not close.
    await asyncio.gather(client.eio.write_loop_task, client.eio.read_loop_task, return_exceptions=True)
    await client.eio.http.close()


asyncio.run(main())
