// Puts and gets with the credentials that the SDK finds by itself: `node web_identity.mjs BUCKET OWN FOREIGN`, two folders.
// Nothing of credentials is said here. test_web_identity.py starts it.

import assert from "node:assert/strict";

import { GetObjectCommand, PutObjectCommand, S3Client } from "@aws-sdk/client-s3";

const [Bucket, own, foreign] = process.argv.slice(2);
const client = new S3Client({ forcePathStyle: true });

await client.send(new PutObjectCommand({ Bucket, Key: `${own}note.txt`, Body: "by JavaScript" }));
const { Body } = await client.send(new GetObjectCommand({ Bucket, Key: `${own}note.txt` }));
assert.equal(await Body.transformToString(), "by JavaScript");

const denied = (error) => (assert.equal(error.name, "AccessDenied", error), true);
await assert.rejects(client.send(new PutObjectCommand({ Bucket, Key: `${foreign}note.txt`, Body: "x" })), denied);
await assert.rejects(client.send(new GetObjectCommand({ Bucket, Key: `${foreign}theirs.txt` })), denied);
