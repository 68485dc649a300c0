//! Wiring: builds the shells, runs the loop, tells systemd how we are.
