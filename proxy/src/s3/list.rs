//! Listings of a bucket: as the primary has it, or who may stand in for it (`failover`), under the name that clients use.
//!
//! What the request said is repeated in the answer here, since not every store does it. Owners are
//! relais's: the object's where the catalog knows it, else the bucket's.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use relais_stores::request;
use s3s::dto::{
    EncodingType, ListObjectVersionsInput, ListObjectVersionsOutput, ListObjectsInput, ListObjectsOutput,
    ListObjectsV2Input, ListObjectsV2Output, Object, Owner,
};
use s3s::{S3Request, S3Response, S3Result, s3_error};

use super::failover::Read;
use super::shown::show;
use crate::error::GatewayError;
use crate::gateway::Gateway;
use crate::placement::Bucket;

mod pages;

use pages::{Asked, Page};

/// Keys of one answer, as S3 has it, and where the request says nothing.
const KEYS_MAX: i32 = 1000;

/// What stays as it is when keys are encoded for XML.
const ENCODED: AsciiSet =
    NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/').remove(b'*');

/// Percent-encodes a key as `encoding-type=url` wants it: form encoding, but for slashes.
pub(super) fn encode(text: &str) -> String {
    utf8_percent_encode(text, &ENCODED).to_string().replace("%20", "+")
}

/// A name as it is, from how an answer writes it.
fn plain(text: &str, encoded: bool) -> String {
    match encoded {
        true => percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned(),
        false => text.to_owned(),
    }
}

/// Asks for a page, and repeats in the answer what the request said.
macro_rules! listing {
    ($method:ident, $input:ident, $output:ident, $operation:ident, $($echoed:ident)*) => {
        pub(super) async fn $method(&self, asked: S3Request<$input>) -> S3Result<S3Response<$output>> {
            let bucket = self.bucket(&asked.input.bucket)?;
            let asked = asked.input;
            let max_keys = asked.max_keys.unwrap_or(KEYS_MAX);
            if max_keys < 0 {
                return Err(s3_error!(InvalidArgument, "max-keys must not be negative"));
            }
            let owner = self.owner(&self.rules(&bucket).await?.owner);
            let mut input = asked.clone();
            input.expected_bucket_owner = None;
            let from = input.open(&self.tokens, &bucket);
            let primary = &bucket.primary().store;
            let read = $input::may_fail_over(Read::listing(&bucket));
            let answer = self.ask(&read, |place, _| {
                let mut input = $input { bucket: place.bucket.to_string(), ..input.clone() };
                match input.go_on_at(place, primary, from.as_ref()) {
                    Ok(()) => place.store.s3.$operation(request(input)),
                    Err(refused) => Box::pin(std::future::ready(Err(refused))),
                }
            });
            let mut answer = answer.await?;
            let output = &mut answer.output;
            let encoded = asked.encoding_type.as_ref().is_some_and(|kind| kind.as_str() == EncodingType::URL);
            let text = |text: &String| if encoded { encode(text) } else { text.clone() };
            $(output.$echoed = asked.$echoed.as_ref().filter(|text| !text.is_empty()).map(text);)*
            output.name = Some(bucket.name.to_string());
            output.max_keys = Some(max_keys.min(KEYS_MAX));
            output.encoding_type = asked.encoding_type.clone();
            output.is_truncated = output.is_truncated.or(Some(false));
            output.complete(&owner, &asked);
            self.name_owners(&bucket, output.contents_mut(), encoded).await?;
            output.seal(&self.tokens, &bucket, answer.place, encoded);
            output.show(); // After the owners, who are looked up by the keys themselves.
            Ok(answer.into_response())
        }
    };
}

impl Gateway {
    listing!(list, ListObjectsInput, ListObjectsOutput, list_objects, marker delimiter);
    listing!(
        list_v2,
        ListObjectsV2Input,
        ListObjectsV2Output,
        list_objects_v2,
        prefix start_after delimiter
    );
    listing!(
        list_versions,
        ListObjectVersionsInput,
        ListObjectVersionsOutput,
        list_object_versions,
        prefix key_marker delimiter
    );
}

