use std::sync::{Arc, Mutex};

use sha2::{Digest, Sha256};
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::*;

/// A small server of files with ranges, which can cut connections.
struct Server {
    source: String,
    /// The range of each request, or nothing.
    asked: Arc<Mutex<Vec<Option<u64>>>>,
    task: JoinHandle<()>,
}

#[derive(Clone)]
struct Content {
    body: Vec<u8>,
    /// Bytes after which each connection is cut.
    cut_after: usize,
    ranges: bool,
    status: &'static str,
}

impl Content {
    fn whole(body: &[u8]) -> Self {
        Self { body: body.to_vec(), cut_after: usize::MAX, ranges: true, status: "200 OK" }
    }
}

impl Server {
    async fn start(content: Content) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let source = format!("http://{}/models", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let seen = asked.clone();
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                answer(stream, &content, &seen).await;
            }
        });
        Self { source, asked, task }
    }

    fn asked(&self) -> Vec<Option<u64>> {
        self.asked.lock().unwrap().clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn answer(mut stream: TcpStream, content: &Content, asked: &Mutex<Vec<Option<u64>>>) {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        request.push(stream.read_u8().await.unwrap());
    }
    let request = String::from_utf8(request).unwrap().to_lowercase();
    assert!(request.starts_with("get /models/ggml-test.bin http/1.1\r\n"), "{request}");
    let range = request.lines().find_map(|line| line.strip_prefix("range: bytes="));
    let start = range.map(|range| range.trim_end_matches('-').parse::<usize>().unwrap());
    asked.lock().unwrap().push(start.map(|start| start as u64));
    let (start, status) = match start.filter(|_| content.ranges) {
        Some(start) => (start, "206 Partial Content"),
        None => (0, content.status),
    };
    let (body, total) = (&content.body[start..], content.body.len());
    let range = format!("content-range: bytes {start}-{}/{total}", total - 1);
    let head = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n{range}\r\n\r\n", body.len());
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(&body[..body.len().min(content.cut_after)]).await.unwrap();
}

/// 300 kB that are no pattern, and the model that they are.
fn test_model() -> (Vec<u8>, PublishedModel) {
    let body: Vec<u8> = (0..9_600_u32).flat_map(|n| Sha256::digest(n.to_le_bytes()).to_vec()).collect();
    let sha256 = hex::encode(Sha256::digest(&body)).leak();
    (body.clone(), PublishedModel { name: "test", bytes: body.len() as u64, sha256 })
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[tokio::test]
async fn a_model_is_downloaded_whole_and_only_once() {
    let (body, model) = test_model();
    let server = Server::start(Content::whole(&body)).await;
    let folder = tempfile::tempdir().unwrap();
    let deeper = folder.path().join("models");

    let path = fetch(&model, &deeper, &server.source).await.unwrap();
    assert_eq!(path, deeper.join("ggml-test.bin"));
    assert!(std::fs::read(&path).unwrap() == body);
    fetch(&model, &deeper, &format!("{}/", server.source)).await.unwrap();
    assert_eq!(server.asked(), [None]);
    assert_eq!(names(&deeper), ["ggml-test.bin"]);
}

#[tokio::test]
async fn a_cut_download_goes_on_where_it_stopped() {
    let (body, model) = test_model();
    let server = Server::start(Content { cut_after: 200_000, ..Content::whole(&body) }).await;
    let folder = tempfile::tempdir().unwrap();

    let path = fetch(&model, folder.path(), &server.source).await.unwrap();
    assert!(std::fs::read(&path).unwrap() == body);
    let asked = server.asked();
    assert!(asked.len() == 2 && asked[0].is_none() && asked[1].is_some_and(|start| start > 0), "{asked:?}");
}

#[tokio::test]
async fn what_an_earlier_run_left_is_used() {
    let (body, model) = test_model();
    let folder = tempfile::tempdir().unwrap();
    for ranges in [true, false] {
        let server = Server::start(Content { ranges, ..Content::whole(&body) }).await;
        std::fs::write(folder.path().join("ggml-test.bin.part"), &body[..123_456]).unwrap();
        let path = fetch(&model, folder.path(), &server.source).await.unwrap();
        assert!(std::fs::read(&path).unwrap() == body);
        assert_eq!(server.asked(), [Some(123_456)]);
        assert_eq!(names(folder.path()), ["ggml-test.bin"]);
        std::fs::remove_file(path).unwrap();
    }
}

#[tokio::test]
async fn a_download_that_is_cut_again_and_again_keeps_its_part_and_says_so() {
    let (body, model) = test_model();
    let server = Server::start(Content { cut_after: 10, ..Content::whole(&body) }).await;
    let folder = tempfile::tempdir().unwrap();

    let error = fetch(&model, folder.path(), &server.source).await.unwrap_err();
    let kept = std::fs::read(folder.path().join("ggml-test.bin.part")).unwrap();
    assert!(body.starts_with(&kept) && !kept.is_empty());
    assert_eq!(
        error.to_string(),
        format!(
            "the download stopped after {} of {} bytes: run the command again to go on from there",
            kept.len(),
            body.len()
        )
    );
    assert_eq!(server.asked().len() as u32, TRIES_MAX);
}

#[tokio::test]
async fn a_wrong_hash_or_length_leaves_nothing() {
    let (body, model) = test_model();
    let mut changed = body.clone();
    changed[150_000] ^= 1;
    let longer = [body.clone(), vec![0; 100_000]].concat();
    for wrong in [changed, longer] {
        let server = Server::start(Content::whole(&wrong)).await;
        let folder = tempfile::tempdir().unwrap();
        let error = fetch(&model, folder.path(), &server.source).await.unwrap_err();
        assert!(matches!(error, FetchError::Wrong { .. }), "{error}");
        assert!(names(folder.path()).is_empty(), "{:?}", names(folder.path()));
    }
}

#[tokio::test]
async fn a_404_and_a_closed_port_say_what_to_look_at() {
    let (_, model) = test_model();
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(Content { status: "404 Not Found", ..Content::whole(b"no such file") }).await;
    let error = fetch(&model, folder.path(), &server.source).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "{}/ggml-test.bin answered 404 Not Found: is the source right, and does it have this model?",
            server.source
        )
    );

    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let error = fetch(&model, folder.path(), &format!("http://{closed}")).await.unwrap_err();
    assert_eq!(error.to_string(), format!("cannot reach http://{closed}/ggml-test.bin"));
    assert!(names(folder.path()).is_empty());
}
