"""A foreign client: Python's grpcio calls echo_server. usage: test_grpcio.py ECHO_SERVER

Generic unary_unary without serializers, so that no stubs are needed. Exits 77 (skipped) where
grpcio is missing. Each test is bounded by the deadlines of its calls.
"""
import concurrent.futures
import subprocess
import sys
import unittest

try:
    import grpc
except ImportError:
    print("skipped: python3-grpcio is not installed")
    sys.exit(77)

PATIENCE = 20  # seconds


class GrpcioTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = subprocess.Popen([SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        port = int(cls.server.stdout.readline())
        cls.address = "127.0.0.1:%d" % port
        cls.channel = cls.open_channel()

    @classmethod
    def open_channel(cls):
        return grpc.insecure_channel(cls.address, options=[
            ("grpc.max_receive_message_length", 32 << 20),
            ("grpc.use_local_subchannel_pool", 1),
        ])

    @classmethod
    def tearDownClass(cls):
        cls.channel.close()
        cls.server.stdin.close()
        try:
            code = cls.server.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            cls.server.kill()
            raise
        cls.server.stdout.close()
        assert code == 0, "echo_server exited with %d" % code

    def method(self, name, channel=None):
        return (channel or self.channel).unary_unary("/test.Test/" + name)

    def failure(self, *args, **keywords):
        with self.assertRaises(grpc.RpcError) as caught:
            self.method(*args[:1])(*args[1:], **keywords)
        return caught.exception

    def test_echo(self):
        for message in (b"hello", b"", bytes(range(256)) * 10):
            self.assertEqual(self.method("Echo")(message, timeout=PATIENCE), message)

    def test_metadata_goes_both_ways(self):
        reply, call = self.method("Echo").with_call(
            b"x", timeout=PATIENCE, metadata=(("echo-header", "there and back"), ("raw-bin", b"\0\1")))
        self.assertEqual(reply, b"x")
        self.assertIn(("echo-header", "there and back"), [tuple(m) for m in call.initial_metadata()])
        self.assertEqual(call.code(), grpc.StatusCode.OK)

    def test_failure_has_its_words_and_metadata(self):
        words = "50% für alle ☃\nzweite Zeile"
        error = self.failure("Fail", words.encode(), timeout=PATIENCE)
        self.assertEqual(error.code(), grpc.StatusCode.FAILED_PRECONDITION)
        self.assertEqual(error.details(), words)
        metadata = list(error.initial_metadata()) + list(error.trailing_metadata())
        self.assertIn(("holdfast-leader", "10.0.0.7:7070"), [tuple(m) for m in metadata])

    def test_unknown_method(self):
        error = self.failure("Nothing", b"x", timeout=PATIENCE)
        self.assertEqual(error.code(), grpc.StatusCode.UNIMPLEMENTED)
        self.assertIn("/test.Test/Nothing", error.details())

    def test_deadline(self):
        error = self.failure("Hold", b"x", timeout=0.2)
        self.assertEqual(error.code(), grpc.StatusCode.DEADLINE_EXCEEDED)
        left = int(self.method("Deadline")(b"", timeout=5))
        self.assertGreater(left, 3000)
        self.assertLessEqual(left, 5100)  # grpcio rounds its timeouts up

    def test_cancel(self):
        future = self.method("Hold").future(b"x", timeout=PATIENCE)
        self.assertTrue(future.cancel())
        self.assertEqual(self.method("Echo")(b"after", timeout=PATIENCE), b"after")

    def test_large_messages(self):
        message = bytes(4 << 20)
        self.assertEqual(self.method("Echo")(message, timeout=PATIENCE), message)
        error = self.failure("Echo", message + b"x", timeout=PATIENCE)
        self.assertEqual(error.code(), grpc.StatusCode.RESOURCE_EXHAUSTED)
        self.assertEqual(len(self.method("Large")(b"16000000", timeout=PATIENCE)), 16000000)
        self.assertEqual(self.method("Echo")(b"after", timeout=PATIENCE), b"after")

    def test_large_replies_at_once(self):
        """More than the server reads ahead of: it must go on hearing of windows that open."""
        futures = [self.method("Large").future(b"400000", timeout=PATIENCE) for _ in range(60)]
        sizes, refused = 0, 0
        for future in futures:
            try:
                sizes += len(future.result())
            except grpc.RpcError as error:
                self.assertEqual(error.code(), grpc.StatusCode.RESOURCE_EXHAUSTED)
                refused += 1
        self.assertEqual(sizes, 400000 * (60 - refused))
        self.assertGreater(sizes, 8 << 20)

    def test_compression_is_refused_in_words(self):
        with self.assertRaises(grpc.RpcError) as caught:
            self.method("Echo")(b"x" * 10000, timeout=PATIENCE, compression=grpc.Compression.Gzip)
        self.assertEqual(caught.exception.code(), grpc.StatusCode.UNIMPLEMENTED)

    def test_many_at_once(self):
        echo = self.method("Echo")
        futures = [(i, echo.future(b"%d" % i, timeout=PATIENCE)) for i in range(2000)]
        for i, future in futures:
            self.assertEqual(future.result(), b"%d" % i)

    def test_many_connections(self):
        def work(number):
            with self.open_channel() as channel:
                echo = self.method("Echo", channel)
                return [echo(b"%d" % i, timeout=PATIENCE) == b"%d" % i for i in range(50)]
        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            for results in pool.map(work, range(32)):
                self.assertTrue(all(results))

    def test_health(self):
        check = self.channel.unary_unary("/grpc.health.v1.Health/Check")
        self.assertEqual(check(b"", timeout=PATIENCE), b"\x08\x01")
        with self.assertRaises(grpc.RpcError) as caught:
            check(b"\x0a\x04none", timeout=PATIENCE)
        self.assertEqual(caught.exception.code(), grpc.StatusCode.NOT_FOUND)
        with self.assertRaises(grpc.RpcError) as caught:
            check(b"\xff", timeout=PATIENCE)
        self.assertEqual(caught.exception.code(), grpc.StatusCode.INVALID_ARGUMENT)

    def test_streaming_two_messages_is_refused(self):
        stream = self.channel.stream_unary("/test.Test/Echo")
        with self.assertRaises(grpc.RpcError) as caught:
            stream(iter([b"one", b"two"]), timeout=PATIENCE)
        self.assertEqual(caught.exception.code(), grpc.StatusCode.UNIMPLEMENTED)
        with self.assertRaises(grpc.RpcError) as caught:
            stream(iter([]), timeout=PATIENCE)
        self.assertEqual(caught.exception.code(), grpc.StatusCode.UNIMPLEMENTED)


if __name__ == "__main__":
    SERVER = sys.argv.pop(1)
    unittest.main(verbosity=2)
