"""Runs inside a throw-away machine, as root: makes so many services, has Steadfast manage them, and prints what that costs and how fast
it is, beside floors that are measured in the same minutes. One JSON object a line: {figure, units, value, unit, floor, of}.

measure.py UNITS IDLE_SECONDS [smoke]"""

import json, os, select, statistics, subprocess, sys, time

UNITS, IDLE = int(sys.argv[1]), float(sys.argv[2])
SMOKE = "smoke" in sys.argv[3:]
TICK = os.sysconf("SC_CLK_TCK")
LIMIT = 900


def sh(script, check=True):
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True)
    if check and done.returncode:
        raise SystemExit(f"{script}: {done.returncode}: {done.stdout}{done.stderr}")
    return done.stdout.strip()


def tell(figure, value, unit, floor=None, of=None):
    print(json.dumps(dict(figure=figure, units=UNITS, value=value, unit=unit, floor=floor, of=of)), flush=True)


def until(what, holds, limit=LIMIT, pause=0.05):
    began = time.monotonic()
    while not holds():
        if time.monotonic() - began > limit:
            raise SystemExit(f"{what}: not within {limit} s")
        time.sleep(pause)
    return time.monotonic() - began


def main_pid(unit):
    return int(sh(f"systemctl show -P MainPID {unit}") or 0)


def ticks(pid, children=True):
    """CPU seconds of a process, and of the children that it has waited for."""
    try:
        fields = open(f"/proc/{pid}/stat").read().rsplit(") ", 1)[1].split()
    except OSError:
        return 0.0
    return sum(int(field) for field in fields[11 : 15 if children else 13]) / TICK


class Cost:
    """CPU seconds of Steadfast (with its prober), of PID 1 and of the bus, from now on."""

    def __init__(self):
        self.before = self.now()
        self.at = time.monotonic()

    @staticmethod
    def now():
        ours = ticks(main_pid("steadfast.service"), children=False) + ticks(main_pid("steadfast-prober.service"), children=False)
        return [ours, ticks(1, children=False), ticks(main_pid("dbus.service"), children=False)]

    def spent(self):
        return [after - before for after, before in zip(self.now(), self.before)]

    def a_minute(self):
        minutes = (time.monotonic() - self.at) / 60
        return [spent / minutes for spent in self.spent()]


def timed(script):
    """Wall milliseconds and CPU milliseconds of a command, and CPU milliseconds that it caused in PID 1 and the bus."""
    bus = main_pid("dbus.service")
    others = ticks(1, children=False) + ticks(bus, children=False)
    began, before = time.monotonic(), os.times()
    sh(script, check=False)
    after, wall = os.times(), time.monotonic() - began
    own = after.children_user + after.children_system - before.children_user - before.children_system
    return wall * 1000, own * 1000, (ticks(1, children=False) + ticks(bus, children=False) - others) * 1000


def median_of(script, times=5):
    runs = [timed(script) for _ in range(1 if SMOKE else times)]
    return [statistics.median(run[column] for run in runs) for column in range(3)]


def summary(word):
    try:
        return json.loads(sh("steadfast status --json", check=False))["summary"][word]
    except (ValueError, KeyError):
        return -1


def make():
    system, managed = "/etc/systemd/system", "/etc/steadfast/units.d"
    os.makedirs(managed, exist_ok=True)
    os.makedirs(f"{system}/multi-user.target.wants", exist_ok=True)
    for n in range(1, UNITS + 1):
        unit = f"dummy-{n}.service"
        with open(f"{system}/{unit}", "w") as file:
            file.write("[Service]\nExecStart=/bin/sleep infinity\n[Install]\nWantedBy=multi-user.target\n")
        os.symlink(f"../{unit}", f"{system}/multi-user.target.wants/{unit}")
        open(f"{managed}/{unit}.toml", "w").close()
    sh("systemctl daemon-reload")
    sh(f"seq -f 'dummy-%g.service' {UNITS} | xargs -n 500 systemctl start")


