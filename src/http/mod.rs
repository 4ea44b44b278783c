//! Being talked to: the two facades and the admin listener.
