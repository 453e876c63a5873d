"""The certificate and the key of the page, read from their files."""

import ssl

from auditor.errors import ConfigError
from auditor.webconfig import Tls


def context(tls: Tls) -> ssl.SSLContext:
    """What connections are encrypted with, from the files as they are now. Raises ConfigError."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)

    def refused() -> str:
        # Without this a key with a password would be asked for, at a terminal or for ever.
        raise ConfigError(f"the key {tls.key_file} has a password", hint="`openssl pkey -in KEY -out NEW` takes it off")

    try:
        for file in (tls.cert_file, tls.key_file):
            file.read_bytes()
        made.load_cert_chain(tls.cert_file, tls.key_file, refused)
    except ssl.SSLError as error:
        reason = "the key is not that of the certificate" if "MISMATCH" in str(error.reason) else "they are not PEM"
        hint = "`web.tls`: the certificate with those between it and the root, and its key"
        raise ConfigError(f"cannot use {tls.cert_file} with {tls.key_file}: {reason}", hint=hint) from error
    except OSError as error:
        hint = "`web.tls` names it; check the path and its mode"
        raise ConfigError(f"cannot read {error.filename}: {error.strerror}", hint=hint) from error
    return made
