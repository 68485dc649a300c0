# What servers have in common that answer what no server should, and how they are served. For scripts beside this one.
import itertools, os, socket, struct, sys, threading, time

def longstr(b): return struct.pack(">I", len(b)) + b
def frame(body, channel=0): return b"\x01" + struct.pack(">HI", channel, len(body)) + body + b"\xce"

def amqp_start(c, table=b""):
    c.recv(8)
    c.sendall(frame(struct.pack(">HHBB", 10, 10, 0, 9) + longstr(table) + longstr(b"PLAIN") + longstr(b"en_US")))

def amqp_nested(c):
    table = b""
    for _ in range(5000): table = b"\x01aF" + longstr(table)
    amqp_start(c, table)

def amqp_tune(c, most):
    amqp_start(c)
    c.recv(4096)
    c.sendall(frame(struct.pack(">HHHIH", 10, 30, 2047, most, 60)))

def packet(number, body): return struct.pack("<I", len(body))[:3] + bytes([number]) + body

def mysql_greets(c, plugin):
    flags = 0x0000A201 | 0x00080000
    greeting = b"\x0a8.0.36\x00" + struct.pack("<I", 7) + b"12345678\x00" + struct.pack("<H", flags & 0xffff)
    greeting += b"\x2d" + struct.pack("<HH", 2, flags >> 16) + b"\x15" + b"\x00" * 10 + b"123456789012\x00" + plugin + b"\x00"
    c.sendall(packet(0, greeting))
    c.recv(4096)

OK = b"\x00\x00\x00\x02\x00\x00\x00"

def mysql_queries(c, answer):
    mysql_greets(c, b"mysql_native_password")
    c.sendall(packet(2, OK))
    while True:
        asked = c.recv(4096)
        if not asked: return
        if asked[5:8].upper() == b"SET": c.sendall(packet(1, OK))
        else: answer(c)

def mysql_columns(c): mysql_queries(c, lambda c: c.sendall(packet(1, b"\xfe" + b"\xff" * 8)))

# `seen`: called for each connection; `limit`: seconds that a read or write of it may take.
def serve(port, how, seen=lambda: None, limit=None):
    s = socket.create_server(("127.0.0.1", port), backlog=256)
    while True:
        c, _ = s.accept()
        seen()
        def talk(c=c):
            c.settimeout(limit)
            try: how(c)
            except OSError: pass
            finally: c.close()
        threading.Thread(target=talk, daemon=True).start()
