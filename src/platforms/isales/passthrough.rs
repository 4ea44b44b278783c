//! Nothing passes: every documented path of CC-iSales is served by its facade, and a signature
//! covers the whole body, so that none could be sent on before it has ended.

use super::client::Client;
use crate::platforms::{Operation, PassThrough, PassedBack, PlatformError, isales};

impl Client {
    /// # Errors
    /// Always `Unsupported`.
    #[expect(clippy::unused_async, reason = "both platforms' clients have the same functions")]
    pub async fn pass_through(&self, _request: PassThrough) -> Result<PassedBack, PlatformError> {
        let operation = Operation::PassThrough;
        Err(PlatformError::unsupported(operation, isales::support(operation)))
    }
}
