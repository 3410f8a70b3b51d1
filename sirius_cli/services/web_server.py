"""textual-serve's server behind a guard. Needs the extra "web"."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware
from textual_serve.app_service import AppService
from textual_serve.server import Server

from sirius_cli.services.web_address import HOST, SECRET, Address

# The page comes with a font of another site; nobody there has to know.
_POLICY = "; ".join(
    (
        "default-src 'self'",
        "script-src 'self' 'unsafe-inline'",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data:",
    )
)

_HEARTBEAT_S = 15.0
_PATIENCE_S = 3.0
"""The time that open tabs have to end by themselves."""


class GuardedServer(Server):
    """Serves the command ``tab`` at ``address``. ``work`` runs beside it; when it ends, so does the server."""

    def __init__(self, tab: str, address: Address, work: Callable[[], Awaitable[None]]) -> None:
        super().__init__(tab, host=HOST, port=address.port, title="sirius")
        self._address = address
        self._work = work
        self._working: asyncio.Task[None] | None = None
        self._tabs: set[asyncio.Task[object]] = set()

    def initialize_logging(self) -> None:
        """Leave logging alone: what there is to tell is told elsewhere."""

    async def on_startup(self, app: web.Application) -> None:
        self._working = asyncio.create_task(self._run())

    async def on_shutdown(self, app: web.Application) -> None:
        if self._working is not None:
            self._working.cancel()
        for tab in self._tabs:
            tab.cancel()
        if self._tabs:
            await asyncio.wait(self._tabs, timeout=_PATIENCE_S)

    async def handle_websocket(self, request: web.Request) -> web.WebSocketResponse:
        """As the parent's, but a tab that was closed leaves no process behind."""
        websocket = web.WebSocketResponse(heartbeat=_HEARTBEAT_S)
        await websocket.prepare(request)

        async def close() -> None:
            await websocket.close()

        tab = _Tab(
            self.command,
            write_bytes=websocket.send_bytes,
            write_str=websocket.send_str,
            close=close,
            download_manager=self.download_manager,
        )
        with self._counted():
            await tab.start(_cells(request, "width", 80), _cells(request, "height", 24))
            try:
                await self._process_messages(websocket, tab)
            finally:
                await tab.stop()
        return websocket

    @contextmanager
    def _counted(self) -> Iterator[None]:
        task = asyncio.current_task()
        assert task is not None
        self._tabs.add(task)
        try:
            yield
        finally:
            self._tabs.discard(task)

    async def _run(self) -> None:
        await self._work()
        self.request_exit()

    async def _make_app(self) -> web.Application:
        app = await super()._make_app()
        app.middlewares.append(guard(self._address))
        return app


class _Tab(AppService):
    """The process of one tab."""

    async def stop(self) -> None:
        await super().stop()
        if self._process is not None:
            await self._process.wait()


def _cells(request: web.Request, name: str, usual: int) -> int:
    given = request.query.get(name, "")
    return int(given) if given.isascii() and given.isdigit() else usual


def guard(address: Address) -> Middleware:
    """Answers those alone whom ``address`` admits. The secret of the first request becomes a cookie."""

    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        given = request.query.get(SECRET)
        secret = given or request.cookies.get(SECRET, "")
        headers = request.headers
        if not address.admits(host=headers.get("Host"), origin=headers.get("Origin"), secret=secret):
            raise web.HTTPForbidden(text="Open the address that the terminal shows.")
        response = await handler(request)
        if given and not response.prepared:
            response.set_cookie(SECRET, given, httponly=True, samesite="Strict")
            response.headers["Content-Security-Policy"] = _POLICY
            response.headers["Referrer-Policy"] = "no-referrer"
        return response

    return check
