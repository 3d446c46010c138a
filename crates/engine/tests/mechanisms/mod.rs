//! Each mechanism by itself, in calm weather.

mod plain;
