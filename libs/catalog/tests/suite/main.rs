//! The catalog's promises, each checked on SQLite, and on PostgreSQL where `RELAIS_TEST_POSTGRES_URL` names a server
//! on which databases may be created.
#![expect(clippy::unwrap_used, reason = "helpers of tests are not seen as tests")]

mod access_keys;
mod adoption;
mod buckets;
mod errors;
mod event_log;
mod instances;
mod jobs;
mod journal;
mod key_locks;
mod objects;
mod overdue;
mod revocations;
mod scratch;
mod settling;
mod start;
mod uploads;
mod users;
mod users_of_others;
mod versions;

/// Runs each test once on either database.
macro_rules! on_both {
    ($($test:ident),* $(,)?) => {
        mod sqlite {
            $(
                #[tokio::test(flavor = "multi_thread")]
                async fn $test() {
                    let scratch = crate::scratch::Scratch::sqlite();
                    super::$test(&scratch).await;
                }
            )*
        }

        mod postgres {
            $(
                #[tokio::test(flavor = "multi_thread")]
                async fn $test() {
                    if let Some(scratch) = crate::scratch::Scratch::postgres().await {
                        super::$test(&scratch).await;
                        scratch.remove().await;
                    }
                }
            )*
        }
    };
}
pub(crate) use on_both;
