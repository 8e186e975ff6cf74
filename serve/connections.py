"""How many connections are open at a time, and for how long they may say nothing."""

import asyncio
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

MOST = 200  # connections at a time; a program may have about a thousand files open
LONGEST_IDLE = 15.0  # seconds until a whole request has arrived
_LONGEST_MESSAGE = 4 << 20  # bytes of a camera's picture


def server_config(app: Any) -> uvicorn.Config:
    """How the page's server runs."""
    return uvicorn.Config(
        app,
        log_level="warning",
        ws_max_size=_LONGEST_MESSAGE,
        timeout_graceful_shutdown=5,
        http=BoundedConnection,
    )


class BoundedConnection(H11Protocol):
    """A connection that is closed when no request comes, at once where others need its place."""

    _idle_since: float | None = None
    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a place, from whoever has asked for nothing for longest if there is none free."""
        super().connection_made(transport)
        self._idle_since = self.loop.time()
        self._look_later(LONGEST_IDLE)
        if len(self.connections) > MOST:
            idle = [
                other
                for other in self.connections
                if isinstance(other, BoundedConnection) and other._idle_since is not None
            ]
            longest = min(idle, key=lambda other: other._idle_since or 0.0)
            self.connections.discard(longest)  # its end is noticed later
            longest._idle_since = None
            longest.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop counting."""
        self._forget()
        super().connection_lost(exc)

    def handle_events(self) -> None:
        """Pass requests on; from the first line to the end of the answer nobody waits for it."""
        super().handle_events()
        if self.cycle is not None and not self.cycle.response_complete:
            self._idle_since = None

    def handle_websocket_upgrade(self, event: Any) -> None:
        """Leave the connection to the WebSocket."""
        self._forget()
        super().handle_websocket_upgrade(event)

    def on_response_complete(self) -> None:
        """Wait for the next request."""
        self._idle_since = self.loop.time()
        super().on_response_complete()

    def _look_later(self, seconds: float) -> None:
        self._timer = self.loop.call_later(seconds, self._look)

    def _look(self) -> None:
        idle = 0.0 if self._idle_since is None else self.loop.time() - self._idle_since
        if idle >= LONGEST_IDLE:
            self.transport.abort()
        else:
            self._look_later(LONGEST_IDLE - idle)

    def _forget(self) -> None:
        self._idle_since = None
        if self._timer is not None:
            self._timer.cancel()
