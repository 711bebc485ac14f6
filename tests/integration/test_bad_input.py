#!/usr/bin/python3
"""What no good client sends: each piece is refused with a clear message, and neither the stock nor the node is any the worse for it."""

import struct

import harness  # first: it finds grpcio and the stubs
import grpc
from holdfast.v1 import cluster_pb2, ledger_pb2

import http2
from cluster import adjust_stock, deduct, execute, get_order, get_stock, release, reserve, set_stock, verdict_name
from harness import seconds, wait_until

LEDGER = "/holdfast.v1.Ledger/"
INVALID = grpc.StatusCode.INVALID_ARGUMENT
UNIMPLEMENTED = grpc.StatusCode.UNIMPLEMENTED
EXHAUSTED = grpc.StatusCode.RESOURCE_EXHAUSTED

LARGEST = 2**53 - 1


def field(number, kind, value):
    """One field of a protobuf message: kind 0 is a varint, 2 is bytes, 5 and 1 are fixed."""
    out = bytearray(varint(number << 3 | kind))
    if kind == 0:
        out += varint(value)
    elif kind == 2:
        out += varint(len(value)) + value
    else:
        out += value
    return bytes(out)


def varint(value):
    value &= (1 << 64) - 1
    out = bytearray()
    while value >= 128:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


