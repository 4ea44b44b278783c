//! What the product does, in terms of neither platform.
