# SPDX-License-Identifier: GPL-2.0-or-later
"""TLS with the cluster's key: Python's own ssl knows no pre-shared keys in this version."""

import ctypes
import hmac
import select
import socket

from authkey import KEY, key_id

GNUTLS = ctypes.CDLL("libgnutls.so.30")
GNUTLS.gnutls_record_send.restype = GNUTLS.gnutls_record_recv.restype = ctypes.c_ssize_t
GNUTLS.gnutls_strerror.restype = ctypes.c_char_p
GNUTLS.gnutls_alert_get_name.restype = ctypes.c_char_p

CLIENT, NONBLOCK, CREDENTIALS_PSK = 2, 8, 4
AGAIN, INTERRUPTED, PREMATURE, ALERT = -28, -52, -110, -12
PRIORITY = "NONE:+VERS-TLS1.3:+ECDHE-PSK:+AES-128-GCM:+AEAD:+GROUP-X25519:+SIGN-ALL"
TLS_1_2 = "NONE:+VERS-TLS1.2:+ECDHE-PSK:+AES-128-GCM:+AEAD:+SHA256:+GROUP-X25519:+SIGN-ALL:+COMP-NULL"


def identity(cluster, from_node, to, key):
    return f"ramster1 {cluster} {from_node} {to} {key_id(key)}".encode()


def secret(key, name):
    extracted = hmac.digest(b"ramster control connection 1", key, "sha256")
    return hmac.digest(extracted, name + b"\1", "sha256")


class TlsError(Exception):
    """A handshake that failed; the text has GnuTLS's error, or the alert that came."""


class Datum(ctypes.Structure):
    _fields_ = [("data", ctypes.c_char_p), ("size", ctypes.c_uint)]


class TlsSocket:
    """A socket on which a handshake was done, with the methods of one that the tests use."""

    def __init__(self, sock, name, key, priority=PRIORITY):
        self.sock, self.session, self.credentials = sock, ctypes.c_void_p(), ctypes.c_void_p()
        GNUTLS.gnutls_init(ctypes.byref(self.session), CLIENT | NONBLOCK)
        assert GNUTLS.gnutls_priority_set_direct(self.session, priority.encode(), None) == 0
        GNUTLS.gnutls_psk_allocate_client_credentials(ctypes.byref(self.credentials))
        user, value = Datum(name, len(name)), Datum(key, len(key))
        GNUTLS.gnutls_psk_set_client_credentials2(self.credentials, ctypes.byref(user), ctypes.byref(value), 0)
        GNUTLS.gnutls_credentials_set(self.session, CREDENTIALS_PSK, self.credentials)
        GNUTLS.gnutls_transport_set_int2(self.session, sock.fileno(), sock.fileno())
        ret = self._until_done(GNUTLS.gnutls_handshake, self.session)
        if ret == ALERT:
            raise TlsError(GNUTLS.gnutls_alert_get_name(GNUTLS.gnutls_alert_get(self.session)).decode())
        if ret:
            raise TlsError(GNUTLS.gnutls_strerror(ret).decode())

    def _until_done(self, call, *args):
        timeout = self.sock.gettimeout()
        while (ret := call(*args)) in (AGAIN, INTERRUPTED):
            if timeout == 0:
                raise BlockingIOError
            if not select.select([self.sock], [], [], timeout)[0]:
                raise TimeoutError
        return ret

    def sendall(self, data):
        while data:
            sent = GNUTLS.gnutls_record_send(self.session, data, min(len(data), 16384))
            if sent == AGAIN:
                select.select([], [self.sock], [], self.sock.gettimeout())
                continue
            if sent < 0:
                raise ConnectionError(GNUTLS.gnutls_strerror(sent).decode())
            data = data[sent:]

    def recv(self, size):
        buffer = ctypes.create_string_buffer(size)
        got = self._until_done(GNUTLS.gnutls_record_recv, self.session, buffer, size)
        if got == PREMATURE:
            return b""
        if got < 0:
            raise ConnectionError(GNUTLS.gnutls_strerror(got).decode())
        return buffer.raw[:got]

    def close(self):
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def connect(address, source, cluster, from_node, to, key=KEY):
    """A connection as another node's ramsterd would make it."""
    sock = socket.create_connection(address, timeout=5, source_address=(source, 0))
    name = identity(cluster, from_node, to, key)
    return TlsSocket(sock, name, secret(key, name))
