"""Who may talk to the server: pages that it served itself, under a name that is its own.

Another web site that is open in the same browser can send requests to this computer too. It gives
itself away by the header Origin; and where it had its own name lead here (DNS rebinding), by Host.
"""

import ipaddress
import socket
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_POLICY = (
    "default-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:; "
    "object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class SameOrigin:
    """ASGI middleware that refuses foreign requests and tells browsers to load nothing foreign."""

    def __init__(self, app: ASGIApp, host: str) -> None:
        self.app = app
        self.names = {"localhost", host.lower(), *_own_names()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, or answer 403 (a WebSocket: 1008)."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        problem = self._problem(headers.get("host", ""), headers.get("origin"))
        if problem and scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008, "reason": problem})
        elif problem:
            await JSONResponse({"detail": problem}, 403)(scope, receive, send)
        else:
            await self.app(scope, receive, _with_headers(send))

    def _problem(self, host: str, origin: str | None) -> str | None:
        if not self._is_own(host):
            return "This server is not called that; open it by the address that it printed."
        if origin is not None and _place(origin) != host.lower():
            return "Other web sites may not use this server."
        return None

    def _is_own(self, host: str) -> bool:
        try:
            name = (urlsplit(f"//{host}").hostname or "").rstrip(".")
        except ValueError:
            return False
        if name in self.names:
            return True
        try:
            # Nobody can make an address of numbers lead elsewhere.
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True


def _place(origin: str) -> str | None:
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return None


def _own_names() -> set[str]:
    name = socket.gethostname().lower()
    return {name, f"{name}.local", socket.getfqdn().lower()} - {""}


def _with_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in _HEADERS.items():
                headers[name] = value
        await send(message)

    return sending
