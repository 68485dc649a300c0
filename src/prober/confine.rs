//! What the prober gives up before it reads the first question.

use std::io;

use nix::unistd::{Gid, Uid, User, setgroups, setresgid, setresuid};
use rustix::process::{
    Resource, Rlimit, Signal, getrlimit, set_parent_process_death_signal, setrlimit, setsid,
};
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, clear_ambient_capability_set,
    remove_capability_from_bounding_set, set_capabilities, set_name, set_no_new_privs,
};

/// Bytes that it may write into, threads' stacks included.
const MEMORY: u64 = 512 << 20;
/// Bytes of addresses: a library that asks for more has been talked into it.
const ADDRESSES: u64 = 4 << 30;
/// Descriptors.
const FILES: u64 = 4096;
/// Who nobody is, where no account says so.
const NOBODY: u32 = 65534;

/// Gives up all that can be given up here. Says whether it is nobody special now: another user than root.
///
/// # Errors
/// What every process may give up was not given up.
pub fn confine() -> io::Result<bool> {
    set_name(c"prober")?;
    // A session of its own: no terminal's signal reaches it. It leads one already where somebody else saw to that.
    let _leads_already = setsid();
    for (resource, most) in [
        (Resource::Core, 0),
        (Resource::Fsize, 0),
        (Resource::Nofile, FILES),
        (Resource::Data, MEMORY),
        (Resource::As, ADDRESSES),
    ] {
        // A filter of system calls may forbid it; then the unit that has the filter has limits of its own.
        let _forbidden = limit(resource, most);
    }
    let apart = !Uid::effective().is_root() || leave_root().is_ok();
    set_no_new_privs(true)?;
    let _has_none = clear_ambient_capability_set();
    let none = CapabilitySet::empty();
    let nothing = CapabilitySets { effective: none, permitted: none, inheritable: none };
    if capabilities(None)?.permitted != none {
        // Where root cannot be left, a filter of system calls may forbid this, too: it is said that it is not apart.
        let given_up = set_capabilities(None, nothing);
        given_up.or_else(|error| if apart { Err(error) } else { Ok(()) })?;
    }
    // Not inherited through a change of the user: so it comes last.
    set_parent_process_death_signal(Some(Signal::KILL))?;
    Ok(apart)
}

fn limit(resource: Resource, most: u64) -> io::Result<()> {
    let hard = getrlimit(resource).maximum.map_or(most, |hard| hard.min(most));
    Ok(setrlimit(resource, Rlimit { current: Some(hard), maximum: Some(hard) })?)
}

/// Becomes nobody.
fn leave_root() -> io::Result<()> {
    for capability in CapabilitySet::all() {
        // The last ones are not known to every kernel, and without CAP_SETPCAP none can be removed.
        let _unknown = remove_capability_from_bounding_set(capability);
    }
    let nobody = User::from_name("nobody").ok().flatten();
    let (uid, gid) =
        nobody.map_or((Uid::from_raw(NOBODY), Gid::from_raw(NOBODY)), |user| (user.uid, user.gid));
    setgroups(&[])?;
    setresgid(gid, gid, gid)?;
    setresuid(uid, uid, uid)?;
    Ok(())
}
