#!/usr/bin/python3
"""Writes the fuzzers' first inputs: make_seeds.py DIRECTORY. One folder per target."""
import os
import sys
import zlib

UPGRADE = (b"GET /realtime/v1/websocket?vsn=2.0.0&apikey=a.b.c HTTP/1.1\r\nHost: localhost\r\n"
           b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
           b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")


def masked(first, payload):
    key = b"\x37\xfa\x21\x3d"
    body = bytes(byte ^ key[i % 4] for i, byte in enumerate(payload))
    size = len(payload)
    length = bytes([0x80 | size]) if size < 126 else b"\xfe" + size.to_bytes(2, "big")
    return bytes([first]) + length + key + body


def deflated(text):
    compressor = zlib.compressobj(6, zlib.DEFLATED, -15)
    return (compressor.compress(text) + compressor.flush(zlib.Z_SYNC_FLUSH))[:-4]


SEEDS = {
    "http_request_fuzz": [
        b"\x07" + UPGRADE,
        b"\x01POST /hooks/x/y HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}GET / HTTP/1.1\r\n",
        b"\x05POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2;a=\"b\"\r\n{}\r\n0\r\nX: y\r\n\r\n",
        b"\xffGET /%2e%2e/?a=%zz&b=1+2 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
    ],
    "websocket_decoder_fuzz": [
        b"\x01\x03" + masked(0x81, "héllo €".encode()) + masked(0x89, b"ping") + masked(0x88, b"\x03\xe8bye"),
        b"\x01\x40" + masked(0x01, b"\xce") + masked(0x89, b"") + masked(0x80, b"\xba"),
        b"\x00\x02\x82\x03abc\x8a\x00",
        b"\x01\xff" + masked(0x82, bytes(range(256)) * 2),
    ],
    "deflate_fuzz": [
        b"\x06\x10" + deflated(b"tide tide tide wire " * 50),
        b"\x00\x01" + deflated(bytes(20_000)),
        b"\x03\x08permessage-deflate; server_no_context_takeover; client_max_window_bits=10",
        b"\x03\x08foo; a=\"b\", permessage-deflate; server_max_window_bits=9; client_max_window_bits",
        b"\x06\x20\xf3\x48\xcd\xc9\xc9\x07\x00\x00",
    ],
    "json_fuzz": [
        b'{"a":[1,-0,1e999,18446744073709551616,0.1,null,true],"\\u00e9":"\\ud834\\udd1e","a":{}}',
        b"[" * 130 + b"]" * 130, b'"\\ud800"', b"\xef\xbb\xbf{}", b' {"ids":[1]} ',
    ],
    "protocol_fuzz": [
        b'["1","1","realtime:leads","phx_join",{"config":{"broadcast":{"ack":true,"self":false},'
        b'"presence":{"key":""},"postgres_changes":[{"event":"*","schema":"public","table":"t",'
        b'"filter":"a=eq.1","select":["a"],"since":"e:1"}],"private":false},"access_token":"a.b.c"}]',
        b'{"topic":"phoenix","event":"heartbeat","payload":{},"ref":"7"}',
        b'{"topic":"realtime:a","event":"broadcast","payload":{"type":"broadcast"},"ref":1,"join_ref":null}',
        b"\x03\x01\x01\x0a\x01\x00\x0111realtime:ae{}", b"2.0.0",
    ],
    "filter_fuzz": [
        b"t=eq.abc", b"i=in.(1,2,3)", b"i=not.gte.5,t=like.a*", b't=in.("a,b","c\\"d")', b"t=match.^a+$",
        b"z=gt.2024-01-01T00:00:00Z", b"b=is.true", b"n=isdistinct.1.50",
    ],
    "jwt_fuzz": [
        b"eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJyb2xlIjoiYW5vbiIsImV4cCI6NDEwMjQ0NDgwMH0.c2ln",
        b'{"role":"anon","exp":4102444800,"sub":"x","nbf":1,"iat":1}',
        b"eyJhbGciOiJub25lIn0.e30.", b'{"role":"a","exp":1e20}',
    ],
    "config_fuzz": [b"version: 1\nserver: {loops: 2}\nauth:\n  jwt_secret: ${env:X}\n"],
    "mapping_fuzz": [b"$.data.lead.email", b"lower($.a) | trim"],
    "delivery_fuzz": [], "segment_fuzz": [], "canary_fuzz": [b"F" + bytes(8) + b"x"],
}


def main():
    for target, seeds in SEEDS.items():
        folder = os.path.join(sys.argv[1], target)
        os.makedirs(folder, exist_ok=True)
        for number, seed in enumerate(seeds):
            with open(os.path.join(folder, f"seed-{number}"), "wb") as out:
                out.write(seed)


if __name__ == "__main__":
    main()
