//! A panic while a statement is planned, as an error of that statement.

use std::future::Future;
use std::panic::AssertUnwindSafe;

use futures::FutureExt;

use crate::Error;

/// Awaits the work; should it panic, the statement fails and the node lives. What the work was building is dropped with
/// it and never seen again, so nothing half-made remains.
pub(crate) async fn or_error<T>(work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    match AssertUnwindSafe(work).catch_unwind().await {
        Ok(result) => result,
        Err(_) => {
            tracing::error!("planning a statement panicked");
            Err(Error::internal("the statement could not be planned"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_becomes_an_error() {
        let error = or_error::<()>(async { panic!("a defect") }).await.unwrap_err();
        assert_eq!(error.to_string(), "internal error: the statement could not be planned");
        assert_eq!(or_error(async { Ok(3) }).await.unwrap(), 3);
    }
}