def reading():
    cost = Cost()
    cost.before[0] = 0.0
    began = time.monotonic()
    sh("systemctl start --no-block steadfast.socket steadfast.service")
    until("ready", lambda: sh("systemctl is-active steadfast.service", check=False) == "active")
    tell("start: until it is ready", round(time.monotonic() - began, 2), "s")
    until("all are ok", lambda: summary("ok") == UNITS, pause=0.2)
    wall, (ours, manager, bus) = time.monotonic() - began, cost.spent()
    show = timed(f"seq -f 'dummy-%g.service' {UNITS} | xargs systemctl show")
    tell("start: until all is read", round(wall, 2), "s", round(show[0] / 1000, 2), "systemctl show of all")
    together = ours + manager + bus
    floor = (show[1] + show[2]) / 1000
    tell("start: CPU of all processes", round(together, 2), "s", round(floor, 2), "systemctl show of all")
    tell("start: CPU of Steadfast", round(ours, 2), "s")
    tell("start: CPU of PID 1", round(manager, 2), "s")
    tell("start: CPU of the bus", round(bus, 2), "s")


def memory(when):
    text = open(f"/proc/{main_pid('steadfast.service')}/smaps_rollup").read()
    sizes = {line.split(":")[0]: int(line.split()[1]) for line in text.splitlines()[1:]}
    tell(f"memory {when}: resident", round(sizes["Rss"] / 1024, 1), "MiB")
    private = sizes["Private_Dirty"] + sizes["Private_Clean"]
    tell(f"memory {when}: private", round(private / 1024, 1), "MiB")


def idle():
    time.sleep(min(30, IDLE))  # what the start has left to do
    cost = Cost()
    time.sleep(IDLE)
    ours, manager, bus = cost.a_minute()
    tell("idle: CPU of Steadfast a minute", round(ours, 3), "s")
    tell("idle: CPU of PID 1 and the bus a minute", round(manager + bus, 3), "s")


def said_at(unit, words):
    """When a line of Steadfast's journal about a unit came, in seconds of the wall clock."""
    lines = sh("journalctl -t steadfast -o short-unix --no-pager -n 2000").splitlines()
    times = [float(line.split()[0]) for line in lines if unit in line and words in line]
    return times[-1] if times else 0.0


def active_since(unit):
    return int(sh(f"systemctl show -P ActiveEnterTimestampMonotonic {unit}") or 0) / 1e6


def deaths(times):
    found, active = [], []
    for n in range(1, times + 1):
        unit = f"dummy-{n}.service"
        pid, wall, began = main_pid(unit), time.time(), time.monotonic()
        os.kill(pid, 9)
        until("it runs again", lambda: active_since(unit) > began, limit=60, pause=0.02)
        active.append((active_since(unit) - began) * 1000)
        until("it was found", lambda: said_at(unit, "failed with result") > wall, limit=60, pause=0.1)
        found.append((said_at(unit, "failed with result") - wall) * 1000)
    known, again = floor_of_deaths(times)
    tell("death: kill to finding", round(statistics.median(found), 1), "ms", round(known, 2), "pidfd in Python")
    tell("death: kill to active", round(statistics.median(active), 1), "ms", round(again, 1), "pidfd, then StartUnit by busctl")


def floor_of_deaths(times):
    """The same of units that nobody manages: a pidfd tells of the death, and StartUnit is called until a job is queued that runs it."""
    known, again = [], []
    sh("systemd-run -q --unit=floor -p Restart=no sleep infinity", check=False)
    open("/run/systemd/system/floor-bare.service", "w").write("[Service]\nExecStart=/bin/sleep infinity\n")
    sh("systemctl daemon-reload; systemctl start floor-bare.service")
    call = "busctl call org.freedesktop.systemd1 /org/freedesktop/systemd1 org.freedesktop.systemd1.Manager StartUnit ss floor-bare.service fail"
    for _ in range(times):
        pid = main_pid("floor-bare.service")
        handle = os.pidfd_open(pid)
        began = time.monotonic()
        os.kill(pid, 9)
        select.select([handle], [], [])
        known.append((time.monotonic() - began) * 1000)
        os.close(handle)
        while active_since("floor-bare.service") <= began:
            sh(call)
        again.append((active_since("floor-bare.service") - began) * 1000)
    sh("systemctl stop floor.service floor-bare.service", check=False)
    return statistics.median(known), statistics.median(again)


