//! Known software: by what a unit runs, the package it came with, and, where nothing else tells, the port it listens on.

use crate::model::host::Protocol;

use super::addresses::split;
use super::live::Live;

/// What betrays a piece of software.
struct Known {
    /// The recipe.
    recipe: &'static str,
    /// Names of programs; one that ends with `*` is a beginning.
    programs: &'static [&'static str],
    /// Words of a command line, all of which must be there.
    words: &'static [&'static str],
    packages: &'static [&'static str],
    /// Ports at which it alone is usual.
    ports: &'static [u16],
}

const KNOWN: [Known; 12] = [
    Known {
        recipe: "nginx.service",
        programs: &["nginx"],
        words: &[],
        packages: &["nginx", "nginx-common", "nginx-core", "nginx-full"],
        ports: &[],
    },
    Known {
        recipe: "redis-server.service",
        programs: &["redis-server", "valkey-server"],
        words: &[],
        packages: &["redis-server"],
        ports: &[6379],
    },
    Known {
        recipe: "memcached.service",
        programs: &["memcached"],
        words: &[],
        packages: &["memcached"],
        ports: &[11211],
    },
    Known {
        recipe: "postgresql@15-main.service",
        programs: &["postgres", "pg_ctlcluster"],
        words: &[],
        packages: &[],
        ports: &[5432],
    },
    Known {
        recipe: "rabbitmq-server.service",
        programs: &["rabbitmq-server"],
        words: &["-rabbit"],
        packages: &["rabbitmq-server"],
        ports: &[5672],
    },
    Known { recipe: "php8.2-fpm.service", programs: &["php-fpm*"], words: &[], packages: &[], ports: &[] },
    Known {
        recipe: "gunicorn.service",
        programs: &["gunicorn", "gunicorn3"],
        words: &[],
        packages: &[],
        ports: &[],
    },
    Known { recipe: "puma.service", programs: &["puma"], words: &[], packages: &[], ports: &[] },
    Known { recipe: "sidekiq.service", programs: &["sidekiq"], words: &[], packages: &[], ports: &[] },
    Known {
        recipe: "celery.service",
        programs: &["celery"],
        words: &["celery", "worker"],
        packages: &[],
        ports: &[],
    },
    Known {
        recipe: "horizon.service",
        programs: &[],
        words: &["artisan", "horizon"],
        packages: &[],
        ports: &[],
    },
    Known {
        recipe: "delayed-job.service",
        programs: &["delayed_job"],
        words: &["jobs:work"],
        packages: &[],
        ports: &[],
    },
];
/// Words of a command line that are looked at.
const WORDS: usize = 64;

/// The recipe's name, and how it was recognised; `false` beside it where only a port told.
#[must_use]
pub fn recognised(live: &Live) -> Option<((&'static str, String), bool)> {
    let commands = commands(live);
    for known in &KNOWN {
        let program = commands.iter().find_map(|words| program(words, known));
        if let Some(program) = program {
            let package = live.packages.keys().find(|package| known.packages.contains(&package.as_str()));
            let package = package.map_or_else(String::new, |package| format!(", package {package}"));
            return Some(((known.recipe, format!("it runs {program}{package}")), true));
        }
    }
    for known in &KNOWN {
        if let Some(package) = live.packages.keys().find(|name| known.packages.contains(&name.as_str())) {
            return Some(((known.recipe, format!("package {package}")), true));
        }
    }
    let ports = live.listeners.iter().filter(|one| one.protocol == Protocol::Tcp);
    let ports: Vec<u16> = ports.filter_map(|one| split(&one.address)).map(|(_, port)| port).collect();
    KNOWN.iter().find_map(|known| {
        let port = known.ports.iter().find(|port| ports.contains(port))?;
        Some(((known.recipe, format!("it listens on port {port}")), false))
    })
}

/// Every command line of it, word by word: that of the unit file, those of its processes, their executables.
fn commands(live: &Live) -> Vec<Vec<&str>> {
    let of_unit = live.exec_start.iter().map(|command| words(command));
    let of_processes = live.processes.iter().map(|process| {
        let mut words = words(&process.arguments);
        words.extend(process.executable.as_deref());
        words
    });
    of_unit.chain(of_processes).collect()
}

/// A process may write its title into one word.
fn words(command: &[String]) -> Vec<&str> {
    command.iter().flat_map(|word| word.split_whitespace()).take(WORDS).collect()
}

/// The word that betrays it.
fn program<'w>(words: &[&'w str], known: &Known) -> Option<&'w str> {
    let base = |word: &'w str| {
        let word = word.trim_end_matches(':').trim_start_matches('-');
        word.rsplit('/').next().unwrap_or(word)
    };
    let is = |name: &str| {
        known.programs.iter().any(|program| match program.strip_suffix('*') {
            Some(start) => name.starts_with(start),
            None => name == *program,
        })
    };
    // The program itself, or the script that an interpreter runs: the first words only, not what is passed to it.
    let told = words.iter().take(2).chain(words.last()).find(|word| is(base(word)));
    let spelt = !known.words.is_empty()
        && known.words.iter().all(|wanted| words.iter().any(|word| base(word) == base(wanted)));
    told.copied()
        .or_else(|| if spelt { known.words.first().and_then(|_| words.first().copied()) } else { None })
}
