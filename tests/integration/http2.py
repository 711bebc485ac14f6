"""HTTP/2 by hand, for what a well-behaved gRPC client never sends: RFC 9113 frames as bytes, and gRPC's headers as they are.

Sending needs no compression: every header goes out as a literal without indexing (RFC 7541, section 6.2.2). What the server answers is
inflated by libnghttp2, which the build needs anyway, through ctypes.
"""

import ctypes
import socket
import struct
import time

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
CANCEL = 0x8
END_STREAM, ACK, END_HEADERS, PADDED, PRIORITY_FLAG = 0x1, 0x1, 0x4, 0x8, 0x20


# ---- what goes out ----


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def _prefixed(value, bits, pattern):
    """An integer as RFC 7541, section 5.1 has it."""
    limit = (1 << bits) - 1
    if value < limit:
        return bytes([pattern | value])
    out = bytearray([pattern | limit])
    value -= limit
    while value >= 128:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def header_block(headers):
    out = bytearray()
    for name, value in headers:
        name, value = name.encode(), value if isinstance(value, bytes) else value.encode()
        out += b"\x00" + _prefixed(len(name), 7, 0) + name + _prefixed(len(value), 7, 0) + value
    return bytes(out)


def grpc_headers(path, content_type="application/grpc", method="POST", extra=()):
    headers = [(":method", method), (":scheme", "http"), (":path", path), (":authority", "test")]
    if content_type is not None:
        headers.append(("content-type", content_type))
    return headers + [("te", "trailers"), *extra]


def grpc_message(message, compressed=0):
    """gRPC's length-prefixed message."""
    return struct.pack(">BI", compressed, len(message)) + message


def request_bytes(stream, path, message, **options):
    """One whole unary call. The message must fit a frame and the initial window."""
    return frame(HEADERS, END_HEADERS, stream, header_block(grpc_headers(path, **options))) + frame(
        DATA, END_STREAM, stream, grpc_message(message)
    )


OPENING = PREFACE + frame(SETTINGS, 0, 0)


# ---- what comes back ----


class _HeaderField(ctypes.Structure):
    _fields_ = [
        ("name", ctypes.POINTER(ctypes.c_uint8)),
        ("value", ctypes.POINTER(ctypes.c_uint8)),
        ("name_len", ctypes.c_size_t),
        ("value_len", ctypes.c_size_t),
        ("flags", ctypes.c_uint8),
    ]


_nghttp2 = ctypes.CDLL("libnghttp2.so.14")
_nghttp2.nghttp2_hd_inflate_hd2.restype = ctypes.c_ssize_t
_nghttp2.nghttp2_hd_inflate_hd2.argtypes = [
    ctypes.c_void_p,
    ctypes.POINTER(_HeaderField),
    ctypes.POINTER(ctypes.c_int),
    ctypes.c_char_p,
    ctypes.c_size_t,
    ctypes.c_int,
]
_nghttp2.nghttp2_hd_inflate_new.argtypes = [ctypes.POINTER(ctypes.c_void_p)]
_nghttp2.nghttp2_hd_inflate_end_headers.argtypes = [ctypes.c_void_p]
_nghttp2.nghttp2_hd_inflate_del.argtypes = [ctypes.c_void_p]
_INFLATE_FINAL, _INFLATE_EMIT = 0x01, 0x02


class Inflater:
    """The receiving half of a connection's header compression (RFC 7541)."""

    def __init__(self):
        self._state = ctypes.c_void_p()
        assert _nghttp2.nghttp2_hd_inflate_new(ctypes.byref(self._state)) == 0

    def headers(self, block):
        """[(name, value), ...] of one whole header block."""
        found = []
        field, flags = _HeaderField(), ctypes.c_int()
        while True:
            used = _nghttp2.nghttp2_hd_inflate_hd2(self._state, ctypes.byref(field), ctypes.byref(flags), block, len(block), 1)
            if used < 0:
                raise AssertionError(f"the server's headers can't be inflated: nghttp2 says {used}")
            block = block[used:]
            if flags.value & _INFLATE_EMIT:
                found.append((ctypes.string_at(field.name, field.name_len).decode(), ctypes.string_at(field.value, field.value_len).decode()))
            if flags.value & _INFLATE_FINAL:
                _nghttp2.nghttp2_hd_inflate_end_headers(self._state)
                return found

    def close(self):
        _nghttp2.nghttp2_hd_inflate_del(self._state)
        self._state = None


