"""What becomes of a bug on the way of a message: a failure of that way alone, told in the log with its traceback."""

from collections.abc import Iterator
from contextlib import contextmanager

from auditor import log
from auditor.errors import DeliveryError, StoreError

_log = log.get(__name__)


@contextmanager
def as_failure(what: str, sink: str, alert: str) -> Iterator[None]:
    """A bug in the block becomes a DeliveryError, retryable: the one message waits, and so nothing else is lost.

    What a service answers may be what nobody thought of, and must not keep the others from being told. DeliveryError
    and StoreError pass.
    """
    try:
        yield
    except (DeliveryError, StoreError):
        raise
    except Exception as bug:  # noqa: BLE001 - of whatever kind it is
        noted("delivery.broke", sink, alert=alert)
        raise DeliveryError(
            f"{what} failed: {type(bug).__name__}", hint="this is a bug: the log has its traceback", retryable=True
        ) from None


def noted(event: str, sink: str, **more: str) -> None:
    """Log the exception that is being handled as an error, with its traceback."""
    _log.error(event, sink=sink, exc_info=True, **more)
