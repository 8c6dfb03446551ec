//! Where a listing goes on, also at another replica than it began at.
//!
//! A continuation token of one store means nothing to another. So of a bucket with several replicas clients get a token of ours:
//! the replica that answered, its token, and the last name on the page. The same replica is given its own token back, another
//! one is asked for what comes after the name. The older listings go on after a name anyway.

use relais_stores::Store;
use s3s::dto::{
    ListObjectVersionsInput, ListObjectVersionsOutput, ListObjectsInput, ListObjectsOutput,
    ListObjectsV2Input, ListObjectsV2Output,
};
use s3s::{S3Result, s3_error};
use serde::{Deserialize, Serialize};

use super::plain;
use crate::placement::{Bucket, Place};
use crate::s3::failover::{Read, What};
use crate::seal::Sealer;

/// Behind every name that begins with a common prefix: no character sorts later.
const LAST_CHARACTER: char = '\u{10FFFF}';

/// What a token of ours says.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Continuation {
    replica: String,
    token: String,
    after: String,
}

/// A request for a page.
pub(super) trait Asked: Sized {
    /// What may answer it beside the primary.
    fn may_fail_over(read: Read) -> Read {
        read
    }

    /// Takes the token off that is one of ours.
    fn open(&mut self, _tokens: &Sealer, _bucket: &Bucket) -> Option<Continuation> {
        None
    }

    /// Puts in where the page begins, in words that the store of this place understands.
    fn go_on_at(&mut self, _place: &Place, _primary: &Store, _from: Option<&Continuation>) -> S3Result<()> {
        Ok(())
    }
}

/// A page.
pub(super) trait Page {
    /// Makes the store's token one of ours.
    fn seal(&mut self, _tokens: &Sealer, _bucket: &Bucket, _place: usize, _encoded: bool) {}
}

impl Asked for ListObjectsInput {}
impl Page for ListObjectsOutput {}
impl Page for ListObjectVersionsOutput {}

impl Asked for ListObjectVersionsInput {
    /// A replica has other ids for its versions, and not every one of them.
    fn may_fail_over(read: Read) -> Read {
        Read { what: What::Versions, ..read }
    }
}

impl Asked for ListObjectsV2Input {
    fn open(&mut self, tokens: &Sealer, bucket: &Bucket) -> Option<Continuation> {
        self.continuation_token = self.continuation_token.take().filter(|token| !token.is_empty());
        let opened = tokens.open_with(self.continuation_token.as_deref()?, bucket.name.as_str())?;
        let opened = serde_json::from_slice(&opened).ok()?;
        self.continuation_token = None;
        Some(opened)
    }

    fn go_on_at(&mut self, place: &Place, primary: &Store, from: Option<&Continuation>) -> S3Result<()> {
        match from {
            Some(from) if from.replica == place.replica.to_string() => {
                self.continuation_token = Some(from.token.clone());
            }
            Some(from) => self.start_after = Some(from.after.clone()),
            // Not one of ours, so it can only be the primary's, from before the bucket had replicas.
            None if self.continuation_token.is_some() && place.store.name != primary.name => {
                return Err(s3_error!(
                    ServiceUnavailable,
                    "this listing can only go on when the primary is back; begin it anew"
                ));
            }
            None => {}
        }
        Ok(())
    }
}

impl Page for ListObjectsV2Output {
    fn seal(&mut self, tokens: &Sealer, bucket: &Bucket, place: usize, encoded: bool) {
        if bucket.places.len() == 1 {
            return;
        }
        let Some(token) = self.next_continuation_token.take() else { return };
        let key = self.contents.iter().flatten().filter_map(|object| object.key.as_deref()).next_back();
        let key = key.map(|key| plain(key, encoded));
        let prefixes = self.common_prefixes.iter().flatten();
        let prefix = prefixes.filter_map(|common| common.prefix.as_deref()).next_back();
        let prefix = prefix.map(|prefix| format!("{}{LAST_CHARACTER}", plain(prefix, encoded)));
        let after = key.max(prefix).unwrap_or_default();
        let replica = bucket.places[place].replica.to_string();
        let continuation = serde_json::to_vec(&Continuation { replica, token, after });
        let continuation = continuation.expect("texts can be written as JSON");
        self.next_continuation_token = Some(tokens.seal_with(&continuation, bucket.name.as_str()));
    }
}
