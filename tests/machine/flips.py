"""Flips release links by every way there is, and prints after how many milliseconds Steadfast told of each.

A line for each flip: the way, and the time from just before the flip to the arrival of `release-outdated` on the event stream.
"""
import json
import os
import socket
import subprocess
import time

ROUNDS = 4


class Events:
    """The event stream of Steadfast, from now on."""

    def __init__(self):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(20)
        self.socket.connect("/run/steadfast/steadfast.sock")
        self.socket.sendall(b"GET /v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        self.lines = self.socket.makefile("rb")
        while self.lines.readline().strip():
            pass

    def wait(self, unit, kind):
        for line in self.lines:
            if not line.startswith(b"data:"):
                continue
            event = json.loads(line[5:])
            if (event["unit"], event["kind"], event["code"]) == (unit, kind, "release-outdated"):
                return
        raise SystemExit("the event stream ended")


def rename_over(link, target):
    os.symlink(target, link + ".new")
    begun = time.monotonic()
    os.rename(link + ".new", link)
    return begun


def ln_sfn(link, target):
    begun = time.monotonic()
    subprocess.run(["ln", "-sfn", target, link], check=True)
    return begun


def rm_and_ln(link, target):
    begun = time.monotonic()
    os.unlink(link)
    os.symlink(target, link)
    return begun


WAYS = [
    ("rename over", rename_over, "plain.service", "/srv/plain/current", "releases/{}"),
    ("ln -sfn", ln_sfn, "plain.service", "/srv/plain/current", "releases/{}"),
    ("rm and ln", rm_and_ln, "plain.service", "/srv/plain/current", "releases/{}"),
    ("nested link", rename_over, "nested.service", "/srv/nested/live", "releases/{}"),
    ("parent directory", rename_over, "parent.service", "/srv/parent", "/data/parent-{}"),
]

events = Events()
for _ in range(ROUNDS):
    for way, flip, unit, link, target in WAYS:
        begun = flip(link, target.format(2))
        events.wait(unit, "found")
        print(f"{(time.monotonic() - begun) * 1000:.1f} {way}", flush=True)
        flip(link, target.format(1))
        events.wait(unit, "cleared")
