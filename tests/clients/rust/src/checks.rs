//! The checks: each says what it found where that is not what S3 promises.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use futures::TryStreamExt;
use futures::stream::{self, StreamExt};
use object_store::aws::Checksum;
use object_store::path::Path;
use object_store::signer::Signer;
use object_store::{
    Attribute, Attributes, Error, GetOptions, GetRange, ObjectStore, ObjectStoreExt, PutMode,
    PutMultipartOptions, PutOptions, TagSet, UpdateVersion, WriteMultipart,
};
use reqwest::{Method, StatusCode};

use crate::target::Target;

const MIB: usize = 1024 * 1024;
const PART_BYTES: usize = 5 * MIB; // The least that S3 takes as a part.
const MINUTE: Duration = Duration::from_secs(60);

/// Objects are put, read, listed flat and by folder, and deleted one by one and together.
pub(crate) async fn odd_keys(target: &Target) -> Result<()> {
    let (store, keys) = (target.store()?, &target.keys);
    for key in keys {
        let put = store.put(key, body_of(key).into()).await?;
        let got = store.get(key).await?;
        ensure!(got.meta.e_tag == put.e_tag, "another ETag came back for {key}");
        ensure!(got.bytes().await? == body_of(key), "another body came back for {key}");
    }
    let listed: Vec<Path> = store.list(None).map_ok(|object| object.location).try_collect().await?;
    ensure!(listed == *keys, "listed are {listed:?}");
    let level = store.list_with_delimiter(None).await?;
    let flat: Vec<_> = level.objects.into_iter().map(|object| object.location).collect();
    ensure!(flat == keys.iter().filter(|key| key.parts_count() == 1).cloned().collect::<Vec<_>>());
    ensure!(level.common_prefixes.len() == 2, "folded to {:?}", level.common_prefixes);

    store.delete(&keys[0]).await?;
    let rest = stream::iter(keys[1..].to_vec()).map(Ok).boxed();
    let deleted: Vec<_> = store.delete_stream(rest).try_collect().await?;
    ensure!(deleted.len() == keys.len() - 1, "deleted are {deleted:?}");
    ensure!(store.list(None).next().await.is_none(), "something is left");
    missing(store.get(&keys[0]).await)?;
    missing(store.head(&keys[0]).await)
}

/// Headers and metadata come back; tags are taken with the object.
pub(crate) async fn attributes_and_tags(target: &Target) -> Result<()> {
    let (store, key) = (target.store()?, Path::from("k"));
    let attributes = Attributes::from_iter([
        (Attribute::ContentType, "text/x-a"),
        (Attribute::CacheControl, "max-age=60"),
        (Attribute::ContentDisposition, "attachment"),
        (Attribute::Metadata("one".into()), "1"),
    ]);
    let mut tags = TagSet::default();
    tags.push("team", "red + blue");
    let options = PutOptions { attributes: attributes.clone(), tags, ..PutOptions::default() };
    store.put_opts(&key, "x".into(), options).await?;
    let got = store.get(&key).await?;
    ensure!(got.attributes == attributes, "came back as {:?}", got.attributes);
    Ok(())
}

/// Ranges, also several at once, and conditions on reads.
pub(crate) async fn ranges_and_conditions(target: &Target) -> Result<()> {
    let (store, key, body) = (target.store()?, Path::from("k"), noise(1000));
    let tag = store.put(&key, body.clone().into()).await?.e_tag;
    ensure!(store.get_range(&key, 10..20).await? == body[10..20]);
    ensure!(store.get_ranges(&key, &[0..5, 990..1000]).await? == [body.slice(0..5), body.slice(990..1000)]);
    let last = GetOptions { range: Some(GetRange::Suffix(7)), ..GetOptions::default() };
    ensure!(store.get_opts(&key, last).await?.bytes().await? == body[993..]);

    let known = GetOptions { if_none_match: tag.clone(), ..GetOptions::default() };
    ensure!(matches!(store.get_opts(&key, known).await, Err(Error::NotModified { .. })));
    let same = GetOptions { if_match: tag, ..GetOptions::default() };
    ensure!(store.get_opts(&key, same).await?.bytes().await? == body);
    let other = GetOptions { if_match: Some("\"0\"".into()), ..GetOptions::default() };
    ensure!(matches!(store.get_opts(&key, other).await, Err(Error::Precondition { .. })));
    Ok(())
}

/// Of many who create an object one wins, and an update that comes late is refused.
pub(crate) async fn conditional_writes(target: &Target) -> Result<()> {
    let (store, key) = (target.store()?, Path::from("k"));
    let created = stream::iter(0..8_u8)
        .map(|number| store.put_opts(&key, vec![number].into(), PutMode::Create.into()))
        .buffer_unordered(8)
        .collect::<Vec<_>>()
        .await;
    let mut winners = created.iter().filter_map(|result| result.as_ref().ok());
    let first = winners.next().context("nobody created the object")?;
    ensure!(winners.next().is_none(), "the object was created twice");

    let update = PutMode::Update(UpdateVersion { e_tag: first.e_tag.clone(), version: None });
    store.put_opts(&key, "next".into(), update.clone().into()).await?;
    let late = store.put_opts(&key, "late".into(), update.into()).await;
    ensure!(matches!(late, Err(Error::Precondition { .. })), "the late update gave {late:?}");
    ensure!(store.get(&key).await?.bytes().await? == "next");
    Ok(())
}

