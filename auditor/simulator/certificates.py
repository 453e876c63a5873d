"""What the read of a certificate by id shows: not whether it is active, and its text on request."""

from msgspec import UNSET
from msgspec.structs import replace

from auditor.simulator.query import Query
from auditor.simulator.refusals import bad_value
from auditor.simulator.settings import Certificate

_TEXT = """\
-----BEGIN CERTIFICATE-----
MIIBtTCCAVugAwIBAgIUCILYKzQe8jfOHed4/pGEVV+gR8gwCgYIKoZIzj0EAwIw
MDEQMA4GA1UECgwHRXhhbXBsZTEcMBoGA1UEAwwTZ2F0ZXdheS5leGFtcGxlLmNv
bTAeFw0yNjExMjQwMjMzNDNaFw0yNzExMjQwMjMzNDNaMDAxEDAOBgNVBAoMB0V4
YW1wbGUxHDAaBgNVBAMME2dhdGV3YXkuZXhhbXBsZS5jb20wWTATBgcqhkjOPQIB
BggqhkjOPQMBBwNCAAToIe1G4/V/0c6yiC6xlqKsO9gScmFiYVH+x88dG8G2cs40
Cj5IGht6Nrisomwf/KkfzNiJcd7oT+Ge33JRgtrpo1MwUTAdBgNVHQ4EFgQUkHZn
FuL6V6tl0JtfCsrPzdNB828wHwYDVR0jBBgwFoAUkHZnFuL6V6tl0JtfCsrPzdNB
828wDwYDVR0TAQH/BAUwAwEB/zAKBggqhkjOPQQDAgNIADBFAiEA5/LNis3P3Rdp
Z65a4+VFsVRfKZt50PBjfj2+nECZ+WcCIDm1AUih75vA388F996VHuGI1qWCN5Uy
mOoDRMWNMoQz
-----END CERTIFICATE-----
"""
"""A real self-signed certificate of gateway.example.com; its dates are not those of the simulated ones."""


def detail_of(certificate: Certificate, query: Query) -> Certificate:
    """The certificate by id; `include[]=content` adds the PEM text."""
    for part in query.texts("include"):
        if part != "content":
            raise bad_value("include", f"'{part}' is not one of ['content'].")
    details = certificate.certificate_details
    if query.texts("include"):
        details = replace(details, content=_TEXT)
    return replace(certificate, object="certificate", active=UNSET, certificate_details=details)
