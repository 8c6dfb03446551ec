// Asks relais what programs in JavaScript ask: `node client.mjs CHECK BUCKET SCRATCHFILE`. A check that fails throws, and
// node ends with 1. test_javascript.py starts it, and gives endpoint, keys and the names of objects by the environment.

import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { createReadStream, writeFileSync } from "node:fs";
import { Readable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";

import * as S3 from "@aws-sdk/client-s3";
import { Upload } from "@aws-sdk/lib-storage";
import { createPresignedPost } from "@aws-sdk/s3-presigned-post";
import { getSignedUrl } from "@aws-sdk/s3-request-presigner";

const MIB = 1024 * 1024;
const [check, Bucket, scratchFile] = process.argv.slice(2);
const keys = JSON.parse(process.env.ODD_KEYS);
const client = new S3.S3Client({ forcePathStyle: true, maxAttempts: 1 });

// The headers of every request, as they are sent.
const sent = [];
client.middlewareStack.add(
  (next) => (request) => {
    sent.push(request.request.headers);
    return next(request);
  },
  { step: "finalizeRequest", priority: "low", name: "seeHeaders" },
);

const ask = (name, input) => client.send(new S3[`${name}Command`]({ Bucket, ...input }));
const signed = (name, input) => getSignedUrl(client, new S3[`${name}Command`]({ Bucket, ...input }), { expiresIn: 60 });
const bytes = async (answer) => Buffer.from(await answer.Body.transformToByteArray());
const text = async (answer) => (await bytes(answer)).toString();

/** Compares without a diff: that of two large bodies takes minutes. */
async function assertBody(answer, expected) {
  const found = await bytes(answer);
  assert.ok(found.equals(expected), `${found.length} bytes are not the ${expected.length} expected ones`);
}

async function refused(promise, name) {
  await assert.rejects(promise, (error) => (assert.equal(error.name, name, error), true));
}

const checks = {
  async oddKeys() {
    for (const Key of keys) {
      const { ETag } = await ask("PutObject", { Key, Body: `this is ${Key}` });
      assert.equal((await ask("HeadObject", { Key })).ETag, ETag);
      assert.equal(await text(await ask("GetObject", { Key })), `this is ${Key}`);
    }
    const listed = [];
    for await (const page of S3.paginateListObjectsV2({ client, pageSize: 4 }, { Bucket })) {
      listed.push(...page.Contents.map((entry) => entry.Key));
    }
    assert.deepEqual(listed, keys);
    await ask("DeleteObject", { Key: keys[0] });
    const { Deleted } = await ask("DeleteObjects", { Delete: { Objects: keys.map((Key) => ({ Key })) } });
    assert.deepEqual(new Set(Deleted.map((entry) => entry.Key)), new Set(keys));
    assert.equal((await ask("ListObjectsV2", {})).KeyCount, 0);
  },

  async headersAndRanges() {
    const headers = { ContentType: "text/x-a", CacheControl: "max-age=60", Metadata: { one: "1", two: "a b" } };
    const { ETag } = await ask("PutObject", { Key: "k", Body: "0123456789", ...headers });
    const got = await ask("GetObject", { Key: "k", Range: "bytes=2-4" });
    assert.deepEqual([await text(got), got.ContentRange], ["234", "bytes 2-4/10"]);
    for (const name of Object.keys(headers)) assert.deepEqual(got[name], headers[name]);
    await refused(ask("GetObject", { Key: "none" }), "NoSuchKey");
    await refused(ask("PutObject", { Key: "k", Body: "x", IfNoneMatch: "*" }), "PreconditionFailed");
    await ask("PutObject", { Key: "k", Body: "x", IfMatch: ETag });
    await refused(ask("PutObject", { Key: "k", Body: "y", IfMatch: ETag }), "PreconditionFailed");
  },

  async streamWithTrailer() {
    const body = randomBytes(3 * MIB + 1);
    writeFileSync(scratchFile, body);
    await ask("PutObject", { Key: "k", Body: createReadStream(scratchFile), ContentLength: body.length });
    const headers = sent.at(-1);
    assert.equal(headers["x-amz-trailer"], "x-amz-checksum-crc32");
    assert.equal(headers["x-amz-content-sha256"], "STREAMING-UNSIGNED-PAYLOAD-TRAILER");
    assert.equal(headers["x-amz-decoded-content-length"], String(body.length));
    const got = await ask("GetObject", { Key: "k" });
    await assertBody(got, body);
    assert.equal(got.ContentEncoding, undefined, "aws-chunked is how the body was sent, not what it is");
  },

  async checksums() {
    for (const ChecksumAlgorithm of ["CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"]) {
      const [Key, name] = [`by ${ChecksumAlgorithm}`, `Checksum${ChecksumAlgorithm}`];
      const stream = { Body: Readable.from([Key]), ContentLength: Key.length };
      const put = await ask("PutObject", { Key, ...stream, ChecksumAlgorithm });
      const got = await ask("GetObject", { Key, ChecksumMode: "ENABLED" });
      assert.equal(got[name], put[name]);
      assert.equal(await text(got), Key); // The SDK compares the checksum while it reads.
      assert.equal((await ask("HeadObject", { Key, ChecksumMode: "ENABLED" }))[name], put[name]);
      const wrong = Buffer.alloc(Buffer.from(put[name], "base64").length).toString("base64");
      await refused(ask("PutObject", { Key: "wrong", Body: Key, [name]: wrong }), "BadDigest");
    }
    assert.equal((await ask("ListObjectsV2", { Prefix: "wrong" })).KeyCount, 0);
  },

  async uploadInParts() {
    const body = randomBytes(12 * MIB + 1);
    const pieces = Array.from({ length: 13 }, (_, index) => body.subarray(index * MIB, (index + 1) * MIB));
    const params = { Bucket, Key: "large", Body: Readable.from(pieces), Metadata: { one: "1" } };
    const done = await new Upload({ client, params, partSize: 5 * MIB, queueSize: 2 }).done();
    assert.match(done.ETag, /-3"$/);
    const got = await ask("GetObject", { Key: "large" });
    assert.deepEqual(got.Metadata, { one: "1" });
    await assertBody(got, body);
    const part = await ask("GetObject", { Key: "large", PartNumber: 2 });
    assert.equal(part.PartsCount, 3);
    await assertBody(part, body.subarray(5 * MIB, 10 * MIB));
  },

  async uploadGivenUp() {
    const params = { Bucket, Key: "given up", Body: randomBytes(12 * MIB) };
    const given = new Upload({ client, params, partSize: 5 * MIB });
    given.on("httpUploadProgress", () => given.abort());
    await refused(given.done(), "AbortError");
    // The SDK tells the server after it told us; the tests end this program if it never does.
    while ((await ask("ListMultipartUploads", {})).Uploads?.length) await sleep(50);
    assert.equal((await ask("ListObjectsV2", {})).KeyCount, 0);
  },

  async copies() {
    const [Key, body] = [keys.at(-1), randomBytes(6 * MIB)];
    const CopySource = `${Bucket}/${encodeURIComponent(Key)}`;
    await ask("PutObject", { Key, Body: body, ContentType: "text/x-a" });
    await ask("CopyObject", { Key: "kept", CopySource });
    assert.equal((await ask("HeadObject", { Key: "kept" })).ContentType, "text/x-a");
    const { UploadId } = await ask("CreateMultipartUpload", { Key: "part" });
    const range = { PartNumber: 1, CopySourceRange: `bytes=1-${5 * MIB}` };
    const { CopyPartResult } = await ask("UploadPartCopy", { Key: "part", UploadId, CopySource, ...range });
    const Parts = [{ PartNumber: 1, ETag: CopyPartResult.ETag }];
    await ask("CompleteMultipartUpload", { Key: "part", UploadId, MultipartUpload: { Parts } });
    await assertBody(await ask("GetObject", { Key: "part" }), body.subarray(1, 5 * MIB + 1));
  },

  async presignedUrls() {
    const Key = keys.at(-1);
    const put = await signed("PutObject", { Key });
    // The SDK signs the CRC32 of the empty body that it sees, not that of what will be sent.
    assert.equal(new URL(put).searchParams.get("x-amz-checksum-crc32"), "AAAAAA==");
    assert.equal((await fetch(put, { method: "PUT", body: "by url" })).status, 200);
    assert.equal(await (await fetch(await signed("GetObject", { Key }))).text(), "by url");
    const head = await fetch(await signed("HeadObject", { Key }), { method: "HEAD" });
    assert.deepEqual([head.status, head.headers.get("content-length")], [200, "6"]);
    assert.equal((await fetch(await signed("GetObject", { Key }), { method: "DELETE" })).status, 403);
    assert.equal((await fetch(await signed("DeleteObject", { Key }), { method: "DELETE" })).status, 204);
    assert.equal((await fetch(await signed("GetObject", { Key }))).status, 404);
  },

  async presignedPart() {
    const { UploadId } = await ask("CreateMultipartUpload", { Key: "k" });
    const body = randomBytes(5 * MIB);
    const url = await signed("UploadPart", { Key: "k", UploadId, PartNumber: 1 });
    const answer = await fetch(url, { method: "PUT", body });
    const Parts = [{ PartNumber: 1, ETag: answer.headers.get("etag") }];
    await ask("CompleteMultipartUpload", { Key: "k", UploadId, MultipartUpload: { Parts } });
    await assertBody(await ask("GetObject", { Key: "k" }), body);
  },

  async presignedForm() {
    const Conditions = [["content-length-range", 0, 100], ["starts-with", "$key", "forms/"]];
    const Fields = { "Content-Type": "text/plain", "x-amz-meta-one": "1" };
    const Key = "forms/${filename}";
    const form = await createPresignedPost(client, { Bucket, Key, Conditions, Fields, Expires: 60 });
    const post = (body) => {
      const data = new FormData();
      for (const [name, value] of Object.entries(form.fields)) data.append(name, value);
      data.append("file", new Blob([body]), "a b+é.txt");
      return fetch(form.url, { method: "POST", body: data });
    };
    assert.equal((await post("by form")).status, 204);
    const got = await ask("GetObject", { Key: "forms/a b+é.txt" });
    assert.equal(await text(got), "by form");
    assert.deepEqual([got.ContentType, got.Metadata], ["text/plain", { one: "1" }]);
    const large = await post("x".repeat(101));
    assert.equal(large.status, 400);
    assert.match(await large.text(), /<Code>EntityTooLarge<\/Code>/);
  },

  async tagsAndVersions() {
    await ask("PutBucketVersioning", { VersioningConfiguration: { Status: "Enabled" } });
    const first = await ask("PutObject", { Key: "k", Body: "1", Tagging: "team=red" });
    await ask("PutObject", { Key: "k", Body: "2" });
    assert.equal(await text(await ask("GetObject", { Key: "k", VersionId: first.VersionId })), "1");
    const { TagSet } = await ask("GetObjectTagging", { Key: "k", VersionId: first.VersionId });
    assert.deepEqual(TagSet, [{ Key: "team", Value: "red" }]);
    assert.equal((await ask("DeleteObject", { Key: "k" })).DeleteMarker, true);
    await refused(ask("GetObject", { Key: "k" }), "NoSuchKey");
    const { Versions, DeleteMarkers } = await ask("ListObjectVersions", {});
    assert.deepEqual([Versions.length, DeleteMarkers.length], [2, 1]);
  },
};

await checks[check]();
