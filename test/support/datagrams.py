"""Prints what comes in on a Unix datagram socket, a line for each: Bun has none. usage: datagrams.py NAME"""
import socket
import sys

receiver = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
receiver.bind(sys.argv[1].replace("@", "\0", 1))
print("bound", flush=True)
while True:
    print(receiver.recv(1000).decode(), flush=True)
