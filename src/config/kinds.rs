//! Tables of which there are several kinds (`[probe.NAME]`, `[progress.NAME]`, `[alert.NAME]`): which kind it is, the keys of the
//! kind, and the keys that all kinds have.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use schemars::SchemaGenerator;
use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

use crate::keys::{Kind, Wrong, names};

use super::diagnose::{Mistake, of_toml, unknown_key};
use super::schema::lower;

/// `[WHAT.NAME]`.
#[derive(Debug)]
pub struct Table<'i> {
    pub name: String,
    keys: DeTable<'i>,
    places: Places,
}

/// Where a table and its values stand in the text.
#[derive(Clone, Debug)]
pub struct Places {
    /// `probe inbox`
    pub shown: String,
    /// Its header.
    pub table: Range<usize>,
    values: BTreeMap<String, Range<usize>>,
}

/// What a table says. `C`: the keys that all kinds have; `K`: what every kind can do.
#[derive(Debug)]
pub struct Read<C, K: ?Sized> {
    pub name: String,
    pub common: C,
    pub kind: Box<K>,
    /// The keys of the kind as text.
    pub text: String,
    pub places: Places,
}

impl Places {
    /// Where the value of this key stands; the header, where the key is not written.
    pub fn of(&self, key: &str) -> Range<usize> {
        self.values.get(key).unwrap_or(&self.table).clone()
    }

    /// The mistake, at its place.
    pub fn mistake(&self, wrong: Wrong) -> Mistake {
        let (span, message) = match wrong.key {
            Some(key) => (self.of(key), wrong.message),
            None => (self.table.clone(), format!("cannot use {}: {}", self.shown, wrong.message)),
        };
        Mistake { span: Some(span), message, help: wrong.help }
    }
}

/// Every `[WHAT.NAME]` of a text that has no mistake of syntax. `each`: what one of them is called.
pub fn tables<'i>(text: &'i str, what: &'static str, each: &str) -> Result<Vec<Table<'i>>, Mistake> {
    let (mut all, _) = DeTable::parse_recoverable(text);
    let Some(written) = all.get_mut().remove(what) else {
        return Ok(Vec::new());
    };
    let no_table = |span: Range<usize>| {
        Mistake::at(span, format!("cannot use `{what}`: every {each} has a table of its own"))
            .help(format!("write [{what}.NAME]"))
    };
    let span = written.span();
    let DeValue::Table(written) = written.into_inner() else {
        return Err(no_table(span));
    };
    let mut tables = Vec::new();
    for (name, keys) in written {
        let (name, table) = (name.into_inner().into_owned(), keys.span());
        let DeValue::Table(keys) = keys.into_inner() else {
            return Err(no_table(table));
        };
        let shown = format!("{what} {name}");
        let values = keys.iter().map(|(key, value)| (key.get_ref().to_string(), value.span())).collect();
        tables.push(Table { name, keys, places: Places { shown, table, values } });
    }
    Ok(tables)
}

