//! The only opener of sockets to platforms and destinations.
