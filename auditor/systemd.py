"""Telling systemd how the service is doing, by its notification socket; does nothing where there is none."""

import os
import socket


def notify(message: str) -> None:
    """Send `READY=1`, `RELOADING=1`, `WATCHDOG=1`, `STOPPING=1` or `STATUS=...` (sd_notify(3))."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
            channel.connect(address)
            channel.sendall(message.encode())
    except OSError:
        # A supervisor that does not listen must not stop the audit.
        return
