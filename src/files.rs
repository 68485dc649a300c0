//! "This path changed", debounced, for config and release.
