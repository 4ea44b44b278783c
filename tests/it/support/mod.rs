//! The one helper: a real server on a random port, a temporary store, simulators.
