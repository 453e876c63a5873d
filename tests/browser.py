"""Debian's chromium without a window: what a browser makes of a page, as DOM and as a picture."""

import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-extensions",
    "--hide-scrollbars",
)

SECONDS = 60
"""A browser that takes longer than this hangs."""


def binary() -> str:
    """The path of chromium; skips the test where it is not installed."""
    found = shutil.which("chromium")
    if not found:
        pytest.skip("chromium is not installed")
    return found


def dom(url: str) -> str:
    """The document after every script that could run has run, as HTML."""
    return _chromium("--dump-dom", url)


def screenshot(url: str, target: Path, *, width: int = 1280, height: int = 900, dark: bool = False) -> None:
    """Write a picture of the page to `target` (PNG)."""
    scheme = f"--blink-settings=preferredColorScheme={0 if dark else 1}"
    _chromium(f"--screenshot={target}", f"--window-size={width},{height}", scheme, url)


def pdf(url: str, target: Path) -> None:
    """Print the page to `target`."""
    _chromium(f"--print-to-pdf={target}", "--no-pdf-header-footer", url)


def _chromium(*arguments: str) -> str:
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        done = subprocess.run(
            [binary(), *FLAGS, "--virtual-time-budget=2000", f"--user-data-dir={profile}", *arguments],
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=True,
        )
    return done.stdout
