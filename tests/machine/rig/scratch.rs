//! The scratch folder of one machine: overlay, control groups, and the keeper that removes them all.

use std::fs::{self, File, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::wait::poll;

/// Longest time that the keeper may take to remove a machine.
const KEEPER_LIMIT: Duration = Duration::from_secs(30);
/// Where the machines' scratch folders are, unless this variable says otherwise.
const SCRATCH_VARIABLE: &str = "STEADFAST_RIG_SCRATCH";
const KEEPER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/machine/rig/keeper.sh");
const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/machine/rig/root.sh");

/// Everything on the host that belongs to one machine. Dropping it removes it, processes included.
#[derive(Debug)]
pub(super) struct Scratch {
    /// Unique on this host: the name for systemd-nspawn, of the folder and of the control groups.
    pub id: String,
    /// The folder: `upper`, `work`, `merged`, `console.log`, `lock`.
    pub folder: PathBuf,
    /// The machine's control groups on the host, the unified one first.
    pub cgroups: Vec<PathBuf>,
    keeper: Option<(Child, ChildStdin)>,
}

impl Scratch {
    /// `kind`: of root. Makes the folder and the control groups, mounts the overlay and sets the keeper on watch.
    pub fn new(kind: &str) -> Self {
        let base = base();
        fs::create_dir_all(&base).unwrap_or_else(|error| panic!("cannot make {}: {error}", base.display()));
        // Nobody sweeps between the making of a folder and the locking of it.
        let door = lock_file(&base.join(".lock"));
        door.lock().unwrap_or_else(|error| panic!("cannot lock {}: {error}", base.display()));
        static SWEPT: OnceLock<()> = OnceLock::new();
        SWEPT.get_or_init(|| sweep(&base));

        let (id, folder) = new_folder(&base);
        let lock = lock_file(&folder.join("lock"));
        lock.lock().unwrap_or_else(|error| panic!("cannot lock {}: {error}", folder.display()));
        let cgroups = cgroups(&id);
        // From here on whatever was made is removed, also when a later step panics.
        let keeper = start_keeper(&folder, &id, &cgroups, lock);
        let scratch = Self { id, folder, cgroups, keeper: Some(keeper) };
        scratch.mount(kind);
        scratch
    }

    /// The machine's root file system, as the host sees it, also while the machine is off.
    pub fn merged(&self) -> PathBuf {
        self.folder.join("merged")
    }

    /// The control group that holds all the machine's processes.
    pub fn payload(&self) -> PathBuf {
        self.unified().join("payload")
    }

    /// Gives the machine empty control groups, as a boot finds them.
    pub fn renew_cgroups(&self) {
        for cgroup in &self.cgroups {
            remove_cgroup(cgroup);
            fs::create_dir(cgroup)
                .unwrap_or_else(|error| panic!("cannot make {}: {error}", cgroup.display()));
        }
    }

    /// Whether a process of the machine, or systemd-nspawn itself, is still there.
    pub fn is_populated(&self) -> bool {
        fs::read_to_string(self.unified().join("cgroup.events"))
            .is_ok_and(|events| events.contains("populated 1"))
    }

    fn unified(&self) -> &Path {
        self.cgroups.first().unwrap_or_else(|| panic!("machine {} has no control group", self.id))
    }

    fn mount(&self, kind: &str) {
        for name in ["upper", "work", "merged"] {
            let path = self.folder.join(name);
            fs::create_dir(&path).unwrap_or_else(|error| panic!("cannot make {}: {error}", path.display()));
        }
        let options = format!(
            "lowerdir={},upperdir={},workdir={}",
            lower(kind).display(),
            self.folder.join("upper").display(),
            self.folder.join("work").display(),
        );
        let output = Command::new("mount")
            .args(["-t", "overlay", "overlay", "-o", &options])
            .arg(self.merged())
            .output()
            .unwrap_or_else(|error| panic!("cannot run mount: {error}"));
        assert!(
            output.status.success(),
            "cannot mount the machine's overlay: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let Some((mut keeper, pipe)) = self.keeper.take() else {
            return;
        };
        drop(pipe);
        if poll(KEEPER_LIMIT, || keeper.try_wait().ok().flatten()).is_none() {
            eprintln!("rig: machine {} is still being removed", self.id);
        }
    }
}

/// The read-only lower layer of every machine, built at the first call.
fn lower(kind: &str) -> PathBuf {
    let output = Command::new(ROOT)
        .arg(kind)
        .stderr(Stdio::inherit())
        .output()
        .unwrap_or_else(|error| panic!("cannot run {ROOT}: {error}"));
    assert!(output.status.success(), "cannot build the machines' root");
    PathBuf::from(String::from_utf8_lossy(&output.stdout).trim())
}

/// The folder of the scratch folders; on a real file system, since overlays do not stack well.
fn base() -> PathBuf {
    match std::env::var_os(SCRATCH_VARIABLE) {
        Some(path) => PathBuf::from(path),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("target/rig"),
    }
}

fn lock_file(path: &Path) -> File {
    OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)
        .unwrap_or_else(|error| panic!("cannot open {}: {error}", path.display()))
}

