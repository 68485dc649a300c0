//! steadfast.toml and the watched directories of unit files.
