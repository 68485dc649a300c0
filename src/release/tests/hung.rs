//! A FUSE file system that stops answering, under the directory of one of two processes. Needs root and `/dev/fuse`.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use super::*;

/// Requests of the FUSE protocol that are answered.
const INIT: u32 = 26;
const GETATTR: u32 = 3;

/// A mounted file system that has nothing but its root. Its server ends, and with it all waiting, when this is dropped.
struct Fuse {
    mounted: PathBuf,
    silent: Arc<AtomicBool>,
}

impl Drop for Fuse {
    fn drop(&mut self) {
        drop(Command::new("umount").args(["-f", "-l"]).arg(&self.mounted).status());
    }
}

impl Fuse {
    fn mount(at: &Path) -> Self {
        let device = File::options().read(true).write(true).open("/dev/fuse").expect("/dev/fuse");
        rustix::io::fcntl_setfd(&device, rustix::io::FdFlags::empty()).expect("inheritable");
        let options = format!(
            "fd={},rootmode=40000,user_id=0,group_id=0,default_permissions,allow_other",
            device.as_raw_fd()
        );
        let done = Command::new("mount").args(["-i", "-t", "fuse", "-o", &options, "test"]).arg(at).status();
        assert!(done.expect("mount").success());
        rustix::io::fcntl_setfd(&device, rustix::io::FdFlags::CLOEXEC).expect("ours alone");
        let silent = Arc::new(AtomicBool::new(false));
        let hush = Arc::clone(&silent);
        std::thread::spawn(move || serve(device, &hush));
        Self { mounted: at.to_owned(), silent }
    }
}

fn serve(mut device: File, silent: &AtomicBool) {
    let mut request = vec![0; 1 << 20];
    while let Ok(len) = device.read(&mut request) {
        if len < 40 || silent.load(Ordering::Acquire) {
            continue;
        }
        let opcode = u32::from_ne_bytes(request[4..8].try_into().expect("four bytes"));
        let body = match opcode {
            INIT => {
                let mut out = vec![0; 64];
                out[0..4].copy_from_slice(&7_u32.to_ne_bytes());
                out[4..8].copy_from_slice(&31_u32.to_ne_bytes());
                out[20..24].copy_from_slice(&4096_u32.to_ne_bytes());
                Ok(out)
            }
            GETATTR => {
                // Valid for no time: the kernel asks again at each look.
                let mut out = vec![0; 104];
                out[16..24].copy_from_slice(&1_u64.to_ne_bytes());
                out[76..80].copy_from_slice(&0o040_755_u32.to_ne_bytes());
                out[80..84].copy_from_slice(&2_u32.to_ne_bytes());
                Ok(out)
            }
            _ => Err(-38_i32),
        };
        let error = body.as_ref().err().copied().unwrap_or(0);
        let body = body.unwrap_or_default();
        let mut reply = Vec::new();
        let whole = u32::try_from(16 + body.len()).expect("small");
        reply.extend(whole.to_ne_bytes());
        reply.extend(error.to_ne_bytes());
        reply.extend(&request[8..16]);
        reply.extend(body);
        drop(device.write_all(&reply));
    }
}

#[tokio::test]
async fn a_hung_file_system_costs_one_wait_and_only_its_own_processes() {
    if !rustix::process::geteuid().is_root() || !Path::new("/dev/fuse").exists() {
        eprintln!("needs root and /dev/fuse to mount a file system that hangs");
        return;
    }
    let mut world = World::new();
    let at = world.root.path().join("mounted");
    create_dir(&at).expect("a directory");
    let fuse = Fuse::mount(&at);
    let before = world.shell(&world.app("current"), ":");
    let there: Vec<u32> = (0..3).map(|_| world.shell(&at, ":")).collect();
    let after = world.shell(&world.app("current"), ":");
    fuse.silent.store(true, Ordering::Release);

    let limit = Duration::from_secs(2);
    for most in [limit + Duration::from_secs(1), limit / 4] {
        let began = Instant::now();
        let reading = world.inspect_within(limit).await;
        let took = began.elapsed();
        assert!(took < most, "{took:?}");
        assert_eq!(reading.incomplete, None);
        assert_eq!(reading.processes.len(), 5);
        for process in &reading.processes {
            if there.contains(&process.pid) {
                let why = process.cwd.as_ref().expect_err("it hangs");
                assert!(why.starts_with("no answer from the file system within 1s"), "{why}");
                assert!(why.contains(text(&at)), "{why}");
            } else {
                assert!([before, after].contains(&process.pid));
                let cwd = process.cwd.as_ref().expect("it lives elsewhere");
                assert_eq!(cwd.id, Some(id(&world.app("releases/1"))));
            }
        }
    }
    // Once it answers (here: with errors, the server being gone), it is asked again.
    drop(fuse);
    let until = Instant::now() + LIMIT;
    loop {
        let reading = world.inspect_within(limit).await;
        let hangs = |process: &ProcessReading| {
            let why = process.cwd.as_ref().err();
            why.is_some_and(|why| why.starts_with("no answer"))
        };
        if !reading.processes.iter().any(hangs) {
            break;
        }
        assert!(Instant::now() < until, "{reading:?}");
    }
}