class BadInput(harness.TestCase):
    """Every case is sent to the leader and to a follower. The state is compared before and after the whole test."""

    @classmethod
    def setUpClass(cls):
        cls.cluster = cls.open_class_cluster(3)
        leader = cls.cluster.leader()
        leader.stubs.ledger.SetStock(set_stock("sku", 10))
        leader.stubs.ledger.Reserve(reserve("order", ("sku", 2)))

    def setUp(self):
        self.cluster.wait_ready()
        self.leader = self.cluster.leader()
        self.targets = [self.leader, self.cluster.followers()[0]]
        self.processes = [node.process.pid for node in self.cluster.nodes]
        self.before = self.state()

    def tearDown(self):
        self.assertEqual([node.process.pid for node in self.cluster.nodes], self.processes)
        self.assertTrue(all(node.running for node in self.cluster.nodes))
        self.assertEqual(self.state(), self.before)
        self.cluster.check_sound()

    def state(self):
        """All that a client can see of the ledger, and how much there is of what it can't."""
        ledger = self.leader.stubs.ledger
        stocks = ledger.ListStock(ledger_pb2.ListStockRequest()).stocks
        history = ledger.ListHistory(ledger_pb2.ListHistoryRequest(sku="sku")).rows
        order = ledger.GetOrder(get_order("order")).order
        verify = self.leader.stubs.cluster.Verify(cluster_pb2.VerifyRequest())
        return [str(each) for each in (*stocks, *history, order)] + [verify.stocks, verify.orders, verify.history_rows]

    def refused(self, method, message, status=INVALID, words=""):
        """Sends the message, or the bytes, and checks the status and that its words hold `words`."""
        data = message if isinstance(message, bytes) else message.SerializeToString()
        path = method if method.startswith("/") else LEDGER + method
        for node in self.targets:
            call = node.stubs.channel.unary_unary(path)
            with self.subTest(method=method, node=node.id, words=words), self.assertRaises(grpc.RpcError) as caught:
                call(data, timeout=seconds(20))
            self.assertEqual(caught.exception.code(), status, f"{method}: {caught.exception.details()}")
            details = caught.exception.details()
            self.assertTrue(details, f"{method}: a status without words")
            self.assertIn(words, details)
            self.assertTrue(details.isprintable(), details)

    # ---- protobuf ----

    def test_malformed_protobuf(self):
        whole = reserve("new", ("sku", 1)).SerializeToString()
        for cut in range(1, len(whole)):
            self.refused("Reserve", whole[:cut])
        for data in (
            b"\xff",
            b"\x00\x00",
            b"\x80" * 11,
            field(1, 2, b"new")[:-1] + b"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01",
            varint(1 << 3 | 3),  # a group
            varint(1 << 3 | 7),  # no such wire type
            field(1, 0, 5),  # a number where text belongs
            field(2, 5, b"\0\0\0\0"),
            field(1, 2, b"new") + varint(2 << 3 | 2) + varint(1 << 40),
            field(1, 2, b"new") + varint(2 << 3 | 2) + varint(2**63),
            field((1 << 29) - 1, 0, 0),
        ):
            self.refused("Reserve", data)
        for method in ("SetStock", "AdjustStock", "Deduct", "Release", "Execute", "GetStock", "BatchGetStock", "CheckStock", "ListStock", "GetOrder", "ListHistory"):
            self.refused(method, b"\xff\xff\xff")
        for method in ("Status", "Verify"):
            self.refused("/holdfast.v1.Cluster/" + method, b"\xff\xff\xff")

    def test_unknown_fields(self):
        line = ledger_pb2.Line(sku="sku", quantity=1).SerializeToString()
        good = reserve("new", ("sku", 1)).SerializeToString()
        unknown = (field(99, 0, 1), field(99, 2, b"x"), field(99, 5, b"\0\0\0\0"), field(99, 1, b"\0" * 8), field(5, 0, 1), field(536870911, 0, 0))
        for extra in unknown:
            self.refused("Reserve", good + extra, words="unknown field")
            self.refused("Reserve", extra + good, words="unknown field")
            self.refused("Reserve", field(1, 2, b"new") + field(2, 2, line + extra), words="unknown field")
            self.refused("Execute", field(1, 2, field(3, 2, good + extra)), words="unknown field")
            self.refused("Execute", field(1, 2, field(3, 2, field(1, 2, b"new") + field(2, 2, line + extra))), words="unknown field")
            self.refused("GetStock", get_stock("sku").SerializeToString() + extra, words="unknown field")
        self.refused("Reserve", good + field(3, 2, field(1, 0, 60) + field(7, 0, 1)), words="unknown field")
        self.refused("Execute", field(1, 2, field(3, 2, good)) + field(2, 0, 1), words="unknown field")
        # Commands that have a number already, and no meaning yet.
        for number in (6, 9, 21, 64):
            self.refused("Execute", field(1, 2, field(number, 2, b"")), words="unknown field")
        self.refused("/holdfast.v1.Cluster/Status", field(1, 0, 1), words="unknown field")

    def test_unknown_enum_values(self):
        good = reserve("new", ("sku", 1)).SerializeToString()
        for value in (2, 99, -1, 2**31, 2**40):
            self.refused("Reserve", good + field(4, 0, value), words="unknown value")
            self.refused("GetStock", get_stock("sku").SerializeToString() + field(3, 0, value), words="unknown value")

    # ---- texts ----

    def test_invalid_utf8_and_nul(self):
        line = field(2, 2, ledger_pb2.Line(sku="sku", quantity=1).SerializeToString())
        bad_texts = (b"\xff", b"a\xc3", b"\xc0\x80", b"\xe0\x80\x80", b"\xed\xa0\x80", b"\xf5\x80\x80\x80", b"ok\x80")
        for text, words in [(each, "UTF-8") for each in bad_texts] + [(b"a\0b", "NUL"), (b"\0", "NUL")]:
            self.refused("Reserve", field(1, 2, text) + line, words=words)
            self.refused("Reserve", field(1, 2, b"new") + field(2, 2, field(1, 2, text) + field(3, 0, 1)), words=words)
            self.refused("Reserve", field(1, 2, b"new") + line + field(13, 2, text), words=words)
            self.refused("SetStock", field(1, 2, b"new") + field(11, 2, text), words=words)
            self.refused("GetStock", field(1, 2, text), words=words)
            self.refused("GetOrder", field(1, 2, text), words=words)
            self.refused("Execute", field(1, 2, field(3, 2, field(1, 2, text) + line)), words=words)

    def test_length_of_ids(self):
        for id_text in ("", "x" * 256, "\u00e9" * 128):
            self.refused("SetStock", set_stock(id_text, 1, "new"), words="sku")
            self.refused("SetStock", set_stock("new", 1, id_text) if id_text else ledger_pb2.SetStockRequest(sku="new", on_hand=1), words="request_id")
            self.refused("Reserve", reserve(id_text, ("sku", 1)), words="order_id")
            self.refused("Reserve", reserve("new", (id_text, 1)), words="sku")
            self.refused("Deduct", deduct(id_text), words="order_id")
            self.refused("Release", release(id_text), words="order_id")
            self.refused("GetStock", get_stock(id_text), words="sku")
            self.refused("GetOrder", get_order(id_text), words="order_id")
            self.refused("ListHistory", ledger_pb2.ListHistoryRequest(sku=id_text), words="sku")
            self.refused("BatchGetStock", ledger_pb2.BatchGetStockRequest(keys=[ledger_pb2.StockKey(sku=id_text)]), words="sku")
            self.refused("CheckStock", ledger_pb2.CheckStockRequest(lines=[ledger_pb2.Line(sku=id_text, quantity=1)]), words="sku")
        for name in ("actor", "reason", "remark", "trace_id"):
            self.refused("Reserve", reserve("new", ("sku", 1), **{name: "x" * 256}), words=name)

    def test_ids_of_255_bytes_are_fine(self):
        sku, order = "s" * 255, "\u00e9" * 127 + "o"
        cluster = self.open_cluster(1)
        ledger = cluster.leader().stubs.ledger
        self.assertEqual(verdict_name(ledger.SetStock(set_stock(sku, 1, "r" * 255, actor="a" * 255)).verdict), "OK")
        self.assertEqual(verdict_name(ledger.Reserve(reserve(order, (sku, 1))).verdict), "OK")
        self.assertEqual(ledger.GetOrder(get_order(order)).order.lines[0].sku, sku)
        self.assertEqual(len(ledger.ListHistory(ledger_pb2.ListHistoryRequest(sku=sku, page_size=1)).rows), 1)
        cluster.check_sound()

    # ---- numbers ----

    def test_quantities(self):
        for quantity in (0, -1, -LARGEST, LARGEST + 1, 2**63 - 1, -(2**63)):
            self.refused("Reserve", reserve("new", ("sku", quantity)), words="quantity")
            self.refused("Deduct", deduct("order", ("sku", quantity), request_id="new"), words="quantity")
            self.refused("Release", release("order", ("sku", quantity), request_id="new"), words="quantity")
            self.refused("CheckStock", ledger_pb2.CheckStockRequest(lines=[ledger_pb2.Line(sku="sku", quantity=quantity)]), words="quantity")
        for on_hand in (-1, LARGEST + 1, 2**63 - 1, -(2**63)):
            self.refused("SetStock", set_stock("sku", on_hand, "new"), words="on_hand")
        for change in (0, LARGEST + 1, -LARGEST - 1, 2**63 - 1, -(2**63)):
            self.refused("AdjustStock", adjust_stock("sku", change, "new"), words="change")
        # Each fine by itself, too large together: an answer of the ledger.
        for lines in ([("sku", LARGEST), ("sku", 1)], [("sku", LARGEST)] * 3000):
            for node in self.targets:
                self.assertEqual(verdict_name(node.stubs.ledger.Reserve(reserve("new", *lines)).verdict), "OVERFLOW")
                check = node.stubs.ledger.CheckStock(ledger_pb2.CheckStockRequest(lines=reserve("new", *lines).lines))
                self.assertEqual([verdict_name(each.reason) for each in check.failed_lines], ["OVERFLOW"])

    def test_times(self):
        request = reserve("new", ("sku", 1))
        for seconds_, nanos in ((0, 0), (-1, 0), (0, -1), (1, -1), (2**62, 0), (0, 2**31 - 1)):
            request.ttl.seconds, request.ttl.nanos = seconds_, nanos
            self.refused("Reserve", request, words="ttl")
        request = set_stock("sku", 1, "new")
        for seconds_, nanos in ((-1, 0), (0, -1), (2**62, 0), (253402300800, 0), (1, 10**9)):
            request.requested_at.seconds, request.requested_at.nanos = seconds_, nanos
            self.refused("SetStock", request, words="requested_at")

    # ---- counts ----

    def test_too_many(self):
        self.refused("Reserve", reserve("new", *[("sku", 1)] * 10_001), words="10000")
        self.refused("Deduct", deduct("order", *[("sku", 1)] * 10_001, request_id="new"), words="10000")
        self.refused("Execute", execute(*[reserve("new", ("sku", 1))] * 10_001), words="10000")
        self.refused("Execute", execute(*[reserve(f"new-{n}", *[("sku", 1)] * 101) for n in range(100)]), words="10000")
        keys = [ledger_pb2.StockKey(sku="sku")] * 10_001
        self.refused("BatchGetStock", ledger_pb2.BatchGetStockRequest(keys=keys), words="10000")
        self.refused("CheckStock", ledger_pb2.CheckStockRequest(lines=[ledger_pb2.Line(sku="sku", quantity=1)] * 10_001), words="10000")
        # A message that would blow up when it is decoded: two bytes for each nested message.
        self.refused("Execute", field(1, 2, b"") * 1_000_000)
        self.refused("Reserve", field(1, 2, b"new") + field(2, 2, b"") * 1_000_000)

    def test_too_few(self):
        self.refused("Execute", ledger_pb2.ExecuteRequest(), words="empty")
        self.refused("Execute", ledger_pb2.ExecuteRequest(commands=[ledger_pb2.Command()]), words="empty")
        self.refused("Reserve", reserve("new"), words="lines")
        self.refused("BatchGetStock", ledger_pb2.BatchGetStockRequest())
        self.refused("CheckStock", ledger_pb2.CheckStockRequest())
        for method in ("SetStock", "AdjustStock", "Reserve", "Deduct", "Release", "GetStock", "GetOrder", "ListHistory"):
            self.refused(method, b"")

    def test_missing_request_id(self):
        self.refused("SetStock", ledger_pb2.SetStockRequest(sku="sku", on_hand=1), words="request_id")
        self.refused("AdjustStock", adjust_stock("sku", 1, ""), words="request_id")
        self.refused("Deduct", deduct("order", ("sku", 1)), words="request_id")
        self.refused("Release", release("order", ("sku", 1)), words="request_id")

    # ---- gRPC ----

    def test_oversized_message(self):
        limit = 4 << 20
        for size in (limit + 1, 2 * limit, 30 << 20):
            self.refused("Reserve", field(1, 2, b"x" * (size - 5)), EXHAUSTED)
        # As large as is allowed: it is read, and judged.
        self.refused("Reserve", field(1, 2, b"x" * (limit - 5)), words="lines")

    def test_unknown_methods(self):
        for path in (LEDGER + "Nothing", "/holdfast.v1.Nothing/Reserve", "/", "/x", LEDGER, LEDGER + "Reserve/", "//", "/" + "x" * 3000):
            self.refused(path, b"", UNIMPLEMENTED)

    def call_raw(self, send, node=None):
        """Sends by hand, one connection a case; what came back."""
        node = node or self.leader
        with http2.Connection(node.client_address, timeout=seconds(10)) as connection:
            return send(connection)

    def assertGrpc(self, response, status, words=""):
        self.assertEqual(response.http_status, 200, response)
        self.assertEqual(response.grpc_status, status.value[0], response)
        self.assertIn(words, response.grpc_message)

    def test_content_types(self):
        message = get_stock("sku").SerializeToString()
        for content_type in ("application/json", "text/plain", "application/grp", "application/grpcx", "", None):
            response = self.call_raw(lambda connection: connection.call(LEDGER + "GetStock", message, content_type=content_type))
            self.assertEqual(response.http_status, 415, f"content-type {content_type}: {response}")
        for content_type in ("application/grpc", "application/grpc+proto", "application/grpc;charset=utf-8"):
            response = self.call_raw(lambda connection: connection.call(LEDGER + "GetStock", message, content_type=content_type))
            self.assertGrpc(response, grpc.StatusCode.OK)

    def test_http_methods(self):
        for method in ("GET", "PUT", "HEAD"):
            response = self.call_raw(lambda connection: connection.call(LEDGER + "GetStock", b"", method=method))
            self.assertIn(response.http_status, (400, 404, 405), response)

    def test_message_framing(self):
        good = http2.grpc_message(get_stock("sku").SerializeToString())

        def answer(body, **options):
            return self.call_raw(lambda connection: connection.call_framed(LEDGER + "GetStock", body, **options))

        self.assertGrpc(answer(good), grpc.StatusCode.OK)
        self.assertGrpc(answer(b""), UNIMPLEMENTED)
        self.assertGrpc(answer(good + good), UNIMPLEMENTED)
        for cut in (1, 4, 5, len(good) - 1):
            self.assertNotEqual(answer(good[:cut]).grpc_status, 0)
        compressed = struct.pack(">BI", 1, 3) + b"abc"
        self.assertIn(answer(compressed).grpc_status, (UNIMPLEMENTED.value[0], grpc.StatusCode.INTERNAL.value[0]))
        self.assertNotEqual(answer(struct.pack(">BI", 7, 0)).grpc_status, 0)
        response = answer(compressed, extra=[("grpc-encoding", "snappy")])
        self.assertGrpc(response, UNIMPLEMENTED)
        self.assertIn("identity", {**response.headers, **response.trailers}.get("grpc-accept-encoding", ""))
        # A length that is not there yet: refused from its prefix alone, before any byte of it is kept.
        def announce(connection):
            stream = connection.new_stream()
            headers = http2.header_block(http2.grpc_headers(LEDGER + "Reserve"))
            connection.send(http2.frame(http2.HEADERS, http2.END_HEADERS, stream, headers))
            connection.send(http2.frame(http2.DATA, 0, stream, struct.pack(">BI", 0, 0xFFFFFFFF)))
            return connection.wait(stream)

        self.assertGrpc(self.call_raw(announce), EXHAUSTED)

    def test_a_message_cut_anywhere(self):
        body = http2.grpc_message(get_stock("sku").SerializeToString())

        def in_pieces(size):
            def send(connection):
                stream = connection.new_stream()
                connection.send(http2.frame(http2.HEADERS, http2.END_HEADERS, stream, http2.header_block(http2.grpc_headers(LEDGER + "GetStock"))))
                for at in range(0, len(body), size):
                    connection.send(http2.frame(http2.DATA, 0, stream, body[at : at + size]))
                connection.send(http2.frame(http2.DATA, http2.END_STREAM, stream))
                return connection.wait(stream)

            return send

        for size in range(1, len(body) + 1):
            self.assertGrpc(self.call_raw(in_pieces(size)), grpc.StatusCode.OK)

    def test_timeouts(self):
        message = get_stock("sku").SerializeToString()
        for value in ("", "S", "1", "-1S", "1x", "123456789S", "1.5S", " 1S", "1SS"):
            response = self.call_raw(lambda connection: connection.call(LEDGER + "GetStock", message, extra=[("grpc-timeout", value)]))
            self.assertNotEqual(response.grpc_status, 0, f"grpc-timeout {value!r}: {response}")
        for value in ("99999999H", "10S", "5000m", "10000000u", "99999999n"):
            response = self.call_raw(lambda connection: connection.call(LEDGER + "GetStock", message, extra=[("grpc-timeout", value)]))
            self.assertIn(response.grpc_status, (0, grpc.StatusCode.DEADLINE_EXCEEDED.value[0]), f"grpc-timeout {value!r}: {response}")

    def test_headers_beyond_the_limits(self):
        message = get_stock("sku").SerializeToString()
        for extra in ([("x-large", "v" * 20_000)], [(f"x-{number}", "v") for number in range(200)]):
            def send(connection):
                stream = connection.new_stream()
                block = http2.header_block(http2.grpc_headers(LEDGER + "GetStock", extra=extra))
                parts = [block[at : at + 16000] for at in range(0, len(block), 16000)]
                for number, part in enumerate(parts):
                    kind = http2.HEADERS if number == 0 else http2.CONTINUATION
                    connection.send(http2.frame(kind, http2.END_HEADERS if number == len(parts) - 1 else 0, stream, part))
                connection.send(http2.frame(http2.DATA, http2.END_STREAM, stream, http2.grpc_message(message)))
                response = connection.wait(stream)
                return response, connection.closed

            response, closed = self.call_raw(send)
            refused = response.headers and (response.http_status == 431 or response.grpc_status not in (0, None))
            self.assertTrue(refused or response.reset is not None or closed, response)

    # ---- HTTP/2 ----

    def test_broken_frames(self):
        """Whatever comes: the connection may be lost, the node is not."""
        headers = http2.header_block(http2.grpc_headers(LEDGER + "GetStock"))
        frame, HEADERS, DATA, SETTINGS = http2.frame, http2.HEADERS, http2.DATA, http2.SETTINGS
        for name, data in {
            "no preface": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
            "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 500,
            "zeros": b"\0" * 1000,
            "half a preface, then rubbish": http2.PREFACE[:10] + b"rubbish" * 10,
            "no settings": http2.PREFACE + frame(DATA, 0, 1, b"x"),
            "frame too large": http2.OPENING + b"\xff\xff\xff" + b"\0" * 6 + b"x" * 1000,
            "headers on stream 0": http2.OPENING + frame(HEADERS, 5, 0, headers),
            "even stream": http2.OPENING + frame(HEADERS, 5, 2, headers),
            "data on an idle stream": http2.OPENING + frame(DATA, 1, 1, b"x"),
            "bad compression": http2.OPENING + frame(HEADERS, 5, 1, b"\xff\xff\xff\xff\xff\xff"),
            "settings of wrong length": http2.OPENING + frame(SETTINGS, 0, 0, b"abc"),
            "window overflow": http2.OPENING + frame(http2.WINDOW_UPDATE, 0, 0, b"\x7f\xff\xff\xff") * 2,
            "continuation out of place": http2.OPENING + frame(http2.CONTINUATION, 4, 1, headers),
            "push promise": http2.OPENING + frame(http2.PUSH_PROMISE, 4, 1, b"\0\0\0\2" + headers),
            "padding longer than the frame": http2.OPENING + frame(HEADERS, 5 | http2.PADDED, 1, b"\xff" + headers[:20]),
        }.items():
            with self.subTest(name), http2.Connection(self.leader.client_address, opening=None, timeout=seconds(30)) as connection:
                connection.send(data)
                connection.wait_closed()
        with self.subTest("a connection that is cut in the middle of a call"):
            for _ in range(50):
                with http2.Connection(self.leader.client_address, timeout=seconds(10)) as connection:
                    connection.send(frame(HEADERS, 4, 1, headers) + frame(DATA, 0, 1, b"\0\0\0\0\x05"))
        with self.subTest("a flood of resets"):
            with http2.Connection(self.leader.client_address, timeout=seconds(10)) as connection:
                for number in range(5000):
                    stream = 2 * number + 1
                    connection.send(frame(HEADERS, 4, stream, headers) + frame(http2.RST_STREAM, 0, stream, b"\0\0\0\x08"))
        wait_until(self.leader.serving, "the node does not answer after broken frames")

    def test_the_peer_port_refuses_strangers(self):
        for data in (b"\0" * 100, b"GET / HTTP/1.1\r\n\r\n", http2.OPENING, b"\xff" * 100_000, b""):
            with http2.Connection(self.leader.peer_address, opening=None, timeout=seconds(30)) as connection:
                connection.send(data)
                connection.wait_closed()
        self.cluster.wait_ready()


if __name__ == "__main__":
    harness.main()
