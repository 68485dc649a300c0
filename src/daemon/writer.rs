//! Lines of our log go out by a thread of their own: a journal that hangs, as its disk does, holds up nobody but that thread.
//! What does not fit while it hangs is dropped, counted, and said once lines are taken again.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use tracing_subscriber::fmt::MakeWriter;

/// Lines that wait to be written.
const LINES: usize = 8192;
/// Bytes of them all.
const BYTES: usize = 8 << 20;
/// How often it is looked whether all is written.
const LOOK: Duration = Duration::from_millis(10);

/// Where lines are handed in; never waits.
#[derive(Clone, Debug)]
pub struct Writer {
    lines: SyncSender<Vec<u8>>,
    waiting: Arc<Waiting>,
}

/// What waits, and what was dropped meanwhile.
#[derive(Debug, Default)]
struct Waiting {
    lines: AtomicUsize,
    bytes: AtomicUsize,
    dropped: AtomicU64,
}

impl Writer {
    /// Starts the thread. `put` writes one line, for as long as that takes; `notice` makes a line of a sentence.
    ///
    /// # Errors
    /// No thread could be had.
    pub fn start(
        put: impl FnMut(&[u8]) -> io::Result<()> + Send + 'static,
        notice: fn(&str) -> Vec<u8>,
    ) -> io::Result<Self> {
        let (lines, written) = sync_channel(LINES);
        let waiting = Arc::new(Waiting::default());
        let ours = Arc::clone(&waiting);
        thread::Builder::new().name("log".to_owned()).spawn(move || write(&written, &ours, put, notice))?;
        Ok(Self { lines, waiting })
    }

    /// Hands in one line, or counts it as dropped where too many wait.
    pub fn hand_in(&self, line: Vec<u8>) {
        let size = line.len();
        let fits = self.waiting.bytes.fetch_add(size, Ordering::Relaxed).saturating_add(size) <= BYTES;
        self.waiting.lines.fetch_add(1, Ordering::Relaxed);
        if !fits || self.lines.try_send(line).is_err() {
            self.waiting.done(size);
            self.waiting.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Waits until all is written, or until this time is over.
    pub fn finish(&self, limit: Duration) {
        let end = Instant::now() + limit;
        while self.waiting.lines.load(Ordering::Relaxed) > 0 && Instant::now() < end {
            thread::sleep(LOOK);
        }
    }
}

impl Waiting {
    fn done(&self, size: usize) {
        self.bytes.fetch_sub(size, Ordering::Relaxed);
        self.lines.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Writes line after line. Whatever was dropped is said once nothing waits any more.
fn write(
    lines: &Receiver<Vec<u8>>,
    waiting: &Waiting,
    mut put: impl FnMut(&[u8]) -> io::Result<()>,
    notice: fn(&str) -> Vec<u8>,
) {
    loop {
        let line = match lines.try_recv() {
            Ok(line) => line,
            Err(TryRecvError::Disconnected) => return,
            Err(TryRecvError::Empty) => {
                let dropped = waiting.dropped.swap(0, Ordering::Relaxed);
                if dropped > 0 && put(&notice(&lost(dropped))).is_err() {
                    waiting.dropped.fetch_add(dropped, Ordering::Relaxed);
                }
                match lines.recv() {
                    Ok(line) => line,
                    Err(_) => return,
                }
            }
        };
        if put(&line).is_err() {
            waiting.dropped.fetch_add(1, Ordering::Relaxed);
        }
        waiting.done(line.len());
    }
}

fn lost(dropped: u64) -> String {
    let (lines, were) = if dropped == 1 { ("line", "was") } else { ("lines", "were") };
    format!(
        "{dropped} {lines} of this log {were} lost while the log took none; \
         what was found and done meanwhile stands in `steadfast incidents`"
    )
}

/// For the layer that writes to standard error.
impl<'a> MakeWriter<'a> for Writer {
    type Writer = Line;

    fn make_writer(&'a self) -> Line {
        Line { writer: self.clone(), text: Vec::new() }
    }
}

/// One line as it is put together.
#[derive(Debug)]
pub struct Line {
    writer: Writer,
    text: Vec<u8>,
}

impl io::Write for Line {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.text.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.writer.hand_in(std::mem::take(&mut self.text));
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixDatagram;

    use super::*;

    /// Nobody reads the other end of the socket, which is what a stopped journal is like.
    #[test]
    fn row_9_a_log_that_takes_no_lines_holds_nobody_up_and_what_is_lost_is_counted() {
        let (ours, journal) = UnixDatagram::pair().expect("a socket");
        let writer = Writer::start(move |line| ours.send(line).map(drop), |said| said.as_bytes().to_vec())
            .expect("a thread");
        let handed_in = 3 * LINES;
        for n in 0..handed_in {
            writer.hand_in(format!("line {n}").into_bytes());
        }
        let mut buffer = [0; 4096];
        let mut taken = Vec::new();
        let said = loop {
            let length = journal.recv(&mut buffer).expect("a line");
            let line = String::from_utf8_lossy(&buffer[..length]).into_owned();
            if !line.starts_with("line ") {
                break line;
            }
            taken.push(line);
        };
        let lost = handed_in - taken.len();
        assert!(lost > 0 && taken.len() >= LINES, "{lost} lost");
        assert!(said.starts_with(&format!("{lost} lines of this log were lost")), "{said}");
        assert_eq!(taken.first().map(String::as_str), Some("line 0"), "the first are kept");
        // And then it goes on as before.
        writer.hand_in(b"line again".to_vec());
        let length = journal.recv(&mut buffer).expect("a line");
        assert_eq!(&buffer[..length], b"line again");
        writer.finish(Duration::from_secs(10));
        assert_eq!(writer.waiting.bytes.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn row_9_long_lines_cost_no_more_than_a_limit() {
        let (ours, journal) = UnixDatagram::pair().expect("a socket");
        let writer = Writer::start(move |line| ours.send(line).map(drop), |said| said.as_bytes().to_vec())
            .expect("a thread");
        for _ in 0..1000 {
            writer.hand_in(vec![b'x'; 64 * 1024]);
        }
        assert!(writer.waiting.bytes.load(Ordering::Relaxed) <= BYTES);
        assert!(writer.waiting.dropped.load(Ordering::Relaxed) > 0);
        drop(journal);
    }
}
