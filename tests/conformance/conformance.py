#!/usr/bin/python3
"""The WebSocket codec judged from outside, through the test-only echo server.

    conformance.py ECHO_SERVER

1. Every conversation of src/websocket/testing_cases.h, sent to the echo server: the answers must be
   the echoes, pongs and close codes that the table says.
2. The same conversations read by wsproto: a second opinion about what each of them means.
3. Random conversations written by wsproto with every set of permessage-deflate parameters.

Prints "passed N failed N"; the exit code says whether anything failed. Needs python3-wsproto.
"""
import json
import random
import socket
import subprocess
import sys

from wsproto import ConnectionType, WSConnection
from wsproto.connection import Connection
from wsproto.events import (AcceptConnection, BytesMessage, CloseConnection, Ping, Pong, Request,
                            TextMessage)
from wsproto.extensions import PerMessageDeflate

# Where wsproto 1.2 is laxer or stricter than RFC 6455, by the start of a case's name.
WSPROTO_DIFFERS = {
    "2^": "limits are not wsproto's",
    "one byte over": "limits are not wsproto's",
    "together one byte over": "limits are not wsproto's",
    "0 in": "wsproto takes a length in eight bytes that two could hold",
    "125 in": "as above",
    "126 in": "as above",
    "65535 in": "as above",
    "7.7 code": "wsproto does not know 1012 to 1014",
}
# The echo server's limits are raised, so these go on where the table's decoder stops.
ECHO_LIMITS = ("one byte over", "together one byte over")
UPGRADE = (b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
           b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")


class Tally:
    def __init__(self):
        self.passed = self.failed = 0

    def check(self, name, wanted, got):
        if wanted == got:
            self.passed += 1
            return
        self.failed += 1
        print(f"FAILED {name}\n  wanted {short(wanted)}\n  got    {short(got)}", file=sys.stderr)


def short(value):
    text = repr(value)
    return text if len(text) < 400 else text[:400] + "…"


def load_cases(echo_server):
    lines = subprocess.run([echo_server, "--cases"], check=True, capture_output=True).stdout
    for line in lines.splitlines():
        case = json.loads(line)
        yield (case["name"], bytes.fromhex(case["stream"]),
               [bytes.fromhex(event) for event in case["events"]])


# --- 1: the echo server -------------------------------------------------------------------------

def connect(port):
    client = socket.create_connection(("127.0.0.1", port), timeout=10)
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return client


def read_frames(data):
    """Server frames as events, unmasked: [(opcode, payload)]."""
    frames = []
    while len(data) >= 2:
        length, at = data[1] & 127, 2
        if length == 126:
            length, at = int.from_bytes(data[2:4], "big"), 4
        elif length == 127:
            length, at = int.from_bytes(data[2:10], "big"), 10
        frames.append((data[0], data[at:at + length]))
        data = data[at + length:]
    return frames


def answers_of(events):
    """What an echo server has to send for the table's events; errors by code only."""
    wanted = []
    for event in events:
        kind, _, rest = event.partition(b":")
        if kind in (b"text", b"binary"):
            wanted.append((0x81 if kind == b"text" else 0x82, rest))
        elif kind == b"ping":
            wanted.append((0x8a, rest))
        elif kind in (b"close", b"error"):
            code = int(rest.split(b":")[0])
            wanted.append((0x88, b"" if code == 1005 else code.to_bytes(2, "big")))
    return wanted


def talk(port, stream, pieces):
    client = connect(port)
    client.sendall(UPGRADE)
    head = b""
    while b"\r\n\r\n" not in head:
        head += client.recv(4096)
    assert head.startswith(b"HTTP/1.1 101"), head
    data = head.split(b"\r\n\r\n", 1)[1]
    try:
        step = max(1, len(stream) // pieces)
        for at in range(0, len(stream), step):
            client.sendall(stream[at:at + step])
        client.shutdown(socket.SHUT_WR)
        while more := client.recv(65536):
            data += more
    except (ConnectionResetError, BrokenPipeError):
        pass
    client.close()
    frames = read_frames(data)
    # The reason of an error is free text.
    return [(op, p[:2] if op == 0x88 else p) for op, p in frames]


def run_echo(port, cases, tally):
    for name, stream, events in cases:
        if name.startswith(ECHO_LIMITS):
            continue
        for pieces in (1, 7):
            tally.check(f"echo: {name}", answers_of(events), talk(port, stream, pieces))


# --- 2: wsproto's opinion -----------------------------------------------------------------------

def opinion(stream):
    connection = Connection(ConnectionType.SERVER)
    events, message = [], None
    connection.receive_data(stream)
    for event in connection.events():
        if isinstance(event, (TextMessage, BytesMessage)):
            data = event.data.encode() if isinstance(event, TextMessage) else bytes(event.data)
            message = data if message is None else message + data
            if event.message_finished:
                kind = b"text:" if isinstance(event, TextMessage) else b"binary:"
                events.append(kind + message)
                message = None
        elif isinstance(event, Ping):
            events.append(b"ping:" + bytes(event.payload))
        elif isinstance(event, Pong):
            events.append(b"pong:" + bytes(event.payload))
        elif isinstance(event, CloseConnection):
            events.append(b"end:%d" % event.code)
            break
    return events


def run_opinion(cases, tally):
    differs = 0
    for name, stream, events in cases:
        # A close and an error end a conversation alike; wsproto has one event for both.
        wanted = [b"end:" + e.split(b":")[1] if e[:6] in (b"close:", b"error:") else e
                  for e in events]
        got = opinion(stream)
        if wanted != got and any(name.startswith(start) for start in WSPROTO_DIFFERS):
            differs += 1
            continue
        tally.check(f"wsproto: {name}", wanted, got)
    print(f"wsproto differs as expected in {differs} cases", file=sys.stderr)


# --- 3: permessage-deflate ----------------------------------------------------------------------

OFFERS = [
    {},
    {"client_no_context_takeover": True},
    {"server_no_context_takeover": True},
    {"client_no_context_takeover": True, "server_no_context_takeover": True},
    {"server_max_window_bits": 9},
    {"server_max_window_bits": 12, "client_max_window_bits": 10},
    {"client_max_window_bits": 9},
    {"server_max_window_bits": 15, "client_max_window_bits": 15},
]


def make_text(source, size):
    words = ["tide", "wire", "é", "€uro", "𝄞", '{"id":', "null", " "]
    text = ""
    while len(text) < size:
        text += source.choice(words)
    return text[:size]


def deflate_conversation(port, offer, seed):
    source = random.Random(seed)
    extension = PerMessageDeflate(**offer)
    client = connect(port)
    ws = WSConnection(ConnectionType.CLIENT)
    client.sendall(ws.send(Request(host="localhost", target="/", extensions=[extension])))

    def receive():
        while True:
            for event in ws.events():
                return event
            data = client.recv(65536)
            ws.receive_data(data or None)

    assert isinstance(receive(), AcceptConnection)
    assert extension.enabled(), "permessage-deflate was declined"
    sent, got = [], []
    for _ in range(12):
        size = source.choice([0, 1, 100, 511, 512, 600, 5_000, 70_000])
        message = make_text(source, size)
        if source.random() < 0.5:
            message = message.encode()
        kind = TextMessage if isinstance(message, str) else BytesMessage
        cut = source.randrange(len(message) + 1)
        if source.random() < 0.5:
            client.sendall(ws.send(kind(data=message)))
        else:
            client.sendall(ws.send(kind(data=message[:cut], message_finished=False)))
            client.sendall(ws.send(Ping(payload=b"between")))
            client.sendall(ws.send(kind(data=message[cut:])))
        sent.append(message)
        whole = None
        while True:
            event = receive()
            if isinstance(event, Pong):
                continue
            assert isinstance(event, (TextMessage, BytesMessage)), event
            data = event.data if isinstance(event, TextMessage) else bytes(event.data)
            whole = data if whole is None else whole + data
            if event.message_finished:
                break
        got.append(whole)
    client.sendall(ws.send(CloseConnection(code=1000)))
    assert receive().code == 1000
    client.close()
    return sent, got


def run_deflate(port, tally):
    for number, offer in enumerate(OFFERS):
        for seed in range(4):
            name = f"deflate: {offer} seed {seed}"
            try:
                sent, got = deflate_conversation(port, offer, number * 100 + seed)
            except Exception as error:  # One bad conversation is one failed case.
                tally.check(name, "a conversation", repr(error))
                continue
            tally.check(name, sent, got)


def main():
    echo_server = sys.argv[1]
    cases = list(load_cases(echo_server))
    tally = Tally()
    server = subprocess.Popen([echo_server, "0"], stdout=subprocess.PIPE)
    try:
        port = int(server.stdout.readline())
        run_echo(port, cases, tally)
        run_opinion(cases, tally)
        run_deflate(port, tally)
    finally:
        server.terminate()
        server.wait()
    print(f"passed {tally.passed} failed {tally.failed}")
    return 1 if tally.failed else 0


if __name__ == "__main__":
    sys.exit(main())
