//! The service manager over D-Bus: readings, jobs, enablement, boot, transient units.
