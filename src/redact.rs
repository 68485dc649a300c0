//! Secrets in a text are made unreadable.

use std::sync::LazyLock;

use regex::{Captures, Regex};

/// What stands for a secret.
const HIDDEN: &str = "***";

/// Names of values that nobody else is to see, with what follows them; and passwords in URLs.
static SECRETS: LazyLock<Vec<Regex>> = LazyLock::new(|| {
    let patterns = [
        r#"(?i)((?:[a-z0-9_.-]*(?:password|passwd|passphrase|pwd|secret|token|api[_-]?key|access[_-]?key|private[_-]?key|credential|dsn|cookie)[a-z0-9_.-]*|\b(?:[a-z0-9_.-]*[_.-])?pass)(?:\\*["'])?\s*(?:=>|[=:])\s*)(?:\\+"(?:[^"\\\n]|\\+[^"\\\n])*\\+"|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|[^\s"'=>]\S*)"#,
        r"(?i)((?:authorization|proxy-authorization)\s*[=:]\s*(?:\w+\s+)?)\S+",
        r"(?i)(\b(?:bearer|basic)\s+)[a-z0-9+/_.=-]{8,}",
        r"([a-zA-Z][a-zA-Z0-9+.-]*://[^/\s:@]*:)[^/\s@]+(?:@|$)",
        r"(?i)(--?[a-z0-9_.-]*(?:password|passwd|passphrase|requirepass|token|secret|api[_-]?key|access[_-]?key|private[_-]?key|secret[_-]?key|credential)(?:\s+|=))[^\s*]\S*",
        r"(\beyJ)[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_.-]+",
        // As the tools of servers are given them on their command lines, and servers in their own languages.
        r"(?i)(<[a-z0-9_:.-]*(?:password|passwd|passphrase|secret|token|api[_-]?key)[^>\n]*>)[^<\n]+",
        r"(\bAUTH\s+(?:(?:LOGIN|PLAIN)\s+)?)[^\s:]\S*",
        r"(\s(?:-u|--user)[\s=]+[^\s:]+:)\S+",
        r"(\b(?:mysql|mariadb)[a-z-]*\b[^\n]*?\s-p)[^\s-]\S*",
        r"(\b(?:redis|valkey|keydb)-cli\b[^\n]*?\s-a\s+)\S+",
        r#"(?i)([?&](?:sig|signature|key|auth|code|sas|hmac)=)[^&\s"']+"#,
    ];
    patterns.iter().filter_map(|pattern| Regex::new(pattern).ok()).collect()
});

/// The text without what looks like a secret.
pub fn redacted(text: &str) -> String {
    let mut text = text.to_owned();
    for (at, secret) in SECRETS.iter().enumerate() {
        // The fourth eats the `@` that ends a password.
        let end = if at == 3 { "@" } else { "" };
        let before = std::mem::take(&mut text);
        let hidden = |found: &Captures<'_>| {
            let name = found.get(1).map_or("", |name| name.as_str());
            // `Failed to determine user credentials: No such process` is prose, and `/etc/passwd: …` is a file.
            let path = found
                .get(0)
                .is_some_and(|all| before.get(..all.start()).is_some_and(|head| head.ends_with('/')));
            if name.to_ascii_lowercase().ends_with("credentials: ") || (at == 0 && path) {
                return found.get(0).map_or(String::new(), |all| all.as_str().to_owned());
            }
            format!("{name}{HIDDEN}{end}")
        };
        text = secret.replace_all(&before, hidden).into_owned();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pattern_is_one() {
        assert_eq!(SECRETS.len(), 12);
    }

    #[test]
    fn secrets_are_hidden_and_the_rest_stays() {
        let cases = [
            ("DB_PASSWORD=hunter2 next", "DB_PASSWORD=*** next"),
            ("\"api_key\": \"abc123\", \"a\": 1", "\"api_key\": ***, \"a\": 1"),
            ("DB_PASS=abc;def password=\"two words\" x", "DB_PASS=*** password=*** x"),
            ("Authorization: Bearer abcdefgh.ijk", "Authorization: Bearer ***"),
            ("postgres://shop:s3cret@db/x", "postgres://shop:***@db/x"),
            ("mysql --password hunter2 -h db", "mysql --password *** -h db"),
            ("jwt eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIx.sig", "jwt eyJ***"),
            ("amqp://guest@localhost:5672/ refused", "amqp://guest@localhost:5672/ refused"),
            (r#"{"password"=>"x", "a"=>1}"#, r#"{"password"=>***, "a"=>1}"#),
            ("['password' => 'x']", "['password' => ***]"),
            (r#"{\"password\":\"x y\",\"a\":1}"#, r#"{\"password\":***,\"a\":1}"#),
            ("PASSWORD=hun'rest next", "PASSWORD=*** next"),
            (r#""password": "ab\"rest", "a": 1"#, r#""password": ***, "a": 1"#),
            ("<db-password>x</db-password>", "<db-password>***</db-password>"),
            ("AUTH hunter2", "AUTH ***"),
            ("redis-cli -h db -a hunter2 ping", "redis-cli -h db -a *** ping"),
            ("mysqldump -uroot -phunter2 shop", "mysqldump -uroot -p*** shop"),
            ("curl -u joe:hunter2 http://x/", "curl -u joe:*** http://x/"),
            ("GET /a?sig=abc&key=def&page=2", "GET /a?sig=***&key=***&page=2"),
            ("/etc/passwd: earlier probes hang", "/etc/passwd: earlier probes hang"),
            ("NOAUTH Authentication required.", "NOAUTH Authentication required."),
            ("user credentials: No such process", "user credentials: No such process"),
            ("Main PID: 4242 (php)", "Main PID: 4242 (php)"),
            ("smoke test passed: 5 checks", "smoke test passed: 5 checks"),
        ];
        for (told, shown) in cases {
            assert_eq!(redacted(told), shown);
        }
    }
}
