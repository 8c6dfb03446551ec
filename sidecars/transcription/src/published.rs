//! The public Whisper models in whisper.cpp's format that `relais model fetch` knows.
//!
//! The files are those of `ggerganov/whisper.cpp` on Hugging Face at one fixed revision, so that a hash here and the
//! file there cannot drift apart. Sizes and hashes are what that repository's LFS records say, agreed on by several
//! independent projects that pin them. A model whose hash is not known that well is left out.

/// Where the published models are: a file's URL is this, a slash and the file's name.
pub const SOURCE: &str =
    "https://huggingface.co/ggerganov/whisper.cpp/resolve/5359861c739e955e79d9a303bcbc70fb988958b1";

/// A model that can be downloaded.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct PublishedModel {
    /// Short name, such as `base`; names ending in `.en` know English only.
    pub name: &'static str,
    /// Length of the file.
    pub bytes: u64,
    /// SHA-256 of the file in hexadecimal.
    pub sha256: &'static str,
}

impl PublishedModel {
    /// The name of the file, here and at the source.
    pub fn file(&self) -> String {
        format!("ggml-{}.bin", self.name)
    }
}

/// The published model of that name.
pub fn published(name: &str) -> Option<&'static PublishedModel> {
    PUBLISHED.iter().find(|model| model.name == name)
}

/// All models that can be downloaded, small ones first.
pub const PUBLISHED: [PublishedModel; 13] = [
    PublishedModel {
        name: "base-q5_1",
        bytes: 59_707_625,
        sha256: "422f1ae452ade6f30a004d7e5c6a43195e4433bc370bf23fac9cc591f01a8898",
    },
    PublishedModel {
        name: "tiny",
        bytes: 77_691_713,
        sha256: "be07e048e1e599ad46341c8d2a135645097a538221678b7acdd1b1919c6e1b21",
    },
    PublishedModel {
        name: "tiny.en",
        bytes: 77_704_715,
        sha256: "921e4cf8686fdd993dcd081a5da5b6c365bfde1162e72b08d75ac75289920b1f",
    },
    PublishedModel {
        name: "base",
        bytes: 147_951_465,
        sha256: "60ed5bc3dd14eea856493d334349b405782ddcaf0028d4b5df4088345fba2efe",
    },
    PublishedModel {
        name: "base.en",
        bytes: 147_964_211,
        sha256: "a03779c86df3323075f5e796cb2ce5029f00ec8869eee3fdfb897afe36c6d002",
    },
    PublishedModel {
        name: "small-q5_1",
        bytes: 190_085_487,
        sha256: "ae85e4a935d7a567bd102fe55afc16bb595bdb618e11b2fc7591bc08120411bb",
    },
    PublishedModel {
        name: "small",
        bytes: 487_601_967,
        sha256: "1be3a9b2063867b937e64e2ec7483364a79917e157fa98c5d94b5c1fffea987b",
    },
    PublishedModel {
        name: "small.en",
        bytes: 487_614_201,
        sha256: "c6138d6d58ecc8322097e0f987c32f1be8bb0a18532a3f88f734d1bbf9c41e5d",
    },
    PublishedModel {
        name: "large-v3-turbo-q5_0",
        bytes: 574_041_195,
        sha256: "394221709cd5ad1f40c46e6031ca61bce88931e6e088c188294c6d5a55ffa7e2",
    },
    PublishedModel {
        name: "medium",
        bytes: 1_533_763_059,
        sha256: "6c14d5adee5f86394037b4e4e8b59f1673b6cee10e3cf0b11bbdbee79c156208",
    },
    PublishedModel {
        name: "medium.en",
        bytes: 1_533_774_781,
        sha256: "cc37e93478338ec7700281a7ac30a10128929eb8f427dda2e865faa8f6da4356",
    },
    PublishedModel {
        name: "large-v3-turbo",
        bytes: 1_624_555_275,
        sha256: "1fc70f774d38eb169993ac391eea357ef47c88757ef72ee5943879b7e8e2bc69",
    },
    PublishedModel {
        name: "large-v3",
        bytes: 3_095_033_483,
        sha256: "64d182b440b98d5203c4f9bd541544d84c605196c4f7b845dfa11fb23594d1e2",
    },
];
