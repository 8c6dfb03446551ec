//! Why an attempt at a job gave nothing.

use crate::sidecar::WorkError;

/// Why an attempt at a job gave nothing. What follows from each is the runner's to say.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The source is gone or another one has taken its place, which has a job of its own.
    #[error("the source was deleted or replaced")]
    Superseded,
    /// The service stops or the job is no longer ours.
    #[error("stopped before it was done")]
    Stopped,
    /// Nothing can be made of this source.
    #[error("{0}")]
    Unusable(String),
    /// Another attempt may succeed.
    #[error("{0}")]
    Temporary(String),
    /// The worker process died.
    #[error("{0}")]
    Crashed(String),
}

impl From<WorkError> for Failure {
    fn from(error: WorkError) -> Self {
        match error {
            WorkError::Unusable(why) => Self::Unusable(why),
            WorkError::Temporary(why) => Self::Temporary(why),
        }
    }
}
