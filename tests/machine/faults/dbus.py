"""A raw client of the system bus: floods it with made-up signals, makes the manager signal, counts what it signals."""
import os, socket, struct, sys, time

class Bus:
    def __init__(self):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect("/run/dbus/system_bus_socket")
        uid = str(os.getuid()).encode().hex().encode()
        self.socket.sendall(b"\0AUTH EXTERNAL " + uid + b"\r\n")
        self.socket.recv(4096)
        self.socket.sendall(b"BEGIN\r\n")
        self.serial, self.read = 0, b""
        self.call("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "Hello")

    def message(self, kind, path, interface, member, destination=None, signature="", body=b"", flags=1):
        self.serial += 1
        fields = [(1, "o", path), (2, "s", interface), (3, "s", member)]
        if destination:
            fields.append((6, "s", destination))
        if signature:
            fields.append((8, "g", signature))
        array = b""
        for code, type_, value in fields:
            array += b"\0" * (-len(array) % 8) + bytes([code, 1]) + type_.encode() + b"\0"
            raw = value.encode()
            if type_ == "g":
                array += bytes([len(raw)]) + raw + b"\0"
            else:
                array += b"\0" * (-len(array) % 4) + struct.pack("<I", len(raw)) + raw + b"\0"
        head = struct.pack("<cBBBIII", b"l", kind, flags, 1, len(body), self.serial, len(array)) + array
        return head + b"\0" * (-len(head) % 8) + body

    def call(self, destination, path, interface, member, signature="", body=b"", flags=1):
        self.socket.sendall(self.message(1, path, interface, member, destination, signature, body, flags))

    def messages(self):
        """How many messages came, until none came for a moment."""
        count = 0
        try:
            while True:
                self.read += self.socket.recv(1 << 20)
                while len(self.read) >= 16:
                    size, _, fields = struct.unpack_from("<III", self.read, 4)
                    whole = 16 + fields + (-(16 + fields) % 8) + size
                    if len(self.read) < whole:
                        break
                    self.read = self.read[whole:]
                    count += 1
                if getattr(self, "until", 0) and time.monotonic() > self.until:
                    return count
        except (socket.timeout, BlockingIOError):
            return count

def text(value):
    raw = value.encode()
    return struct.pack("<I", len(raw)) + raw + b"\0"

def pad(body, to):
    return body + b"\0" * (-len(body) % to)

def failed():
    """The body of a PropertiesChanged that says: failed, no job."""
    body = pad(text("org.freedesktop.systemd1.Unit"), 4)
    entries = b""
    start = len(body) + 4 + (-(len(body) + 4) % 8)
    for name, value in (("ActiveState", "failed"), ("SubState", "failed"), ("InvocationID", None)):
        if value is None:
            continue
        entries = pad(entries, 8) + text(name)
        entries += b"\1s\0"
        entries = pad(entries, 4) + text(value)
    body += struct.pack("<I", len(entries))
    body = pad(body, 8) + entries
    return pad(body, 4) + struct.pack("<I", 0)

def forge(seconds, destinations):
    bus = Bus()
    path = "/org/freedesktop/systemd1/unit/shop_2eservice"
    lies = []
    for destination in [None] + destinations:
        lies.append(bus.message(4, path, "org.freedesktop.DBus.Properties", "PropertiesChanged", destination, "sa{sv}as", failed()))
        lies.append(bus.message(4, "/org/freedesktop/login1", "org.freedesktop.login1.Manager", "PrepareForShutdown", destination, "b", struct.pack("<I", 1)))
    sent, began = 0, time.monotonic()
    block = b"".join(lies) * 20
    while (passed := time.monotonic() - began) < seconds:
        bus.socket.sendall(block)
        sent += len(lies) * 20
        ahead = sent / 10000 - passed
        if ahead > 0:
            time.sleep(ahead)
    print(f"{sent / (time.monotonic() - began):.0f}")

def count(seconds):
    bus = Bus()
    rule = "type='signal',sender='org.freedesktop.systemd1'"
    bus.call("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "AddMatch", "s", text(rule))
    bus.call("org.freedesktop.systemd1", "/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager", "Subscribe")
    bus.socket.settimeout(seconds)
    bus.until = time.monotonic() + seconds
    began, seen = time.monotonic(), 0
    seen = bus.messages()
    print(f"{seen / (time.monotonic() - began):.0f}")

def start(seconds):
    bus = Bus()
    bus.socket.settimeout(0.001)
    began, number = time.monotonic(), 0
    while time.monotonic() - began < seconds:
        name = f"chatter@{number % 40}.service"
        body = pad(text(name), 4) + text("replace")
        bus.call("org.freedesktop.systemd1", "/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager", "StartUnit", "ss", body, 0)
        number += 1
        bus.messages()

what, seconds, rest = sys.argv[1], float(sys.argv[2]), sys.argv[3:]
if what == "forge":
    forge(seconds, rest)
elif what == "count":
    count(seconds)
else:
    start(seconds)
