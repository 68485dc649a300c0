//! Wiring: builds the shells, spawns their tasks, runs the loop, tells systemd how we are.

mod effects;
mod heartbeat;
mod journal;
mod native;
mod patterns;
mod reports;
mod requests;
mod supervision;
mod writer;

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::Context;
use tokio::net::UnixListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use crate::api;
use crate::check;
use crate::config::{self, Directories};
use crate::host;
use crate::model::observation::Observation;
use crate::prober::Courier;
use crate::runtime::{INBOX, Loop};
use crate::store::{self, DATABASE, DURABLE, Shelf, Store};
use crate::systemd::Instance;
use crate::tls;

pub use patterns::matches;

use effects::World;

/// Questions of people that may wait.
const QUESTIONS: usize = 64;
/// Threads that write texts for readers and look up who they are.
const READERS: usize = 16;

/// Runs the supervisor until it is told to stop (SIGTERM, SIGINT); SIGHUP reads the configuration again.
///
/// # Errors
/// It cannot start: no state directory, or the status socket cannot be had.
pub async fn run(user: bool) -> anyhow::Result<()> {
    let _log = journal::begin();
    tls::init();
    let instance = Instance::of(user);
    let directories = Directories::of(user);
    let folder = store::state_directory(user)?;
    let spare = store::spare_directory(user).map(|folder| folder.join(DATABASE));
    let (store, durable, news) =
        Store::open(&folder.join(DATABASE), spare.as_deref()).context("cannot open the durable state")?;
    let socket = api::socket_path(user).map_err(anyhow::Error::msg)?;
    let listener = status_socket(&socket, user)?;

    let (inbox, observations) = mpsc::channel(INBOX);
    let beats = inbox.clone();
    let (reload, reloads) = mpsc::channel(1);
    let (questions, asked) = mpsc::channel(QUESTIONS);
    let (history, wanted) = mpsc::channel(QUESTIONS);
    tokio::spawn(requests::tell_history(wanted, store.reader(), Shelf::new(&folder)));
    let door = check::door(instance);
    let courier = Courier::new(door.clone());
    let (world, answers) = World::new(instance, store, folder, courier.clone(), inbox.clone());
    let (mut ours, snapshots) = Loop::new(durable, world);
    ours.turn(Observation::Started(host::identity(user))).await;
    for (code, why) in news {
        ours.turn(Observation::Impaired { code, part: DURABLE, why }).await;
    }
    tokio::spawn(config::watch(directories, reloads, inbox.clone()));
    tokio::spawn(requests::pass_on(asked, answers, inbox, reload.clone()));
    let read = (snapshots.clone(), questions.clone(), history.clone());
    let reading = api::server::serve_reading_by(door, read.0, read.1, read.2, socket);
    let served = snapshots.clone();
    serve_apart(async move {
        match UnixListener::from_std(listener) {
            Ok(listener) => {
                let _both = tokio::join!(reading, api::server::serve(listener, served, questions, history));
            }
            Err(why) => tracing::error!("cannot serve the status socket: {why}"),
        }
    })
    .context("cannot start the thread of the status socket")?;
    tokio::spawn(heartbeat::beat(snapshots.clone(), courier, beats));
    tokio::spawn(supervision::tell_systemd(snapshots));

    let mut terminate = signal(SignalKind::terminate()).context("cannot await SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot await SIGINT")?;
    let mut hangup = signal(SignalKind::hangup()).context("cannot await SIGHUP")?;
    let rereads = async {
        while hangup.recv().await.is_some() {
            // One reading that is asked for already serves this request, too.
            let _full = reload.try_send(None);
        }
    };
    tokio::select! {
        () = ours.run(observations, supervision::heartbeat()) => {}
        () = rereads => {}
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    supervision::stopping();
    Ok(())
}

/// Readers of the status have a thread of their own: however many and busy they are, the loop turns.
fn serve_apart(serving: impl Future<Output = ()> + Send + 'static) -> std::io::Result<()> {
    let serve = move || {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        match runtime.enable_all().max_blocking_threads(READERS).build() {
            Ok(runtime) => runtime.block_on(serving),
            Err(why) => tracing::error!("cannot serve the status: {why}"),
        }
    };
    // It ends with the process.
    std::thread::Builder::new().name("status".to_owned()).spawn(serve).map(drop)
}

/// The socket that systemd passed, or one of our own at the contract's path.
fn status_socket(path: &Path, user: bool) -> anyhow::Result<std::os::unix::net::UnixListener> {
    let passed = listenfd::ListenFd::from_env()
        .take_unix_listener(0)
        .context("cannot use the socket that systemd passed")?;
    if let Some(listener) = passed {
        listener.set_nonblocking(true).context("cannot use the socket that systemd passed")?;
        return Ok(listener);
    }
    let folder = path.parent().unwrap_or(Path::new("/"));
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    if std::os::unix::net::UnixStream::connect(path).is_ok() {
        anyhow::bail!("cannot listen on {}: another Steadfast answers there", path.display());
    }
    // What is left of a run that ended without cleaning up.
    drop(std::fs::remove_file(path));
    let listener = std::os::unix::net::UnixListener::bind(path)
        .with_context(|| format!("cannot listen on {}", path.display()))?;
    listener.set_nonblocking(true).with_context(|| format!("cannot listen on {}", path.display()))?;
    let mode = if user { 0o600 } else { 0o660 };
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))
        .with_context(|| format!("cannot set the rights of {}", path.display()))?;
    Ok(listener)
}