impl Table<'_> {
    /// A mistake of the whole table.
    pub fn mistake(&self, message: impl Into<String>) -> Mistake {
        Mistake::at(self.places.table.clone(), message)
    }

    /// `probe inbox`
    pub fn shown(&self) -> &str {
        &self.places.shown
    }

    /// Its name is a word for command lines and file names. `what`: what it is the name of.
    pub fn named(&self, what: &str) -> Result<(), Mistake> {
        let usual = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '-';
        if self.name.is_empty() || !self.name.chars().all(usual) {
            let message = format!("cannot name a {what} `{}`: use a-z, 0-9, _ and -", self.name);
            return Err(self.mistake(message));
        }
        Ok(())
    }

    /// The text of this key, and where it stands.
    pub fn text(&self, key: &str) -> Option<(&str, Range<usize>)> {
        let value = self.keys.get(key)?;
        Some((value.get_ref().as_str()?, value.span()))
    }

    /// The kind that exactly one of its keys names.
    pub fn kind_by_key<C, K>(&self, kinds: &'static [Kind<K>]) -> Result<&'static Kind<K>, Mistake>
    where
        C: DeserializeOwned,
        K: ?Sized,
    {
        let written: Vec<_> = kinds.iter().filter(|kind| self.keys.contains_key(kind.name)).collect();
        if let [kind] = written.as_slice() {
            return Ok(kind);
        }
        self.refuse_unknown::<C, K>(kinds, None)?;
        let list = |kinds: Vec<&str>| kinds.join(", ");
        let all = list(kinds.iter().map(|kind| kind.name).collect());
        let mistake = self.mistake(format!("{}: set exactly one of {all}", self.shown()));
        let written = list(written.iter().map(|kind| kind.name).collect());
        Err(if written.is_empty() { mistake } else { mistake.help(format!("it sets {written}")) })
    }

    /// Reads it as this kind.
    pub fn read<C, K>(self, kind: &Kind<K>, kinds: &[Kind<K>]) -> Result<Read<C, K>, Mistake>
    where
        C: DeserializeOwned,
        K: ?Sized,
    {
        self.refuse_unknown::<C, K>(kinds, Some(kind))?;
        self.refuse_stray::<C, K>(kinds, kind)?;
        let Self { name, keys, places, .. } = self;
        let (mut of_kind, mut common) = (DeTable::new(), DeTable::new());
        for (key, value) in keys {
            let is_common = names::<C>().contains(&key.get_ref().as_ref());
            if is_common { &mut common } else { &mut of_kind }.insert(key, value);
        }
        let table = |keys| Spanned::new(places.table.clone(), DeValue::Table(keys));
        let common =
            C::deserialize(ValueDeserializer::from(table(common))).map_err(|error| of_toml(&error))?;
        let (kind, text) = kind.read(table(of_kind)).map_err(|error| missing(kind, &error, &places))?;
        Ok(Read { name, common, kind, text, places })
    }

    /// A key that no kind has.
    fn refuse_unknown<C, K>(&self, kinds: &[Kind<K>], kind: Option<&Kind<K>>) -> Result<(), Mistake>
    where
        C: DeserializeOwned,
        K: ?Sized,
    {
        let of_kinds = kinds.iter().flat_map(|kind| (kind.keys)());
        let known: BTreeSet<&str> = of_kinds.chain(names::<C>()).copied().collect();
        let unknown = self.keys.keys().find(|key| !known.contains(key.get_ref().as_ref()));
        let Some(key) = unknown else {
            return Ok(());
        };
        let here: Vec<&str> = match kind {
            Some(kind) => (kind.keys)().iter().chain(names::<C>()).copied().collect(),
            None => known.into_iter().collect(),
        };
        Err(unknown_key(Some(key.span()), key.get_ref(), &here))
    }

    /// A key of other kinds.
    fn refuse_stray<C, K>(&self, kinds: &[Kind<K>], kind: &Kind<K>) -> Result<(), Mistake>
    where
        C: DeserializeOwned,
        K: ?Sized,
    {
        let own = (kind.keys)();
        let fits = |key: &str| own.contains(&key) || names::<C>().contains(&key);
        let Some(key) = self.keys.keys().map(|key| key.get_ref().as_ref()).find(|key: &&str| !fits(key))
        else {
            return Ok(());
        };
        let others = kinds.iter().filter(|other| (other.keys)().contains(&key));
        let others: Vec<&str> = others.map(|other| other.name).collect();
        let message = format!("cannot use `{key}` in {}: it belongs to {}", self.shown(), others.join(", "));
        let more: Vec<&str> = own.iter().copied().filter(|key| *key != kind.name).collect();
        let help = match description(kind, kind.name).filter(|_| more.is_empty()) {
            Some(description) => format!("{}: {description}", kind.name),
            None => format!("keys of {}: {}", kind.name, more.join(", ")),
        };
        Err(Mistake::at(self.places.of(key), message).help(help))
    }
}

/// What serde says of the keys of a kind; of a missing one also what it is, with an example.
fn missing<K: ?Sized>(kind: &Kind<K>, error: &toml::de::Error, places: &Places) -> Mistake {
    let key = error.message().strip_prefix("missing field `").and_then(|rest| rest.strip_suffix('`'));
    let Some(key) = key else {
        return of_toml(error);
    };
    let mistake = places.mistake(Wrong::table(format!("`{key}` is missing")));
    let description = lower(&description(kind, key).unwrap_or_default());
    let description = description.trim_end_matches('.');
    mistake.help(match example(kind, key) {
        Some(example) => format!("add {key} = {example} ({description})"),
        None => format!("add {key}: {description}"),
    })
}

/// What the schema says of a key.
fn schema_of<K: ?Sized>(kind: &Kind<K>, key: &str, what: &str) -> Option<serde_json::Value> {
    let schema = (kind.schema)(&mut SchemaGenerator::default());
    schema.get("properties")?.get(key)?.get(what).cloned()
}

fn description<K: ?Sized>(kind: &Kind<K>, key: &str) -> Option<String> {
    Some(schema_of(kind, key, "description")?.as_str()?.to_owned())
}

/// The first example, as TOML.
fn example<K: ?Sized>(kind: &Kind<K>, key: &str) -> Option<String> {
    let examples = schema_of(kind, key, "examples")?;
    Some(toml::Value::try_from(examples.as_array()?.first()?).ok()?.to_string())
}
