"""Posts each JSON line of its standard input the way claude-mpm's hook handlers post an event."""

import json
import sys

import requests

import wire

for line in sys.stdin:
    response = requests.post(
        sys.argv[1] + "/api/events",
        json=json.loads(line),
        timeout=10,
        headers={"Content-Type": "application/json"},
    )
    wire.say(status=response.status_code, body=response.text)
