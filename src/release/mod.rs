//! Release links and the processes of a unit: facts read from disk and /proc.