/// What is sent with a checksum arrives, in one piece and in parts.
pub(crate) async fn checksums(target: &Target) -> Result<()> {
    for checksum in [Checksum::SHA256, Checksum::CRC64NVME] {
        let store = target.store_with(checksum)?;
        let (key, body) = (Path::from(checksum.to_string()), noise(PART_BYTES + 1));
        store.put(&key, body.clone().into()).await?;
        ensure!(store.get(&key).await?.bytes().await? == body, "{checksum}: another body came back");
        let mut upload = WriteMultipart::new_with_chunk_size(store.put_multipart(&key).await?, PART_BYTES);
        upload.write(&body);
        upload.finish().await?;
        ensure!(store.get(&key).await?.bytes().await? == body, "{checksum}: other parts came back");
    }
    Ok(())
}

/// A large object goes up in parts, several at once, with its attributes; one that is given up leaves nothing.
pub(crate) async fn parts(target: &Target) -> Result<()> {
    let (store, key, body) = (target.store()?, Path::from("large"), noise(12 * MIB + 1));
    let attributes = Attributes::from_iter([(Attribute::ContentType, "video/x")]);
    let options = PutMultipartOptions { attributes: attributes.clone(), ..PutMultipartOptions::default() };
    let mut upload =
        WriteMultipart::new_with_chunk_size(store.put_multipart_opts(&key, options).await?, PART_BYTES);
    for piece in body.chunks(MIB) {
        upload.wait_for_capacity(2).await?;
        upload.write(piece);
    }
    let tag = upload.finish().await?.e_tag.context("the completed upload has no ETag")?;
    ensure!(tag.ends_with("-3\""), "three parts have the ETag {tag}");
    let got = store.get(&key).await?;
    ensure!(got.attributes == attributes, "came back as {:?}", got.attributes);
    ensure!(got.bytes().await? == body, "another body came back");

    let given_up = Path::from("given up");
    let mut upload = store.put_multipart(&given_up).await?;
    upload.put_part(noise(PART_BYTES).into()).await?;
    upload.abort().await?;
    missing(store.head(&given_up).await)
}

/// Objects are copied and renamed, also only where nothing is yet.
pub(crate) async fn copies(target: &Target) -> Result<()> {
    let store = target.store()?;
    let [first, .., last] = target.keys.as_slice() else { anyhow::bail!("two keys are needed") };
    store.put(last, body_of(last).into()).await?;
    store.copy(last, first).await?;
    ensure!(store.get(first).await?.bytes().await? == body_of(last));
    let new = Path::from("new");
    store.copy_if_not_exists(last, &new).await?;
    let again = store.copy_if_not_exists(first, &new).await;
    ensure!(matches!(again, Err(Error::AlreadyExists { .. })), "a second copy gave {again:?}");
    store.rename(&new, first).await?;
    ensure!(store.get(first).await?.bytes().await? == body_of(last));
    missing(store.head(&new).await)
}

/// Presigned URLs do what they were signed for, and nothing else.
pub(crate) async fn presigned_urls(target: &Target) -> Result<()> {
    let (store, stranger) = (target.store()?, target.stranger()?);
    let key = target.keys.last().context("a key is needed")?;
    let put = store.signed_url(Method::PUT, key, MINUTE).await?;
    ensure!(stranger.put(put).body("by url").send().await?.status() == StatusCode::OK);
    let get = store.signed_url(Method::GET, key, MINUTE).await?;
    ensure!(stranger.get(get.clone()).send().await?.bytes().await? == "by url");
    ensure!(stranger.delete(get).send().await?.status() == StatusCode::FORBIDDEN);
    let delete = store.signed_url(Method::DELETE, key, MINUTE).await?;
    ensure!(stranger.delete(delete).send().await?.status() == StatusCode::NO_CONTENT);
    missing(store.head(key).await)
}

fn body_of(key: &Path) -> Bytes {
    format!("this is {key}").into()
}

/// Bytes that do not repeat every few: a body that is put together wrongly is another one.
fn noise(count: usize) -> Bytes {
    let mut state = 1_u64;
    let next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state.to_be_bytes()[0]
    };
    std::iter::repeat_with(next).take(count).collect()
}

fn missing<T>(result: object_store::Result<T>) -> Result<()> {
    match result {
        Err(Error::NotFound { .. }) => Ok(()),
        Err(error) => Err(error).context("something else than 'not found'"),
        Ok(_) => anyhow::bail!("found what is not there"),
    }
}
