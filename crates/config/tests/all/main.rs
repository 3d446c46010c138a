//! From text to meaning, as the other rooms see it.

#![cfg(test)]

mod tutorial;

mod dump;

// What is refused.
mod names;
mod values;

mod meaning;
mod unsupported;

mod malformed;

mod chains;

// What a control plane sends.
mod istiod;

mod leniency;
mod mutated;
mod others;
mod verdicts;

mod recorded;

mod told;
