"""A function to start and stop: NOT_READY keeps it from getting ready, FAIL ends it at once."""

import asyncio
import os
import signal
import sys

import uvicorn
from starlette.types import Receive, Scope, Send

at_once: set[int] = set()


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] != "http":
        return
    status, body = 200, f"{os.getpid()} {scope['method']} {scope['path']}?{scope['query_string'].decode()} ".encode()
    if scope["path"] == "/readyz" and "NOT_READY" in os.environ:
        status, body = 503, b"no model yet"
    if scope["path"] == "/slow":
        await asyncio.sleep(0.5)
    if scope["path"] == "/drip":
        await send({"type": "http.response.start", "status": status, "headers": []})
        await asyncio.sleep(0.5)
        await send({"type": "http.response.body", "body": body})
        return
    if scope["path"] == "/die":
        os.kill(os.getpid(), signal.SIGKILL)
    if scope["path"] == "/count":
        at_once.add(id(scope))
        await asyncio.sleep(0.05)
        body += str(len(at_once)).encode()
        at_once.discard(id(scope))
    message = await receive()
    await send({"type": "http.response.start", "status": status, "headers": [(b"x-tiny", b"1")]})
    await send({"type": "http.response.body", "body": body + message.get("body", b"")})


if __name__ == "__main__":
    if "FAIL" in os.environ:
        sys.exit(3)
    uvicorn.run(app, host="127.0.0.1", port=int(os.environ["PORT"]), log_config=None, lifespan="off")
