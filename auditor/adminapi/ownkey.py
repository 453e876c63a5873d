"""Whether a key that the API shows with most of its letters hidden may be a certain one."""

import re

_REDACTED = re.compile(r"([^*.…•]*)[*.…•]+([^*.…•]{3,})")


def shows(redacted: object, key: str) -> bool:
    """Whether `redacted` (`sk-admin-********wxyz`) may be what the API shows of `key`."""
    shown = _REDACTED.fullmatch(redacted) if isinstance(redacted, str) else None
    return shown is not None and key.startswith(shown[1]) and key.endswith(shown[2])
