"""What holds for all tests."""

import signal

from hypothesis import settings

# How long an example takes says how busy the machine is, and nothing of the code.
settings.register_profile("auditor", deadline=None)
settings.load_profile("auditor")

# A job in the background of a shell ignores Ctrl-C, and so would every command that a test starts and interrupts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