class FrameReader:
    """Cuts received bytes into frames."""

    def __init__(self):
        self._bytes = bytearray()

    def feed(self, data):
        """[(kind, flags, stream, payload), ...] that are complete by now."""
        self._bytes += data
        frames = []
        at = 0
        while len(self._bytes) - at >= 9:
            length = int.from_bytes(self._bytes[at : at + 3], "big")
            if len(self._bytes) - at - 9 < length:
                break
            kind, flags, stream = struct.unpack_from(">BBI", self._bytes, at + 3)
            frames.append((kind, flags, stream & 0x7FFFFFFF, bytes(self._bytes[at + 9 : at + 9 + length])))
            at += 9 + length
        del self._bytes[:at]
        return frames


class Response:
    """What came on one stream."""

    def __init__(self):
        self.headers = {}
        self.trailers = {}
        self.body = b""
        self.reset = None  # the error code of RST_STREAM
        self.ended = False

    @property
    def http_status(self):
        return int(self.headers[":status"])

    @property
    def grpc_status(self):
        """The number of the gRPC status, wherever it stands; None if there is none."""
        value = self.trailers.get("grpc-status", self.headers.get("grpc-status"))
        return None if value is None else int(value)

    @property
    def grpc_message(self):
        return self.trailers.get("grpc-message", self.headers.get("grpc-message", ""))

    def __repr__(self):
        return f"Response(headers={self.headers}, trailers={self.trailers}, body={len(self.body)} bytes, reset={self.reset}, ended={self.ended})"


class Connection:
    """One connection, blocking, with every frame that came in kept by stream."""

    def __init__(self, address, opening=OPENING, timeout=10):
        host, port = address.rsplit(":", 1)
        self.socket = socket.create_connection((host, int(port)), timeout=timeout)
        self.timeout = timeout
        self.reader = FrameReader()
        self.inflater = Inflater()
        self.streams = {}
        self.goaway = None  # (last stream, error code, text)
        self.closed = False
        self.settings = {}
        self._next_stream = 1
        if opening:
            self.socket.sendall(opening)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()
        self.inflater.close()

    def send(self, data):
        """Bytes as they are; a server that has closed already is no error here: what it said is still to be read."""
        try:
            self.socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            pass

    def new_stream(self):
        stream = self._next_stream
        self._next_stream += 2
        self.streams[stream] = Response()
        return stream

    def call(self, path, message, **options):
        """A unary call with a small message, answered."""
        stream = self.new_stream()
        self.send(request_bytes(stream, path, message, **options))
        return self.wait(stream)

    def call_framed(self, path, body, **options):
        """A call whose body is sent as it is, without gRPC's prefix."""
        stream = self.new_stream()
        self.send(frame(HEADERS, END_HEADERS, stream, header_block(grpc_headers(path, **options))) + frame(DATA, END_STREAM, stream, body))
        return self.wait(stream)

    def wait(self, stream):
        """The response of a stream once it has ended, was reset, or the connection is gone."""
        response = self.streams[stream]
        self.receive_until(lambda: response.ended or response.reset is not None or self.closed, f"an answer on stream {stream}")
        return response

    def wait_closed(self):
        self.receive_until(lambda: self.closed, "the server to close the connection")

    def receive_until(self, condition, what):
        deadline = time.monotonic() + self.timeout
        while not condition():
            left = deadline - time.monotonic()
            if left <= 0:
                raise AssertionError(f"not within {self.timeout} s: {what}; streams {self.streams}, goaway {self.goaway}")
            self.socket.settimeout(left)
            try:
                data = self.socket.recv(65536)
            except socket.timeout:
                continue
            except ConnectionResetError:
                data = b""
            if not data:
                self.closed = True
            for each in self.reader.feed(data):
                self._take(*each)

    def _take(self, kind, flags, stream, payload):
        response = self.streams.get(stream)
        if kind == SETTINGS and not flags & ACK:
            for at in range(0, len(payload), 6):
                name, value = struct.unpack_from(">HI", payload, at)
                self.settings[name] = value
            self.send(frame(SETTINGS, ACK, 0))
        elif kind == PING and not flags & ACK:
            self.send(frame(PING, ACK, 0, payload))
        elif kind == GOAWAY:
            last, code = struct.unpack_from(">II", payload)
            self.goaway = (last, code, payload[8:])
        elif kind == HEADERS:
            assert flags & END_HEADERS, "the server splits its headers: CONTINUATION is not read here"
            headers = dict(self.inflater.headers(payload))
            if response is not None:
                if response.headers:
                    response.trailers = headers
                else:
                    response.headers = headers
        elif kind == DATA and response is not None:
            response.body += payload
        elif kind == RST_STREAM and response is not None:
            response.reset = struct.unpack(">I", payload)[0]
        if response is not None and kind in (DATA, HEADERS) and flags & END_STREAM:
            response.ended = True
