//! The commands people type; a file per command.
