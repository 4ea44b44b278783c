//! The words of the work itself: campaigns, contacts, call attempts, dialling rules.
//!
//! Pure values: no IO, no async, no clock, and no word that belongs to one platform.

pub mod call;
pub mod campaign;
pub mod contact;
pub mod destination;
pub mod ids;
pub mod json;
pub mod listing;
pub mod moment;
pub mod phone;
pub mod policy;
pub mod traces;
pub mod verbatim;