def flip():
    sh("mkdir -p /srv/app/releases/1 /srv/app/releases/2; ln -sfn releases/1 /srv/app/current")
    with open("/etc/systemd/system/flips.service", "w") as file:
        file.write("[Service]\nWorkingDirectory=/srv/app/current\nExecStart=/bin/sleep infinity\n[Install]\nWantedBy=multi-user.target\n")
    open("/etc/steadfast/units.d/flips.service.toml", "w").write('mode = "observe"\n')
    sh("systemctl daemon-reload; systemctl enable -q --now flips.service")
    until("it is managed", lambda: summary("ok") == UNITS + 1, pause=0.3)
    wall = time.time()
    sh("ln -sfn releases/2 /srv/app/next; mv -T /srv/app/next /srv/app/current")
    until("the flip is said", lambda: said_at("/srv/app/current", "was switched") > wall, limit=60, pause=0.05)
    tell("flip of a link to the line about it", round((said_at("/srv/app/current", "was switched") - wall) * 1000, 1), "ms")
    sh("rm /etc/steadfast/units.d/flips.service.toml; systemctl disable -q --now flips.service; rm /etc/systemd/system/flips.service; systemctl daemon-reload")
    until("it is managed no more", lambda: summary("ok") == UNITS, pause=0.3)


def running():
    return int(sh("systemctl list-units 'dummy-*' --state=active --no-legend --plain | wc -l"))


def storm():
    half = UNITS // 2
    pids = sh(f"seq -f 'dummy-%g.service' {half} | xargs -n 500 systemctl show -P MainPID | grep -v '^$'").split()
    cost, began = Cost(), time.monotonic()
    for pid in pids:
        os.kill(int(pid), 9)
    until("the storm was seen", lambda: running() < UNITS, limit=10, pause=0.01)
    until("all run again", lambda: running() == UNITS, pause=0.2)
    wall, (ours, manager, bus) = time.monotonic() - began, cost.spent()
    names = f"seq -f 'dummy-%g.service' {half} | xargs systemctl"
    sh("systemctl stop steadfast.service steadfast.socket; " + f"{names} kill -s KILL")
    until("they are dead", lambda: running() == UNITS - half, pause=0.05)
    floor = timed(f"{names} start")
    sh("systemctl start steadfast.socket steadfast.service")
    tell(f"storm: {half} die, until all run", round(wall, 2), "s", round(floor[0] / 1000, 2), "systemctl start of as many")
    tell("storm: CPU of Steadfast", round(ours, 2), "s")
    tell("storm: CPU of PID 1 and the bus", round(manager + bus, 2), "s", round(floor[2] / 1000, 2), "systemctl start of as many")
    until("all is well", lambda: summary("ok") == UNITS, pause=0.3)
    time.sleep(5)


def commands():
    listed = median_of("busctl call org.freedesktop.systemd1 /org/freedesktop/systemd1 org.freedesktop.systemd1.Manager ListUnits", 5)
    files = median_of("systemctl list-unit-files", 2)
    status, metrics, audit = median_of("steadfast status", 5), median_of("curl -s --unix-socket /run/steadfast/steadfast.sock http://x/metrics", 5), timed("steadfast audit")
    tell("status: wall", round(status[0], 1), "ms", round(listed[0], 1), "ListUnits by busctl")
    tell("status: CPU of its own", round(status[1], 1), "ms", round(listed[1], 1), "ListUnits by busctl")
    tell("metrics: wall", round(metrics[0], 1), "ms", round(listed[0], 1), "ListUnits by busctl")
    tell("audit: wall", round(audit[0], 0), "ms", round(files[0], 0), "systemctl list-unit-files")
    tell("audit: CPU of its own", round(audit[1], 0), "ms", round(files[1], 0), "systemctl list-unit-files")
    tell("audit: CPU of PID 1 and the bus", round(audit[2], 0), "ms", round(files[2], 0), "systemctl list-unit-files")


