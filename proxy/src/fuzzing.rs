//! What must hold whatever is sent: one function for each reader of input that nobody vouches for.
//!
//! Each takes bytes, makes of them what its reader takes, and panics where an invariant does not hold. The targets in `tests/fuzz`
//! call them with what libFuzzer thinks up; a unit test calls them with the seeds that are kept there. In a normal build none of
//! this is there. Inputs are lines of text, so that seeds can be read and written by hand.

mod claims;
mod cors;
mod form;
mod kind;
mod layout;
mod policy;
mod sealed;
#[cfg(test)]
mod tests;

pub use claims::claims;
pub use cors::cors;
pub use form::form;
pub use kind::kind;
pub use layout::layout;
pub use policy::policy;
pub use sealed::sealed;

use relais_model::Secret;

use crate::keyring::Keyring;

/// The keys of an instance. Its secret is no secret.
fn keyring() -> Keyring {
    Keyring::new(Secret::from("fuzzing, fuzzing, fuzzing, fuzzing".to_owned()), [])
}

/// The first lines of a text, and what is left of it; what is missing is empty.
fn lines<const COUNT: usize>(text: &str) -> ([&str; COUNT], &str) {
    let mut rest = text;
    let lines = std::array::from_fn(|_| {
        let (line, after) = rest.split_once('\n').unwrap_or((rest, ""));
        rest = after;
        line
    });
    (lines, rest)
}
