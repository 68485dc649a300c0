//! Where a web server passes on what it is asked, by its own configuration: such a page says little of the server itself.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::unit::UnitName;

use super::addresses::url;

/// Something to which a configuration passes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PassedOn {
    /// `127.0.0.1:8000`, or the path of a socket.
    pub to: String,
    /// `/etc/nginx/sites-enabled/shop:12`
    pub place: String,
    /// The unit of this host that listens there.
    pub unit: Option<UnitName>,
}

/// How a configuration is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    Nginx,
    Apache,
    Haproxy,
    Caddy,
}

/// A program that may pass on, the places of its configuration, and how that is written.
#[derive(Clone, Copy, Debug)]
pub struct Proxy {
    pub programs: &'static [&'static str],
    /// Files, and folders whose files are read.
    pub places: &'static [&'static str],
    pub dialect: Option<Dialect>,
}

/// Those that are known. Without a dialect: whatever they answer may be another's answer.
pub const PROXIES: [Proxy; 5] = [
    Proxy {
        programs: &["nginx", "openresty", "angie"],
        places: &[
            "/etc/nginx/nginx.conf",
            "/etc/nginx/conf.d",
            "/etc/nginx/sites-enabled",
            "/etc/nginx/snippets",
        ],
        dialect: Some(Dialect::Nginx),
    },
    Proxy {
        programs: &["apache2", "httpd"],
        places: &[
            "/etc/apache2/apache2.conf",
            "/etc/apache2/conf-enabled",
            "/etc/apache2/sites-enabled",
            "/etc/httpd/conf/httpd.conf",
            "/etc/httpd/conf.d",
        ],
        dialect: Some(Dialect::Apache),
    },
    Proxy { programs: &["haproxy"], places: &["/etc/haproxy/haproxy.cfg"], dialect: Some(Dialect::Haproxy) },
    Proxy { programs: &["caddy"], places: &["/etc/caddy/Caddyfile"], dialect: Some(Dialect::Caddy) },
    Proxy {
        programs: &["varnishd", "squid", "traefik", "envoy", "pound", "lighttpd", "trafficserver", "hitch"],
        places: &[],
        dialect: None,
    },
];

/// Where these texts (file and content) pass on, each target once.
#[must_use]
pub fn passed_on(dialect: Dialect, texts: &[(String, String)]) -> Vec<PassedOn> {
    let mut upstreams: BTreeMap<String, Vec<(String, String)>> = BTreeMap::new();
    let mut targets: Vec<(String, String)> = Vec::new();
    for (file, text) in texts {
        let mut upstream: Option<String> = None;
        for (number, line) in text.lines().enumerate() {
            let place = format!("{file}:{}", number.saturating_add(1));
            let line = line.split('#').next().unwrap_or_default();
            let balanced = line.matches('{').count() == line.matches('}').count();
            // A block may stand in one line.
            let ends = |c: char| c == ';' || dialect == Dialect::Nginx && matches!(c, '{' | '}');
            for statement in line.split(ends) {
                let words: Vec<&str> = statement.split_whitespace().filter(|word| *word != "{").collect();
                match (dialect, words.as_slice()) {
                    (Dialect::Nginx, ["upstream", name, ..]) => upstream = Some((*name).to_owned()),
                    (Dialect::Nginx, ["server", target, ..]) if upstream.is_some() => {
                        let name = upstream.clone().unwrap_or_default();
                        upstreams.entry(name).or_default().push(((*target).to_owned(), place.clone()));
                    }
                    _ => targets.extend(of_words(dialect, &words).map(|target| (target, place.clone()))),
                }
            }
            if line.contains('}') || upstream.is_some() && balanced && line.contains('{') {
                upstream = None;
            }
        }
    }
    let resolved = targets.into_iter().flat_map(|(target, place)| {
        let bare = bare(&target);
        match upstreams.get(bare.split(['/', ':']).next().unwrap_or_default()) {
            Some(servers) => servers.clone(),
            None => vec![(target, place)],
        }
    });
    let mut seen = BTreeSet::new();
    let passed =
        resolved.filter_map(|(target, place)| Some(PassedOn { to: address(&target)?, place, unit: None }));
    passed.filter(|one| seen.insert(one.to.clone())).collect()
}

