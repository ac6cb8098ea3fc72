"""A TLS handshake in memory: what a client would be shown by a context, and whether it would believe it."""

from __future__ import annotations

import contextlib
import ssl


def server_context() -> ssl.SSLContext:
    """Return a context of a server that has no certificate yet."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_TICKET | ssl.OP_CIPHER_SERVER_PREFERENCE
    context.num_tickets = 0  # the API server resumes no session, and a ticket would outlive its certificate
    context.set_alpn_protocols(["http/1.1"])  # the API server speaks nothing else to webhooks
    return context


def shown(context: ssl.SSLContext) -> bytes:
    """Return the certificate (DER) that a server's context shows; raise ``ssl.SSLError`` when it can show none."""
    anyone = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    anyone.check_hostname, anyone.verify_mode = False, ssl.CERT_NONE
    return _shake_hands(context, anyone, None)


def doubt(context: ssl.SSLContext, trusted: bytes, name: str) -> str:
    """Return why a client does not believe what a server's context shows, or "".

    ``trusted`` is PEM: authorities, or the certificate itself, of which then only the dates, the purpose and, unless
    ``name`` is empty, the name are looked at.
    """
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # whatever is trusted need not sign itself
    client.check_hostname = bool(name)
    try:
        client.load_verify_locations(cadata=trusted.decode("ascii"))
        _shake_hands(context, client, name or None)
    except ssl.SSLCertVerificationError as error:
        return error.verify_message.rstrip(".")
    except (ssl.SSLError, ValueError) as error:
        return f"its authority cannot be read: {error}"
    return ""


def _shake_hands(context: ssl.SSLContext, client_context: ssl.SSLContext, name: str | None) -> bytes:
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = context.wrap_bio(there, back, server_side=True)
    client = client_context.wrap_bio(back, there, server_hostname=name)
    for side in (client, server) * 3:
        with contextlib.suppress(ssl.SSLWantReadError):
            side.do_handshake()
    server.do_handshake()
    return client.getpeercert(binary_form=True) or b""
