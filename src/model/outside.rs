//! The program of a unit that runs outside of it, started by hand or by a tool of its own: what to look for, and what was found.

use super::moment::timeless;
use super::unit::UnitName;

timeless!(Program);

/// How to know the program of a unit that is down.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sought {
    /// All names of the unit: what is in its own control group is not outside.
    pub names: Vec<UnitName>,
    /// `PIDFile=`.
    pub pid_file: String,
    /// `User=`; empty: the user of the service manager.
    pub user: String,
    /// The main process of its last run, and what `ExecStart=` runs.
    pub programs: Vec<Program>,
    /// Absolute paths on its command line: an interpreter that runs none of them runs something else.
    pub words: Vec<String>,
    /// The keys of its probes: where it is asked, it listens.
    pub probes: Vec<String>,
}

/// A program as it is run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Program {
    /// The file that is executed.
    pub path: String,
    /// A fingerprint of its command line; `None` where that is not known.
    pub command: Option<String>,
}

/// A process outside of the unit that does what the unit is for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outsider {
    pub pid: u32,
    /// Its command line, shortened.
    pub command: String,
    pub user: String,
    /// Where it runs, as the end of a sentence: `in session-3.scope`.
    pub place: String,
    /// How it is known to be the unit's program: `it is named in /run/x.pid`.
    pub how: String,
}

/// A fingerprint of a command line as the kernel shows it, each word ended by a zero byte. What a program calls itself does
/// not count, unless it wrote a title over the whole line.
#[must_use]
pub fn command_of(line: &[u8]) -> String {
    let line = line.trim_ascii_end();
    let end = line.iter().rposition(|byte| *byte != 0).map_or(0, |at| at + 1);
    let line = line.get(..end).unwrap_or_default();
    let after = line.iter().position(|byte| *byte == 0).and_then(|at| line.get(at..));
    let told = after.unwrap_or(if line.contains(&b' ') { line } else { &[] });
    // FNV-1a: the same in each version of ours.
    let hash = told.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    format!("{hash:016x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_line_is_known_again() {
        let of = |line: &str| command_of(line.replace('|', "\0").as_bytes());
        assert_eq!(of("/usr/sbin/apache2|-k|start|"), of("apache2|-k|start"));
        assert_ne!(of("/usr/sbin/apache2|-k|start|"), of("/usr/sbin/apache2|-k|stop|"));
        assert_ne!(of("sshd: joe [priv]"), of("sshd: /usr/sbin/sshd -D [listener] 0 of 10-100 startups"));
        assert_eq!(of("redis-server"), of("/usr/bin/redis-server|"));
    }
}
