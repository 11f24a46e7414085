"""The original's stack: python-socketio on aiohttp."""
import asyncio
import gc
import resource
import signal

import socketio
from aiohttp import web

sio = socketio.AsyncServer(async_mode="aiohttp")
app = web.Application()
sio.attach(app)


@sio.on("claude_event")
async def claude_event(sid, event):
    await sio.emit("claude_event", event, skip_sid=sid)
    return {"ok": True}


async def main():
    # Bun and Node do this by themselves.
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    signal.signal(signal.SIGUSR2, lambda *_: gc.collect())
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    print(site._server.sockets[0].getsockname()[1], flush=True)
    await asyncio.Event().wait()


asyncio.run(main())
