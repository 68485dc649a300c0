//! What it costs to ask in a process of its own: the same question to the same server (HTTP, on this host), asked in this process,
//! as version 0.1.0 did, and by the prober. Prints how long it takes, one after the other and 64 at a time, and what memory and
//! processor time both processes take.
#![expect(clippy::expect_used, reason = "a bench")]

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use futures_util::{StreamExt, stream};
use procfs::process::{Process, all_processes};
use steadfast::model::probe::{OnFailure, ProbeKind, ProbeSpec, ProbeStatus};
use steadfast::model::unit::UnitName;
use steadfast::probe::{self, Limit};
use steadfast::prober::{self, Door, Prober};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::runtime::Builder;

/// Questions, and how many of them at the same time.
const RUNS: [(usize, usize); 2] = [(1_000, 1), (4_000, 64)];
const TIMEOUT: Duration = Duration::from_secs(5);

fn main() {
    match std::env::args().nth(1).as_deref() {
        // Started as a child by `Prober`, and by ourselves.
        Some("prober") => prober::run().expect("a prober"),
        Some("server") => {
            Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(serve())
        }
        _ => measure(),
    }
}

/// Answers each question with 200.
async fn serve() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a listener");
    println!("{}", listener.local_addr().expect("an address").port());
    loop {
        let (mut stream, _) = listener.accept().await.expect("a caller");
        tokio::spawn(async move {
            let mut said = [0; 4096];
            let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";
            if stream.read(&mut said).await.is_ok() {
                drop(stream.write_all(answer).await);
            }
        });
    }
}

fn measure() {
    let program = std::env::current_exe().expect("this program");
    let mut server = Command::new(program).arg("server").stdout(Stdio::piped()).spawn().expect("a server");
    let mut port = String::new();
    let said = server.stdout.take().expect("what it says");
    BufReader::new(said).read_line(&mut port).expect("a port");
    let spec = spec(port.trim());
    println!(
        "asked        questions  at once      p50      p99   CPU per question: asks  answers   resident: asks  answers"
    );
    for (count, at_once) in RUNS {
        for apart in [false, true] {
            // As the daemon's: one thread turns.
            let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(run(&spec, count, at_once, apart));
        }
    }
    server.kill().expect("its end");
    server.wait().expect("its end");
}

fn spec(port: &str) -> ProbeSpec {
    let keys = format!("[http]\nhttp = \"http://127.0.0.1:{port}/\"\n");
    ProbeSpec {
        name: "page".to_owned(),
        kind: ProbeKind { keys, ..ProbeKind::default() },
        period: TIMEOUT * 2,
        timeout: TIMEOUT,
        initial_delay: Duration::ZERO,
        failure_threshold: 1,
        success_threshold: 1,
        on_failure: OnFailure::Alert,
        vital: true,
    }
}

async fn run(spec: &ProbeSpec, count: usize, at_once: usize, apart: bool) {
    let prober = Prober::new(Door::Child, None);
    let unit = UnitName::from("page.service");
    let ask = || async {
        let kind = probe::of(&spec.kind).expect("a kind");
        let began = Instant::now();
        let outcome = if apart {
            prober.probe(&unit, spec, kind.wants()).await
        } else {
            kind.run(Limit::within_period(spec.timeout, spec.period)).await
        };
        assert_eq!(outcome.status, ProbeStatus::Healthy, "{}", outcome.message);
        began.elapsed()
    };
    for _ in 0..20 {
        ask().await;
    }
    let before = (cpu(&ourselves()), other().map_or(0.0, |process| cpu(&process)));
    let mut took: Vec<Duration> =
        stream::iter(0..count).map(|_| ask()).buffer_unordered(at_once).collect().await;
    took.sort();
    let part = |of: f64| took[(took.len() as f64 * of) as usize].as_secs_f64() * 1e3;
    let after = (cpu(&ourselves()), other().map_or(0.0, |process| cpu(&process)));
    let each = |before: f64, after: f64| (after - before) / count as f64 * 1e3;
    println!(
        "{}  {count:>9}  {at_once:>7}  {:>4.2} ms  {:>4.2} ms  {:>20.2} ms  {:>4.2} ms  {:>11.1} MB  {:>4.1} MB",
        if apart { "by prober " } else { "in process" },
        part(0.5),
        part(0.99),
        each(before.0, after.0),
        each(before.1, after.1),
        resident(&ourselves()),
        other().map_or(0.0, |process| resident(&process)),
    );
}

fn ourselves() -> Process {
    Process::myself().expect("this process")
}

/// The prober that we started.
fn other() -> Option<Process> {
    let ours = ourselves().pid;
    let child =
        |process: &Process| process.stat().is_ok_and(|stat| stat.ppid == ours && stat.comm == "prober");
    all_processes().ok()?.filter_map(Result::ok).find(child)
}

/// Seconds of a processor.
fn cpu(process: &Process) -> f64 {
    let stat = process.stat().expect("figures");
    (stat.utime + stat.stime) as f64 / procfs::ticks_per_second() as f64
}

fn resident(process: &Process) -> f64 {
    let status = process.status().expect("figures");
    status.vmrss.unwrap_or(0) as f64 / 1024.0
}
