//! 500 HTTP and 200 TCP probes every ten seconds, and ten that never get an answer: CPU, memory, and how late they come.

use std::time::Duration;

use crate::rig::Machine;
use crate::thousand::{cpu_seconds, main_pid, memory_kib};
use crate::watched::{LIMIT, status};

const FILES: usize = 20;
const HTTP: usize = 25;
const TCP: usize = 10;
/// How long the probes are watched.
const WATCHED: Duration = Duration::from_secs(60);

/// Notes when each probe comes, and on `/late` tells by how much it came later than ten seconds after the last time.
const SERVER: &str = r#"
import asyncio, time
came = {}
def note(name):
    came.setdefault(name, []).append(time.monotonic())
async def http(reads, writes):
    line = (await reads.readline()).decode().split()
    path = line[1] if len(line) > 1 else "/"
    while (await reads.readline()).strip(): pass
    body = b"fine"
    if path == "/late":
        late = sorted(max(0.0, b - a - 10) for times in came.values() for a, b in zip(times, times[1:]))
        at = lambda part: late[min(len(late) - 1, int(len(late) * part))] * 1000
        body = f"{len(came)} probes, {len(late)} times again, late by {at(0.5):.0f} ms (median), {at(0.99):.0f} ms (p99), {at(1):.0f} ms (most)".encode()
    elif path == "/begin": came.clear()
    else: note(path)
    writes.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % len(body) + body)
    await writes.drain(); writes.close()
async def silent(reads, writes): await asyncio.sleep(1e6)
async def main():
    await asyncio.start_server(http, "127.0.0.1", 8000, backlog=1024)
    await asyncio.start_server(silent, "127.0.0.1", 8001, backlog=1024)
    for port in range(9000, 9200):
        async def tcp(reads, writes, port=port): note(port); writes.close()
        await asyncio.start_server(tcp, "127.0.0.1", port)
    await asyncio.Event().wait()
asyncio.run(main())
"#;

#[test]
fn seven_hundred_probes_come_in_time_whoever_is_silent() {
    let machine = Machine::boot("crowd");
    machine.write("/opt/server.py", SERVER);
    machine.sh("systemd-run -q --unit server python3 /opt/server.py; mkdir -p /etc/steadfast/units.d");
    for file in 0..FILES {
        let http = (0..HTTP)
            .map(|probe| format!("[probe.http-{probe}]\nhttp = \"http://127.0.0.1:8000/{file}/{probe}\"\n"));
        let tcp = (0..TCP)
            .map(|probe| format!("[probe.tcp-{probe}]\ntcp = \"127.0.0.1:{}\"\n", 9000 + file * TCP + probe));
        let text: String = http.chain(tcp).collect();
        machine.write(&format!("/etc/steadfast/units.d/target-{file}.dependency.toml"), &text);
    }
    let silent: String = (0..10)
        .map(|probe| format!("[probe.silent-{probe}]\nhttp = \"http://127.0.0.1:8001/\"\ntimeout = \"9s\"\n"))
        .collect();
    machine.write("/etc/steadfast/units.d/silent.dependency.toml", &silent);
    machine.install_steadfast();
    machine.wait_until("all but the silent one are well", LIMIT, || {
        status(&machine, ".summary.ok") == FILES.to_string()
    });
    machine.sh("curl -s http://127.0.0.1:8000/begin");
    let pid = main_pid(&machine);
    let before = cpu_seconds(&machine, &pid);
    // Waiting is the measurement.
    std::thread::sleep(WATCHED);
    let spent = (cpu_seconds(&machine, &pid) - before) * 60.0 / WATCHED.as_secs_f64();
    let late = machine.sh("curl -s http://127.0.0.1:8000/late");
    println!("{late}");
    println!("CPU per minute: {spent:.2} s; {} KiB resident", memory_kib(&machine, &pid, "Rss"));
    let probes = FILES * (HTTP + TCP);
    assert!(late.starts_with(&format!("{probes} probes, ")), "{late}");
    assert_eq!(
        status(&machine, ".summary.ok"),
        FILES.to_string(),
        "nobody else is touched by the silent one"
    );
}
