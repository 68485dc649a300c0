//! How a listener may be asked without harm. Some servers write a line into their log for every connection, count one that says
//! nothing as an attack, or start a helper for it: these are asked in their own language, or not at all. Tried with Debian's
//! packages.

/// How to ask what listens at a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// For a page, else for a connection.
    Page,
    /// For a connection: one that says nothing is no news there.
    Connect,
    /// By this kind of probe, which reads its greeting and says goodbye.
    Greets(&'static str),
    /// Not at all; why, as a clause.
    Not(&'static str),
}

/// Programs that are asked in one way wherever they listen; a name that ends with `*` is a beginning.
const PROGRAMS: [(&[&str], Manner); 12] = [
    (&["sshd", "sshd-session", "dropbear"], Manner::Not(SSH)),
    (&["mysqld", "mariadbd"], Manner::Not(MYSQL)),
    (&["master", "smtpd"], Manner::Not("Postfix logs the beginning and the end of every connection")),
    (
        &["dovecot", "imap-login", "pop3-login", "managesieve-login", "submission-login"],
        Manner::Not("Dovecot logs every connection that does not log in"),
    ),
    (&["vsftpd", "proftpd", "pure-ftpd*"], Manner::Not(FTP)),
    (&["mosquitto"], Manner::Not(MQTT)),
    (&["spamd", "perl-spamd"], Manner::Not("spamd logs every connection")),
    (&["epmd"], Manner::Not(ERLANG)),
    (&["rndc", "unbound-control"], Manner::Not(CONTROL)),
    (
        &["smbd", "nmbd", "samba*"],
        Manner::Not("Samba starts a process for every connection, and logs one that says nothing"),
    ),
    (
        &[
            "named",
            "unbound",
            "dnsmasq",
            "slapd",
            "postgres",
            "haproxy",
            "redis-server",
            "valkey-server",
            "php-fpm*",
        ],
        Manner::Connect,
    ),
    (&["exim4", "exim"], Manner::Greets("smtp")),
];

const SSH: &str = "sshd logs every connection, however politely it ends";
const MYSQL: &str = "it logs and counts a connection that does not log in, and in the end refuses this host";
const FTP: &str = "an FTP server logs every connection";
const MQTT: &str = "a broker of MQTT logs every connection";
const ERLANG: &str = "nodes of one Erlang cluster speak there";
const CONTROL: &str = "its own control program speaks there, and anything else is logged as an intruder";
const TLS: &str = "it speaks TLS from the first byte, and logs a connection that does not";

/// What is usual at a port, where the program does not tell.
const PORTS: [(&[u16], Manner); 11] = [
    (&[22], Manner::Not(SSH)),
    (&[21, 990], Manner::Not(FTP)),
    (&[25, 587, 2525], Manner::Greets("smtp")),
    (&[143], Manner::Greets("imap")),
    (&[110], Manner::Greets("pop3")),
    (&[465, 563, 636, 853, 992, 993, 994, 995, 5671, 6514, 6697], Manner::Not(TLS)),
    (&[3306, 33060], Manner::Not(MYSQL)),
    (&[1883, 8883], Manner::Not(MQTT)),
    (&[4369, 25672], Manner::Not(ERLANG)),
    (&[953, 8953, 8005], Manner::Not(CONTROL)),
    (&[139, 445, 783], Manner::Not("it logs a connection that says nothing")),
];
/// Ports at which no HTTP is spoken: a page is not asked for there.
const OTHER_LANGUAGES: [u16; 33] = [
    23, 53, 111, 389, 514, 515, 554, 601, 873, 1080, 1433, 1514, 1521, 2003, 2049, 2181, 3310, 3389, 5060,
    5222, 5269, 5432, 5672, 5900, 6379, 6432, 6667, 9042, 9050, 9051, 9092, 11211, 24224,
];
/// More of them: MongoDB; printers print what they are sent.
const OTHER_LANGUAGES_TOO: [std::ops::RangeInclusive<u16>; 2] = [9100..=9109, 27017..=27019];

impl Manner {
    /// How this port of a unit whose processes bear these names is asked.
    #[must_use]
    pub fn of<'p>(programs: impl IntoIterator<Item = &'p str>, port: u16) -> Self {
        let usual = PORTS.iter().find(|(ports, _)| ports.contains(&port)).map(|(_, manner)| *manner);
        // The control port of a name server is none for its clients, and TLS is TLS whoever speaks it.
        if let Some(Self::Not(TLS | CONTROL)) = usual {
            return usual.unwrap_or(Self::Connect);
        }
        let is = |name: &str, program: &str| match name.strip_suffix('*') {
            Some(start) => program.starts_with(start),
            None => program == name,
        };
        let of_program = programs.into_iter().find_map(|program| {
            let known = PROGRAMS.iter().find(|(names, _)| names.iter().any(|name| is(name, program)));
            known.map(|(_, manner)| *manner)
        });
        if let Some(manner) = of_program {
            return manner;
        }
        let other =
            OTHER_LANGUAGES.contains(&port) || OTHER_LANGUAGES_TOO.iter().any(|ports| ports.contains(&port));
        usual.unwrap_or(if other { Self::Connect } else { Self::Page })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_logs_a_connection_is_not_asked_for_one() {
        assert_eq!(Manner::of(["sshd"], 2222), Manner::Not(SSH));
        assert_eq!(Manner::of(["mariadbd"], 3307), Manner::Not(MYSQL));
        assert_eq!(Manner::of(["exim4"], 25), Manner::Greets("smtp"));
        assert_eq!(Manner::of(["smtp-thing"], 25), Manner::Greets("smtp"));
        assert!(matches!(Manner::of(["master"], 25), Manner::Not(_)));
        assert!(matches!(Manner::of(["dovecot"], 143), Manner::Not(_)));
        assert_eq!(Manner::of(["named"], 53), Manner::Connect);
        assert_eq!(Manner::of(["named"], 953), Manner::Not(CONTROL));
        assert_eq!(Manner::of(["nginx"], 443), Manner::Page);
        assert_eq!(Manner::of(["nginx"], 993), Manner::Not(TLS));
        assert_eq!(Manner::of([], 8080), Manner::Page);
    }
}
