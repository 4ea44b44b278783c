//! Mistakes in tables: file, line, what was expected, all at once.