/// The targets that one statement names.
fn of_words<'w>(dialect: Dialect, words: &'w [&'w str]) -> impl Iterator<Item = String> + use<'w> {
    let clean = |word: &str| word.trim_matches(['"', '\'']).to_owned();
    let found: Vec<String> = match (dialect, words) {
        (
            Dialect::Nginx,
            ["proxy_pass" | "fastcgi_pass" | "uwsgi_pass" | "scgi_pass" | "grpc_pass", target, ..],
        ) => {
            vec![clean(target)]
        }
        (Dialect::Apache, [name, rest @ ..]) => match name.to_ascii_lowercase().as_str() {
            "proxypass" | "proxypassmatch" | "balancermember" | "<proxy" | "sethandler" => {
                let target = rest
                    .iter()
                    .map(|word| clean(word))
                    .find(|word| word.contains("://") || word.contains("unix:"));
                target.into_iter().collect()
            }
            _ => Vec::new(),
        },
        (Dialect::Haproxy, ["server", _, target, ..]) => vec![clean(target)],
        (Dialect::Caddy, ["reverse_proxy" | "php_fastcgi", rest @ ..]) => rest
            .iter()
            .filter(|word| word.contains(':') || word.contains("unix"))
            .map(|word| clean(word))
            .collect(),
        _ => Vec::new(),
    };
    found.into_iter()
}

/// Without a scheme.
fn bare(target: &str) -> &str {
    target.split_once("://").map_or(target, |(_, rest)| rest)
}

/// `host:port`, or the path of a socket; nothing where a variable decides.
fn address(target: &str) -> Option<String> {
    if target.contains('$') || target.starts_with("balancer://") {
        return None;
    }
    if let Some((_, path)) = target.split_once("unix:") {
        let path = path.trim_start_matches("//");
        let path = path.split(['|', ':']).next().unwrap_or(path);
        return path.starts_with('/').then(|| path.trim_end_matches('>').to_owned());
    }
    let target = target.trim_end_matches('>');
    let place = if target.contains("://") {
        url(target)
    } else {
        url(bare(target).split('/').next().unwrap_or_default())
    };
    let place = place
        .or_else(|| target.starts_with("fcgi://").then(|| url(bare(target).split('/').next()?)).flatten())?;
    let host = if place.host == "localhost" { "127.0.0.1" } else { place.host.as_str() };
    Some(super::addresses::join(host, place.port))
}

/// The one unit to which all of it is passed on; with several, none of them alone is what it needs.
#[must_use]
pub fn only_unit(passed: &[PassedOn]) -> Option<(&UnitName, &PassedOn)> {
    let first = passed.first()?;
    let unit = first.unit.as_ref()?;
    passed.iter().all(|one| one.unit.as_ref() == Some(unit)).then_some((unit, first))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(dialect: Dialect, text: &str) -> Vec<String> {
        let passed = passed_on(dialect, &[("f".to_owned(), text.to_owned())]);
        passed.into_iter().map(|one| format!("{} {}", one.to, one.place)).collect()
    }

    #[test]
    fn where_pages_are_passed_on_is_read_from_the_configuration() {
        let nginx = "upstream app {\n  server 127.0.0.1:8000 weight=2;\n  server unix:/run/app.sock;\n}\nserver { listen 80; server_name x;\n location / { proxy_pass http://app/base; }\n # proxy_pass http://no:1;\n location ~ php { fastcgi_pass unix:/run/php/php8.2-fpm.sock; }\n location /v { proxy_pass http://$backend; }\n location /n { proxy_pass http://localhost:3000/; } }\n";
        assert_eq!(
            of(Dialect::Nginx, nginx),
            [
                "127.0.0.1:8000 f:2",
                "/run/app.sock f:3",
                "/run/php/php8.2-fpm.sock f:8",
                "127.0.0.1:3000 f:10"
            ]
        );
        let apache = "ProxyPass /app http://127.0.0.1:8080/app\nSetHandler \"proxy:unix:/run/php/a.sock|fcgi://localhost\"\n<Proxy balancer://c>\nBalancerMember http://10.0.0.5:81\n";
        assert_eq!(
            of(Dialect::Apache, apache),
            ["127.0.0.1:8080 f:1", "/run/php/a.sock f:2", "10.0.0.5:81 f:4"]
        );
        let haproxy = "backend web\n  server one 127.0.0.1:8000 check\n  server two [::1]:8001\n";
        assert_eq!(of(Dialect::Haproxy, haproxy), ["127.0.0.1:8000 f:2", "[::1]:8001 f:3"]);
        assert_eq!(
            of(Dialect::Caddy, "shop.example {\n reverse_proxy localhost:9000\n}\n"),
            ["127.0.0.1:9000 f:2"]
        );
        assert!(of(Dialect::Nginx, "server { listen 80; root /var/www; }").is_empty());
    }
}
