"""The least that a webhook server can do: check the signature and answer. `python -m benchmarks.bare PORT`."""

import hmac
import sys

from aiohttp import web

SECRET = "benchmark"
PATH = "/webhooks/github"


async def receive(request: web.Request) -> web.Response:
    """Answer 202 when the signature is right."""
    body = await request.read()
    expected = "sha256=" + hmac.digest(SECRET.encode(), body, "sha256").hex()
    right = hmac.compare_digest(expected, request.headers["X-Hub-Signature-256"])
    return web.Response(status=202 if right else 401)


if __name__ == "__main__":
    app = web.Application()
    app.router.add_post(PATH, receive)
    web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), access_log=None, print=None)
