//! A list of kinds (of probes, sources of progress, sinks): each is a type whose fields are its keys.

use std::collections::BTreeMap;
use std::fmt;

use schemars::{Schema, SchemaGenerator};
use serde::Serialize;
use serde::de::{DeserializeOwned, Error as _};
use toml::Spanned;
use toml::de::{DeTable, DeValue, Error, ValueDeserializer};

/// The keys of a kind, read; and the same as plain values.
pub type Values<K> = (Box<K>, toml::Value);

/// One kind in a list. `K` is what all kinds of the list can do, such as `dyn Probe`.
pub struct Kind<K: ?Sized> {
    /// What a file calls it.
    pub name: &'static str,
    /// The names of its keys.
    pub keys: fn() -> &'static [&'static str],
    /// The schema of its keys.
    pub schema: fn(&mut SchemaGenerator) -> Schema,
    /// Reads the table with its keys; also as plain values, with every default.
    pub read: fn(Spanned<DeValue<'_>>) -> Result<Values<K>, Error>,
}

impl<K: ?Sized> fmt::Debug for Kind<K> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name)
    }
}

impl<K: ?Sized> Kind<K> {
    /// Reads the table with its keys, and writes them as a text that `read_again` takes.
    ///
    /// # Errors
    /// An unknown or missing key, or a value that cannot be used, with its place.
    pub fn read(&self, table: Spanned<DeValue<'_>>) -> Result<(Box<K>, String), Error> {
        let (kind, keys) = (self.read)(table)?;
        let text = toml::to_string(&BTreeMap::from([(self.name, keys)])).map_err(Error::custom)?;
        Ok((kind, text))
    }
}

/// The keys of one type, read; also as plain values.
///
/// # Errors
/// An unknown or missing key, or a value that cannot be used, with its place.
pub fn read<T: DeserializeOwned + Serialize>(table: Spanned<DeValue<'_>>) -> Result<(T, toml::Value), Error> {
    let keys = T::deserialize(ValueDeserializer::from(table))?;
    let values = toml::Value::try_from(&keys).map_err(Error::custom)?;
    Ok((keys, values))
}

/// The kind whose keys are this text.
///
/// # Errors
/// Another version wrote it: one clause.
pub fn read_again<K: ?Sized>(kinds: &[Kind<K>], text: &str) -> Result<Box<K>, String> {
    let again = || -> Result<Box<K>, Error> {
        let table = DeTable::parse(text)?.into_inner();
        let (name, keys) = table.into_iter().next().ok_or_else(|| Error::custom("it has no kind"))?;
        let name = name.into_inner();
        let kind = kinds.iter().find(|kind| kind.name == name);
        let kind = kind.ok_or_else(|| Error::custom(format!("there is no kind {name}")))?;
        (kind.read)(keys).map(|(kind, _)| kind)
    };
    again().map_err(|error| error.message().to_owned())
}
