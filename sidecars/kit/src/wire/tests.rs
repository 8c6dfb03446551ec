use serde_json::json;

use super::*;

fn answer_bytes(answer: &Result<Vec<Output>, WorkError>) -> Vec<u8> {
    let mut bytes = Vec::new();
    write_answer(&mut bytes, answer).unwrap();
    bytes
}

fn two_outputs() -> Result<Vec<Output>, WorkError> {
    let output = |suffix: &str, bytes: &[u8]| Output {
        suffix: suffix.to_owned(),
        content_type: "text/vtt".to_owned(),
        bytes: bytes.to_vec(),
    };
    Ok(vec![output(".vtt", b"WEBVTT\n\x00\xff"), output("_empty.json", b"")])
}

#[test]
fn a_request_and_its_source_arrive_as_they_were_sent() {
    let request = Request {
        task: json!({ "extension": "jpg" }),
        source_bytes: 3,
        memory_bytes_max: 1 << 30,
        processor_seconds_max: 60,
    };
    let mut sent = request_head(&request).unwrap();
    sent.extend(b"\x00\xffa and more");

    let mut pipe = sent.as_slice();
    let received = read_request(&mut pipe).unwrap();
    assert_eq!(received, request);
    let source = read_source(&mut pipe, received).unwrap();
    assert_eq!(source, Source { task: request.task, bytes: b"\x00\xffa".to_vec() });
}

#[test]
fn outputs_arrive_as_they_were_made() {
    assert_eq!(read_answer(&answer_bytes(&two_outputs())).unwrap(), two_outputs());
    assert_eq!(read_answer(&answer_bytes(&Ok(vec![]))).unwrap(), Ok(vec![]));
}

#[test]
fn a_failure_arrives_with_its_kind() {
    for failure in [WorkError::Unusable("not a picture".into()), WorkError::Temporary("no model yet".into())]
    {
        assert_eq!(read_answer(&answer_bytes(&Err(failure.clone()))).unwrap(), Err(failure));
    }
}

#[test]
fn an_answer_that_is_cut_anywhere_is_an_error() {
    let whole = answer_bytes(&two_outputs());
    for length in 0..whole.len() {
        assert!(read_answer(&whole[..length]).is_err(), "{length} of {} bytes", whole.len());
    }
}

#[test]
fn an_answer_with_more_than_it_says_is_an_error() {
    let mut answer = answer_bytes(&two_outputs());
    answer.push(0);
    assert!(read_answer(&answer).is_err());
}

#[test]
fn a_length_that_lies_takes_no_memory() {
    assert!(read_answer(&[0xff; 64]).is_err());
    let request =
        Request { task: json!({}), source_bytes: u64::MAX, memory_bytes_max: 0, processor_seconds_max: 0 };
    assert!(read_source(&mut b"short".as_slice(), request).is_err());
}
