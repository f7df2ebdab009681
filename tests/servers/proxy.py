"""A TCP proxy before a server: the network that hangs, breaks, or is slow."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from urllib.parse import urlsplit, urlunsplit


class Proxy:
    """Forwards a port of its own to a server's, until told otherwise; a context manager."""

    def __init__(self, host: str, port: int, *, delay: float = 0.0) -> None:
        """:param delay: seconds that each piece of data waits, in both directions."""
        self.host, self.port, self.delay = "127.0.0.1", 0, delay
        self._target = (host, port)
        self._loop = asyncio.new_event_loop()
        self._open = asyncio.Event()
        self._open.set()
        self._clients: set[asyncio.Task[None]] = set()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._server = asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(10)
        self.port = int(self._server.sockets[0].getsockname()[1])

    async def _listen(self) -> asyncio.Server:
        return await asyncio.start_server(self._serve, self.host, 0)

    def through(self, url: str) -> str:
        """A URL of the server, led through this proxy."""
        parts = urlsplit(url)
        login, at, _ = parts.netloc.rpartition("@")
        return urlunsplit(parts._replace(netloc=f"{login}{at}{self.host}:{self.port}"))

    @property
    def connections(self) -> int:
        """How many clients are connected at the moment."""
        return len(self._clients)

    def hang(self) -> None:
        """Stop forwarding: connections stay open, new ones are accepted, nothing arrives."""
        self._do(self._open.clear)

    def resume(self) -> None:
        """Forward again, what has been held back first."""
        self._do(self._open.set)

    def cut(self) -> None:
        """Break off all connections, with what is under way in them; new ones are served."""
        asyncio.run_coroutine_threadsafe(self._cut(), self._loop).result(10)

    def close(self) -> None:
        """End the proxy; whoever connects now is refused."""
        self._do(self._server.close)
        self.cut()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def __enter__(self) -> Proxy:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _do(self, act: Callable[[], object]) -> None:
        """Act in the thread of the loop, and wait until it is done."""

        async def acted() -> None:
            act()

        asyncio.run_coroutine_threadsafe(acted(), self._loop).result(10)

    async def _cut(self) -> None:
        clients = list(self._clients)
        for client in clients:
            client.cancel()
        await asyncio.gather(*clients, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._clients.add(task)
        writers = [writer]
        with suppress(OSError, asyncio.CancelledError):
            await self._open.wait()
            far_reader, far_writer = await asyncio.open_connection(*self._target)
            writers.append(far_writer)
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pump(reader, far_writer))
                group.create_task(self._pump(far_reader, writer))
        # Aborted, not closed: what waits in a buffer must not arrive after the cut.
        for each in writers:
            each.transport.abort()
        self._clients.discard(task)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65536):
                if self.delay:
                    await asyncio.sleep(self.delay)
                await self._open.wait()
                writer.write(data)
                await writer.drain()
            await self._open.wait()
            writer.write_eof()
        except OSError:
            # One side was reset: so is the other one.
            writer.transport.abort()
