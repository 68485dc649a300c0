//! The loop: take an observation, decide, save, publish, act.