fn new_folder(base: &Path) -> (String, PathBuf) {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    loop {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let id = format!("rig-{}-{number}", std::process::id());
        let folder = base.join(&id);
        match fs::create_dir(&folder) {
            Ok(()) => return (id, folder),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => panic!("cannot make {}: {error}", folder.display()),
        }
    }
}

/// Starts the keeper. It takes over our lock on the folder, as its standard output, so that the folder counts as in use for
/// as long as somebody watches over it. Its own process group keeps a Ctrl-C from it.
fn start_keeper(folder: &Path, id: &str, cgroups: &[PathBuf], lock: File) -> (Child, ChildStdin) {
    let mut keeper = Command::new(KEEPER)
        .arg(folder)
        .arg(id)
        .args(cgroups)
        .stdin(Stdio::piped())
        .stdout(lock)
        .process_group(0)
        .spawn()
        .unwrap_or_else(|error| panic!("cannot run {KEEPER}: {error}"));
    match keeper.stdin.take() {
        Some(pipe) => (keeper, pipe),
        None => panic!("cannot hold the keeper's pipe: it has none"),
    }
}

/// Removes machines whose keeper is gone, as after a crash of the host.
fn sweep(base: &Path) {
    let Ok(entries) = fs::read_dir(base) else {
        return;
    };
    for folder in entries.flatten().map(|entry| entry.path()) {
        let Some(id) = folder.file_name().and_then(|name| name.to_str()) else {
            continue;
        };
        if !id.starts_with("rig-") || lock_file(&folder.join("lock")).try_lock().is_err() {
            continue;
        }
        let swept = Command::new(KEEPER)
            .arg(&folder)
            .arg(id)
            .args(hierarchies().iter().map(|mount| mount.join(id)))
            .stdin(Stdio::null())
            .status();
        if !swept.is_ok_and(|status| status.success()) {
            eprintln!("rig: cannot remove {}", folder.display());
        }
    }
}

/// The machine's control groups. systemd-nspawn asks for one in the unified hierarchy, which the payload sees, and, on a host
/// with the older layout beside it, for one in systemd's own; machines that shared them would kill each other's services.
fn cgroups(id: &str) -> Vec<PathBuf> {
    hierarchies().iter().map(|mount| mount.join(id)).collect()
}

/// Mount points of the unified hierarchy and, where there is one, of systemd's named hierarchy.
fn hierarchies() -> Vec<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mounts")
        .unwrap_or_else(|error| panic!("cannot read /proc/self/mounts: {error}"));
    let find = |wanted: &dyn Fn(&str, &str) -> bool| {
        mounts.lines().find_map(|line| {
            let mut fields = line.split(' ').skip(1);
            let (path, kind, options) = (fields.next()?, fields.next()?, fields.next()?);
            wanted(kind, options).then(|| PathBuf::from(path))
        })
    };
    let Some(unified) = find(&|kind, _| kind == "cgroup2") else {
        panic!("cannot make control groups: no cgroup2 is mounted");
    };
    let named = find(&|kind, options| kind == "cgroup" && options.contains("name=systemd"));
    std::iter::once(unified).chain(named).collect()
}

/// Removes a control group that holds no process any more, with those below it.
fn remove_cgroup(path: &Path) {
    let Ok(entries) = fs::read_dir(path) else {
        return;
    };
    for entry in entries.flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove_cgroup(&entry.path());
        }
    }
    fs::remove_dir(path).unwrap_or_else(|error| panic!("cannot remove {}: {error}", path.display()));
}
