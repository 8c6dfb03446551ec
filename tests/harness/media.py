"""The files that tests send: photos, voice notes and things that only look like them."""

import io
import json
import random
import struct
import wave
import zlib

from PIL import Image

from .process import REPOSITORY

MIB = 1024 * 1024
FIXTURES = REPOSITORY / "tests" / "fixtures"
MODEL = FIXTURES / "ggml-digits.bin.gz"
SAMPLES = FIXTURES / "samples"
EXPECTED = json.loads((SAMPLES / "expected.json").read_text()) if SAMPLES.is_dir() else {}

CONTENT_TYPES = {
    "jpg": "image/jpeg",
    "m4a": "audio/mp4",
    "mp3": "audio/mpeg",
    "ogg": "audio/ogg",
    "pcm16": "audio/pcm",
    "png": "image/png",
    "wav": "audio/wav",
    "webp": "image/webp",
}


def content_type(name):
    return CONTENT_TYPES[name.rsplit(".", 1)[1]]


def photo(width=640, height=480, form="JPEG"):
    """A picture with something to see in it: a gradient with noise, so that it is neither tiny nor uniform."""
    noise = Image.effect_noise((width, height), 64)
    across = Image.linear_gradient("L").resize((width, height))
    picture = Image.merge("RGB", (noise, across, across.transpose(Image.Transpose.FLIP_TOP_BOTTOM)))
    file = io.BytesIO()
    picture.save(file, form)
    return file.getvalue()


def noise_wav(seconds=2):
    """White noise: valid audio that nobody spoke."""
    frames = random.Random(7).randbytes(2 * 16_000 * seconds)
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(16_000)
        out.writeframes(frames)
    return file.getvalue()


def random_bytes(count):
    """Bytes that are no file of any kind, the same each time."""
    return random.Random(count).randbytes(count)


def png_header(width, height):
    """A PNG that says how large it is, and a few rows of it: a bomb for whoever makes room first."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    rows = zlib.compress(bytes(3 * 50))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
