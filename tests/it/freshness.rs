//! How the directory and details stay true to the platforms: discovery, pushes, the read cache.

mod cache;
mod discovery;
mod pushes;
mod reasons;
