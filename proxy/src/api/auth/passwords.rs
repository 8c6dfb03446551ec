//! Hashes of passwords, with bcrypt: slow on purpose, and so on a few threads of their own.
//!
//! The threads and the line before them are bounded, so that a flood of logins cannot take every core or all memory. Work that
//! has begun keeps its place until it is done, also when its client has gone.

use std::sync::Arc;

use relais_model::Secret;
use tokio::sync::Semaphore;

use super::config::AccountsConfig;
use super::credentials::Password;

/// Hashes passwords and compares them.
#[derive(Debug)]
pub(super) struct Passwords {
    cost: u32,
    /// What a password is compared with where there is no user, so that the answer takes as long. No password has it.
    decoy: Arc<str>,
    threads: Arc<Semaphore>,
    /// Those on the threads and those in line.
    places: Arc<Semaphore>,
}

/// Why a password was not looked at.
#[derive(Debug, thiserror::Error)]
pub(super) enum PasswordError {
    #[error("more passwords wait to be hashed than is allowed")]
    Busy,
    #[error("cannot hash a password")]
    Hash(#[from] bcrypt::BcryptError),
    #[error("the thread that hashes passwords ended early")]
    Thread(#[from] tokio::task::JoinError),
}

impl Passwords {
    pub(super) fn new(config: &AccountsConfig) -> Self {
        let cost = config.bcrypt_cost.get();
        let threads = config.password_threads_max.get();
        Self {
            cost,
            decoy: decoy(cost).into(),
            threads: Arc::new(Semaphore::new(threads)),
            places: Arc::new(Semaphore::new(threads.saturating_add(config.password_queue_max))),
        }
    }

    /// The hash of a password, with a salt of its own.
    pub(super) async fn hash(&self, password: Password) -> Result<Secret, PasswordError> {
        let cost = self.cost;
        let hash = self.on_thread(move || bcrypt::hash(password.expose(), cost)).await??;
        Ok(Secret::from(hash))
    }

    /// Whether the hash is of this password. Without a hash it is not, which takes as long to say.
    pub(super) async fn is_right(
        &self,
        password: Password,
        hash: Option<Secret>,
    ) -> Result<bool, PasswordError> {
        let decoy = Arc::clone(&self.decoy);
        self.on_thread(move || {
            let verified = hash.as_ref().map(|hash| bcrypt::verify(password.expose(), hash.expose()));
            if let Some(Ok(right)) = verified {
                return right;
            }
            if verified.is_some() {
                tracing::warn!("a user's password is not hashed with bcrypt: nobody can log in with it");
            }
            let _ = bcrypt::verify(password.expose(), &decoy); // For the time that it takes.
            false
        })
        .await
    }

    async fn on_thread<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, PasswordError> {
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| PasswordError::Busy)?;
        let thread = Arc::clone(&self.threads).acquire_owned().await.map_err(|_| PasswordError::Busy)?;
        let done = tokio::task::spawn_blocking(move || {
            let _held = (place, thread);
            work()
        });
        Ok(done.await?)
    }
}

/// A hash as bcrypt would write it, made of zeros.
fn decoy(cost: u32) -> String {
    const SALT_AND_HASH_CHARACTERS: usize = 53;
    format!("$2b${cost:02}${}", ".".repeat(SALT_AND_HASH_CHARACTERS))
}

#[cfg(test)]
mod tests;
