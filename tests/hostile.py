"""Texts that members of an organization may choose as a name, to do more than name something."""

_MARK = "document.documentElement.setAttribute('pwned','')"

PAYLOADS = (
    f"<script>{_MARK}</script>",
    f"<img src=x onerror={_MARK}>",
    f"<svg/onload={_MARK}>",
    f'"><svg onload="{_MARK}">',
    f'\'><img src=x onerror="{_MARK}">',
    f'" onmouseover="{_MARK}" autofocus onfocus="{_MARK}" x="',
    f"javascript:{_MARK}",
    f"</title><script>{_MARK}</script>",
    f"</style><script>{_MARK}</script>",
    f"--><script>{_MARK}</script>",
    f"]]><script>{_MARK}</script>",
    f"<details open ontoggle={_MARK}>",
    f"<iframe srcdoc='<script>parent.{_MARK}</script>'>",
    "</td></tr></table><h1>All clear</h1>",
    "</main></body></html>",
    "<!--",
    "<plaintext>",
    "<base href=//example.net/>",
    "<meta http-equiv=refresh content=0;url=//example.net>",
    "<form action=//example.net><button>ok",
    "{{ 7 * 7 }}{% raw %}{{ report }}",
    "&lt;b&gt;&#60;script&#62;",
    "\u202egnp.exe\u2066<b>",
    "\x1b[2J\x1b[31mred\x07\x00",
    "e" + "\u0301" * 60,
    "=HYPERLINK(1)\r\n<b>next</b>",
    "<!channel> <@U1> @everyone *b* `c`",
    "名" * 50 + "<b>",
    "n" * 10_000 + "<script>",
    "\u3164\u2800\u200b",
)
"""The first one must execute when nothing escapes it: a test relies on that."""
