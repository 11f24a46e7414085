"""
Runs a command on a terminal of its own. What it shows comes out as JSON lines; what is typed, or the new size of the
terminal, comes in as JSON lines.
"""

import fcntl
import json
import os
import pty
import struct
import sys
import termios
import threading

argv, environment = json.loads(sys.argv[1]), json.loads(sys.argv[2])
pid, terminal = pty.fork()
if pid == 0:
    os.execve(argv[0], argv, environment)


def say(**line):
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def listen():
    for line in sys.stdin:
        order = json.loads(line)
        if "type" in order:
            os.write(terminal, order["type"].encode())
        if "columns" in order:
            fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, order["columns"], 0, 0))


threading.Thread(target=listen, daemon=True).start()
while True:
    try:
        shown = os.read(terminal, 4096)
    except OSError:
        break
    if not shown:
        break
    say(shown=shown.decode())
say(exit=os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