def probes(count=700):
    folder = "/etc/steadfast/units.d"
    for file in range(count // 35):
        with open(f"{folder}/target-{file}.dependency.toml", "w") as text:
            text.write("".join(f'[probe.p-{n}]\ntcp = "127.0.0.1:8000"\nperiod = "10s"\n' for n in range(35)))
    server = "import socket\ns=socket.create_server((\"127.0.0.1\",8000),backlog=1024)\nwhile 1: s.accept()[0].close()\n"
    open("/run/server.py", "w").write(server)
    sh("systemd-run -q --unit=server python3 /run/server.py; systemctl reload steadfast.service")
    until("all answer", lambda: summary("ok") == UNITS + count // 35, pause=0.5)
    time.sleep(min(15, IDLE))
    cost = Cost()
    time.sleep(min(60, IDLE))
    ours, manager, bus = cost.a_minute()
    tell(f"{count} probes at 10 s: CPU of Steadfast and its prober a minute", round(ours, 2), "s")
    sh(f"rm {folder}/target-*.dependency.toml; systemctl stop server; systemctl reload steadfast.service")


def peers():
    """monit and supervisord where they are installed: so many services each, what they cost idle, and how soon a death is mended."""
    if sh("command -v monit", check=False):
        checks = "".join(f"check process dummy-{n} matching 'dummy-process-{n}$'\n  start program = '/bin/true'\n" for n in range(1, UNITS + 1))
        open("/run/monitrc", "w").write("set daemon 1\n" + checks)
        os.chmod("/run/monitrc", 0o600)
        sh("systemd-run -q --unit=monit-peer monit -I -c /run/monitrc")
        peer("monit, process match every second", "monit-peer.service")
    if sh("command -v supervisord", check=False):
        programs = "".join(f"[program:d{n}]\ncommand=/bin/sleep infinity\n" for n in range(1, UNITS + 1))
        open("/run/supervisord.conf", "w").write(f"[supervisord]\nnodaemon=true\nminfds={4 * UNITS + 1024}\nlogfile=/dev/null\nlogfile_maxbytes=0\n{programs}")
        sh("systemd-run -q --unit=supervisord-peer -p LimitNOFILE=65536 -p TasksMax=infinity supervisord -c /run/supervisord.conf")
        peer("supervisord, own children", "supervisord-peer.service")


def peer(name, unit):
    time.sleep(min(30, 2 * IDLE))
    pid = main_pid(unit)
    before, at = ticks(pid, children=False), time.monotonic()
    time.sleep(min(60, IDLE))
    spent = (ticks(pid, children=False) - before) * 60 / (time.monotonic() - at)
    rss = int(sh(f"awk '/^Rss:/ {{print $2}}' /proc/{pid}/smaps_rollup")) / 1024
    tell(f"peer: {name}: CPU a minute, idle", round(spent, 2), "s")
    tell(f"peer: {name}: resident", round(rss, 1), "MiB")
    sh(f"systemctl kill -s KILL {unit}; systemctl stop {unit}", check=False)


def main():
    sh("systemctl stop steadfast.service steadfast.socket steadfast-prober.service", check=False)
    make()
    reading()
    memory("once all is read")
    idle()
    deaths(1 if SMOKE else 9)
    flip()
    if not SMOKE:
        probes()
    commands()
    storm()
    memory("after the storm")
    if not SMOKE:
        peers()
    open("/run/measured", "w").close()


main()
