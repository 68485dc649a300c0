//! The recipes of config/recipes, as they are installed, with the comments beside their keys.

use crate::model::adopt::{Key, Recipe, Table, Value};

const TEXTS: [(&str, &str); 12] = [
    ("celery.service", include_str!("../../config/recipes/celery.service.toml")),
    ("delayed-job.service", include_str!("../../config/recipes/delayed-job.service.toml")),
    ("gunicorn.service", include_str!("../../config/recipes/gunicorn.service.toml")),
    ("horizon.service", include_str!("../../config/recipes/horizon.service.toml")),
    ("memcached.service", include_str!("../../config/recipes/memcached.service.toml")),
    ("nginx.service", include_str!("../../config/recipes/nginx.service.toml")),
    ("php8.2-fpm.service", include_str!("../../config/recipes/php8.2-fpm.service.toml")),
    ("postgresql@15-main.service", include_str!("../../config/recipes/postgresql@15-main.service.toml")),
    ("puma.service", include_str!("../../config/recipes/puma.service.toml")),
    ("rabbitmq-server.service", include_str!("../../config/recipes/rabbitmq-server.service.toml")),
    ("redis-server.service", include_str!("../../config/recipes/redis-server.service.toml")),
    ("sidekiq.service", include_str!("../../config/recipes/sidekiq.service.toml")),
];

/// All of them.
#[must_use]
pub fn recipes() -> Vec<Recipe> {
    let all = TEXTS.iter().map(|(name, text)| Recipe { name: (*name).to_owned(), tables: tables(text) });
    all.collect()
}

/// `[probe.NAME]` and `[progress.NAME]`, in the order in which they are written.
fn tables(text: &str) -> Vec<Table> {
    let read: toml::Table = text.parse().unwrap_or_default();
    let mut tables = Vec::new();
    for kind in ["probe", "progress"] {
        for (name, keys) in read.get(kind).and_then(toml::Value::as_table).into_iter().flatten() {
            let name = format!("{kind}.{name}");
            let at = text.find(&format!("\n[{name}]")).unwrap_or(0);
            let below = text.get(at + 1..).unwrap_or_default();
            tables.push((at, table(name, keys, below)));
        }
    }
    tables.sort_by_key(|(at, _)| *at);
    tables.into_iter().map(|(_, table)| table).collect()
}

fn table(name: String, keys: &toml::Value, below: &str) -> Table {
    let header = below.lines().next().map(beside).unwrap_or_default();
    let mut found: Vec<(usize, Key)> = keys
        .as_table()
        .into_iter()
        .flatten()
        .map(|(key, written)| {
            let start = format!("{key} = ");
            let at = below.find(&format!("\n{start}")).map_or(usize::MAX, |at| at + 1);
            let line = below.get(at..).and_then(|rest| rest.lines().next()).unwrap_or_default();
            let seen = beside(line);
            (at, Key { name: key.clone(), value: value(written), seen })
        })
        .collect();
    found.sort_by_key(|(at, _)| *at);
    let mut keys: Vec<Key> = found.into_iter().map(|(_, key)| key).collect();
    if let Some(last) = keys.last_mut().filter(|key| key.seen.is_empty()) {
        last.seen = header;
    }
    Table { name, keys }
}

/// The comment at the end of a line of ours, in which no text holds a `#`.
fn beside(line: &str) -> String {
    line.split_once(" # ").map(|(_, comment)| comment.trim().to_owned()).unwrap_or_default()
}

fn value(written: &toml::Value) -> Value {
    match written {
        toml::Value::String(text) => Value::Text(text.clone()),
        toml::Value::Integer(number) => Value::Number(*number),
        toml::Value::Float(number) => Value::Float(*number),
        toml::Value::Boolean(on) => Value::Boolean(*on),
        toml::Value::Array(values) => Value::List(values.iter().map(value).collect()),
        toml::Value::Table(pairs) => {
            Value::Pairs(pairs.iter().map(|(key, written)| (key.clone(), value(written))).collect())
        }
        toml::Value::Datetime(time) => Value::Text(time.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_recipe_is_here_as_it_is_shipped() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/config/recipes");
        let shipped = std::fs::read_dir(folder).unwrap().count();
        let all = recipes();
        assert_eq!(all.len(), shipped);
        for recipe in &all {
            assert!(!recipe.tables.is_empty(), "{}", recipe.name);
        }
        let redis = all.iter().find(|recipe| recipe.name == "redis-server.service").unwrap();
        let names: Vec<&str> = redis.tables.iter().map(|table| table.name.as_str()).collect();
        assert_eq!(names, ["probe.ping", "probe.room"]);
        let room = &redis.tables[1];
        assert_eq!(room.keys[0].name, "disk");
        assert_eq!(room.keys[1].seen, "a background save needs as much room as the data");
        let postgres = all.iter().find(|recipe| recipe.name.starts_with("postgresql")).unwrap();
        let keys: Vec<&str> = postgres.tables[0].keys.iter().map(|key| key.name.as_str()).collect();
        assert_eq!(keys, ["postgres", "password_file", "query", "expect"]);
    }
}
