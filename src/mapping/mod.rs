//! Document in, document and outcomes out. Knows no platform: the platforms' facts are data in
//! `mappings/`, and what data cannot say is Rust in `platforms/*/convert.rs`.

pub mod check;
pub mod engine;
pub mod table;
