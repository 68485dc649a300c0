//! How a value is written as JSON and read back. The model knows nothing of it; `records` says it for each noun.

use std::collections::BTreeMap;

use serde_json::Value;

/// A value that can be stored. `read` answers why it cannot understand the JSON.
pub trait Record: Sized {
    fn write(&self) -> Value;
    fn read(stored: &Value) -> Result<Self, String>;
}

/// A struct as an object with a key for each field. A field that is left out of the list does not compile.
macro_rules! record {
    ($type:ty { $($field:ident),+ $(,)? }) => {
        impl Record for $type {
            fn write(&self) -> Value {
                let Self { $($field),+ } = self;
                object([$((stringify!($field), $field.write())),+])
            }

            fn read(stored: &Value) -> Result<Self, String> {
                Ok(Self { $($field: field(stored, stringify!($field))?),+ })
            }
        }
    };
}

/// An enum without data as a word. A variant that is left out of the list does not compile.
macro_rules! words {
    ($type:ty { $($variant:ident = $word:literal),+ $(,)? }) => {
        impl Record for $type {
            fn write(&self) -> Value {
                Value::from(match self { $(Self::$variant => $word),+ })
            }

            fn read(stored: &Value) -> Result<Self, String> {
                match stored.as_str() {
                    $(Some($word) => Ok(Self::$variant),)+
                    Some(other) => Err(format!("unknown word `{other}`")),
                    None => Err(unlike("a word", stored)),
                }
            }
        }
    };
}

pub(super) use {record, words};

pub fn object<const N: usize>(fields: [(&str, Value); N]) -> Value {
    let fields = fields.into_iter();
    Value::Object(fields.map(|(key, value)| (key.to_owned(), value)).collect())
}

/// The field of an object. One that an older version did not write reads as null: nothing, or empty.
pub fn field<T: Record>(stored: &Value, key: &str) -> Result<T, String> {
    T::read(stored.get(key).unwrap_or(&Value::Null)).map_err(|why| format!("{key}: {why}"))
}

pub fn unlike(wanted: &str, stored: &Value) -> String {
    let kind = match stored {
        Value::Null => "nothing",
        Value::Bool(_) => "a truth value",
        Value::Number(_) => "another number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    };
    format!("{wanted} expected, {kind} found")
}

macro_rules! plain {
    ($type:ty, $wanted:literal, $read:expr) => {
        impl Record for $type {
            fn write(&self) -> Value {
                Value::from(self.clone())
            }

            fn read(stored: &Value) -> Result<Self, String> {
                let read: fn(&Value) -> Option<Self> = $read;
                read(stored).ok_or_else(|| unlike($wanted, stored))
            }
        }
    };
}

plain!(bool, "a truth value", |stored| stored.as_bool().or(stored.is_null().then_some(false)));
plain!(i64, "a whole number", Value::as_i64);
plain!(u64, "a whole number", Value::as_u64);
plain!(u32, "a small whole number", |stored| { stored.as_u64().and_then(|number| number.try_into().ok()) });
plain!(String, "a text", |stored| stored.as_str().map(str::to_owned));

impl<T: Record> Record for Option<T> {
    fn write(&self) -> Value {
        self.as_ref().map_or(Value::Null, T::write)
    }

    fn read(stored: &Value) -> Result<Self, String> {
        (!stored.is_null()).then(|| T::read(stored)).transpose()
    }
}

impl<T: Record> Record for Vec<T> {
    fn write(&self) -> Value {
        Value::Array(self.iter().map(T::write).collect())
    }

    fn read(stored: &Value) -> Result<Self, String> {
        match stored {
            Value::Null => Ok(Self::new()),
            Value::Array(items) => items.iter().map(T::read).collect(),
            other => Err(unlike("a list", other)),
        }
    }
}

impl<T: Record> Record for BTreeMap<String, T> {
    fn write(&self) -> Value {
        Value::Object(self.iter().map(|(key, value)| (key.clone(), value.write())).collect())
    }

    fn read(stored: &Value) -> Result<Self, String> {
        match stored {
            Value::Null => Ok(Self::new()),
            Value::Object(items) => items.keys().map(|key| Ok((key.clone(), field(stored, key)?))).collect(),
            other => Err(unlike("an object", other)),
        }
    }
}

impl<A: Record, B: Record> Record for (A, B) {
    fn write(&self) -> Value {
        Value::Array(vec![self.0.write(), self.1.write()])
    }

    fn read(stored: &Value) -> Result<Self, String> {
        match stored.as_array().map(Vec::as_slice) {
            Some([first, second]) => Ok((A::read(first)?, B::read(second)?)),
            Some(_) | None => Err(unlike("a pair", stored)),
        }
    }
}
