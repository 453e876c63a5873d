"""Runs one blocking call on a thread of its own."""

import asyncio
import concurrent.futures
import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


async def aside(function: Callable[[], T]) -> T:
    """The result of `function`, run on a daemon thread.

    Not asyncio's pool: the store works there, and a peer that answers one byte a second would hold its few
    threads and keep the process from ending. When the caller is cancelled, the call is left to its own time limit.
    """
    done: concurrent.futures.Future[T] = concurrent.futures.Future()
    done.set_running_or_notify_cancel()

    def run() -> None:
        try:
            done.set_result(function())
        except BaseException as error:  # noqa: BLE001 - the caller gets it, whatever it is
            done.set_exception(error)

    threading.Thread(target=run, name="aside", daemon=True).start()
    return await asyncio.wrap_future(done)
