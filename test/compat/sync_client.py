"""A stock python-socketio Client, told what to do by JSON lines on its standard input."""

import json
import sys

import socketio

import wire

options = json.loads(sys.argv[1])
client = socketio.Client(
    handle_sigint=False,
    reconnection_delay=0.05,
    reconnection_delay_max=0.2,
    engineio_logger=wire.transport_logger(),
)


def listen(name):
    def handler(data):
        wire.say(event=name, data=data)

    client.on(name, handler)


for event in wire.SERVER_EVENTS:
    listen(event)


@client.event
def connect():
    wire.say(at="connect")


@client.event
def disconnect():
    wire.say(at="disconnect")


client.connect(options["url"], auth=options["auth"], transports=options["transports"], wait_timeout=10)
wire.say(at="ready", sid=client.get_sid())

for line in sys.stdin:
    command = wire.read_command(line)
    try:
        value = None
        if command["do"] == "emit":
            client.emit(command["name"], command.get("data"))
        elif command["do"] == "call":
            value = client.call(command["name"], command.get("data"), timeout=10)
        elif command["do"] == "state":
            value = {"connected": client.connected, "transport": client.transport(), "sid": client.get_sid()}
        wire.say(reply=command["n"], value=value)
    except Exception as error:
        wire.say(reply=command["n"], error=repr(error))

client.disconnect()