impl Gateway {
    /// Names the owner of each object that does not belong to the bucket's.
    async fn name_owners(
        &self,
        bucket: &Bucket,
        objects: &mut [Object],
        encoded: bool,
    ) -> Result<(), GatewayError> {
        let named = objects.iter_mut().filter(|object| object.owner.is_some());
        let mut named: Vec<_> =
            named.filter_map(|object| Some((plain(object.key.as_deref()?, encoded), object))).collect();
        let keys: Vec<&str> = named.iter().map(|(key, _)| key.as_str()).collect();
        if keys.is_empty() {
            return Ok(());
        }
        let owners = self.objects.owners(&bucket.name, &keys).await?;
        for (key, object) in &mut named {
            if let Some(owner) = owners.get(key) {
                object.owner = Some(self.owner(owner));
            }
        }
        Ok(())
    }
}

/// Puts relais's owner where the store named its own, and repeats what is special to one kind of listing.
trait Owned {
    type Input;

    fn complete(&mut self, owner: &Owner, asked: &Self::Input);

    /// Makes every text something that XML can show.
    fn show(&mut self);

    /// The objects whose owner is not the bucket's where the catalog knows better.
    fn contents_mut(&mut self) -> &mut [Object] {
        &mut []
    }
}

impl Owned for ListObjectsOutput {
    type Input = ListObjectsInput;

    fn complete(&mut self, owner: &Owner, asked: &ListObjectsInput) {
        // Clients of this version take the prefix as they wrote it, encoding or not.
        self.prefix = Some(asked.prefix.clone().unwrap_or_default());
        self.marker.get_or_insert_default();
        for object in self.contents.iter_mut().flatten() {
            object.owner = Some(owner.clone());
        }
    }

    fn show(&mut self) {
        show_all([&mut self.prefix, &mut self.marker, &mut self.next_marker, &mut self.delimiter]);
        show_all(self.contents.iter_mut().flatten().map(|object| &mut object.key));
        show_all(self.common_prefixes.iter_mut().flatten().map(|common| &mut common.prefix));
    }

    fn contents_mut(&mut self) -> &mut [Object] {
        self.contents.as_deref_mut().unwrap_or_default()
    }
}

impl Owned for ListObjectsV2Output {
    type Input = ListObjectsV2Input;

    fn complete(&mut self, owner: &Owner, asked: &ListObjectsV2Input) {
        self.prefix.get_or_insert_default();
        self.continuation_token.clone_from(&asked.continuation_token);
        let wanted = asked.fetch_owner == Some(true);
        for object in self.contents.iter_mut().flatten() {
            object.owner = wanted.then(|| owner.clone());
        }
    }

    fn show(&mut self) {
        show_all([
            &mut self.prefix,
            &mut self.start_after,
            &mut self.continuation_token,
            &mut self.delimiter,
        ]);
        show_all(self.contents.iter_mut().flatten().map(|object| &mut object.key));
        show_all(self.common_prefixes.iter_mut().flatten().map(|common| &mut common.prefix));
    }

    fn contents_mut(&mut self) -> &mut [Object] {
        self.contents.as_deref_mut().unwrap_or_default()
    }
}

impl Owned for ListObjectVersionsOutput {
    type Input = ListObjectVersionsInput;

    fn complete(&mut self, owner: &Owner, _: &ListObjectVersionsInput) {
        for version in self.versions.iter_mut().flatten() {
            version.owner = Some(owner.clone());
        }
        for marker in self.delete_markers.iter_mut().flatten() {
            marker.owner = Some(owner.clone());
        }
    }

    fn show(&mut self) {
        show_all([&mut self.prefix, &mut self.key_marker, &mut self.next_key_marker, &mut self.delimiter]);
        show(&mut self.version_id_marker);
        show_all(self.versions.iter_mut().flatten().map(|version| &mut version.key));
        show_all(self.delete_markers.iter_mut().flatten().map(|marker| &mut marker.key));
        show_all(self.common_prefixes.iter_mut().flatten().map(|common| &mut common.prefix));
    }
}

fn show_all<'a>(texts: impl IntoIterator<Item = &'a mut Option<String>>) {
    texts.into_iter().for_each(show);
}
