//! What an error of a library comes down to.

use std::error::Error;
use std::io;

/// Errors looked at on the way down to a root cause.
const DEPTH: usize = 16;

/// An error and its causes, outermost first. Unlike `source`, it does not skip what an `io::Error` wraps.
#[must_use]
pub fn of<'a>(error: &'a (dyn Error + 'static)) -> Vec<&'a (dyn Error + 'static)> {
    let cause = |error: &'a (dyn Error + 'static)| -> Option<&'a (dyn Error + 'static)> {
        match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(wrapped) => Some(wrapped),
            None => error.source(),
        }
    };
    std::iter::successors(Some(error), |&error| cause(error)).take(DEPTH).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_include_what_an_io_error_wraps() {
        let inner = rustls::Error::DecryptError;
        let error = io::Error::other(io::Error::other(inner));
        let found = of(&error);
        assert_eq!(found.len(), 3);
        assert!(found.last().is_some_and(|last| last.is::<rustls::Error>()));
    }
}
