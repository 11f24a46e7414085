"""What stock python-socketio makes of being let in or refused: prints whether it is in, and what connect_error held."""

import json
import sys
import threading

import socketio

options = json.loads(sys.argv[1])
client = socketio.Client(handle_sigint=False, reconnection=False)
ended = threading.Event()
outcome = {"in": False, "heard": []}


@client.event
def connect():
    outcome["in"] = True
    ended.set()


@client.event
def connect_error(data):
    outcome["heard"].append(data)
    ended.set()


# Its own waiting goes on until the limit when it is refused.
client.connect(
    options["url"],
    auth=options["auth"],
    headers=options["headers"],
    transports=[options["transport"]],
    wait=False,
)
ended.wait(30)
print(json.dumps(outcome))
client.disconnect()
