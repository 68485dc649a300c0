//! The process that listens: it alone meets who comes to the address of `listen`, and reads what they ask.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use tokio::net::{TcpListener, UnixStream};
use tokio::sync::{mpsc, watch};
use tokio::time::{interval, sleep};

use super::super::door;
use super::AGAIN;
use super::asks::{Asks, Call, Came};
use super::names::Now;
use super::router::router;
use super::words::{HEARD, Heard, Settings, Told};
use crate::frames::{Reader, frame, send};

/// How often it says that it turns.
const TURN: Duration = Duration::from_secs(2);
/// States of the listener that wait to be told.
const STATES: usize = 4;

/// Serves whoever comes, until the daemon at the other end of the socket goes away. `turned` is called with every turn.
///
/// # Errors
/// The daemon does not keep to what was agreed.
pub async fn serve(stream: UnixStream, reader: Reader, turned: impl Fn() + Send) -> io::Result<()> {
    let (calls, called) = mpsc::unbounded_channel();
    let (settings, now) = watch::channel(None);
    let (state, states) = mpsc::channel(STATES);
    let routes = router(Asks::new(calls), now.clone());
    let front = Front { stream, reader, settings, open: BTreeMap::new(), part_of: None };
    tokio::select! {
        ended = front.run(called, states, turned) => ended,
        () = listen(now, routes, state) => Ok(()),
    }
}

/// Listens where the settings say, as they change.
async fn listen(mut now: Now, routes: Router, state: mpsc::Sender<Heard>) {
    loop {
        let address = now.borrow_and_update().as_ref().map(|settings| settings.address);
        let other = |settings: &Option<Settings>| settings.as_ref().map(|known| known.address) != address;
        tokio::select! {
            () = serve_at(address, &routes, &state) => {}
            changed = now.wait_for(other) => if changed.is_err() {
                return;
            },
        }
    }
}

/// Returns after a while if the address cannot be had.
async fn serve_at(address: Option<SocketAddr>, routes: &Router, state: &mpsc::Sender<Heard>) {
    let Some(address) = address else {
        return std::future::pending().await;
    };
    match TcpListener::bind(address).await {
        Ok(listener) => {
            drop(state.send(Heard::Listens { address }).await);
            door::serve(listener, routes.clone()).await;
        }
        Err(error) => {
            let errno = error.raw_os_error().unwrap_or_default();
            drop(state.send(Heard::Cannot { address, errno }).await);
            sleep(AGAIN).await;
        }
    }
}

/// The end of the connection to the daemon.
struct Front {
    stream: UnixStream,
    reader: Reader,
    settings: watch::Sender<Option<Settings>>,
    /// Who waits for which answer.
    open: BTreeMap<u64, mpsc::Sender<Came>>,
    /// The next frame is a part of this answer.
    part_of: Option<u64>,
}

impl Front {
    async fn run(
        mut self,
        mut called: mpsc::UnboundedReceiver<Call>,
        mut states: mpsc::Receiver<Heard>,
        turned: impl Fn(),
    ) -> io::Result<()> {
        let mut turn = interval(TURN);
        loop {
            let said = tokio::select! {
                more = self.take() => if more? { None } else { return Ok(()) },
                Some(call) = called.recv() => Some(self.call(call)),
                Some(state) = states.recv() => Some(state),
                _ = turn.tick() => {
                    turned();
                    Some(Heard::Alive)
                }
            };
            if let Some(said) = said {
                let frame = frame(&said, HEARD).map_err(io::Error::other)?;
                send(&self.stream, &frame, &[]).await?;
            }
        }
    }

    fn call(&mut self, call: Call) -> Heard {
        match call {
            Call::Asks { id, page, answer } => {
                self.open.insert(id, answer);
                Heard::Asks { id, page }
            }
            Call::More(id) => Heard::More { id },
            Call::Leaves(id) => {
                self.open.remove(&id);
                Heard::Leaves { id }
            }
        }
    }

    /// What the daemon says next; whether it says anything more. May be given up and called again.
    async fn take(&mut self) -> io::Result<bool> {
        if let Some(id) = self.part_of {
            let Some(bytes) = self.reader.bytes(&self.stream).await? else {
                return Ok(false);
            };
            self.part_of = None;
            self.give(id, Came::Part(Bytes::from(bytes)));
            return Ok(true);
        }
        match self.reader.next::<Told>(&self.stream).await? {
            None => return Ok(false),
            Some(Told::Listen(settings)) => {
                self.settings.send_replace(Some(settings));
            }
            Some(Told::Head { id, head }) => self.give(id, Came::Head(head)),
            Some(Told::Part { id }) => self.part_of = Some(id),
            Some(Told::Over { id, whole }) => {
                self.give(id, Came::Over(whole));
                self.open.remove(&id);
            }
        }
        Ok(true)
    }

    fn give(&mut self, id: u64, came: Came) {
        // Who waited may have left.
        let taken = self.open.get(&id).is_none_or(|answer| answer.try_send(came).is_ok());
        if !taken {
            self.open.remove(&id);
        }
    }
}
