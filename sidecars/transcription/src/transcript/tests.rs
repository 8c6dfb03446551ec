use super::*;

fn transcript() -> Transcript {
    Transcript {
        text: "Mind the <b>gap</b> & go. ¿Qué?".to_owned(),
        language: Some("en".to_owned()),
        segments: vec![
            Segment { start: 0.0, end: 1.25, text: "Mind the <b>gap</b> & go.".to_owned() },
            Segment { start: 3661.04, end: 3662.9996, text: "¿Qué?\n\n --> no".to_owned() },
        ],
        model: "base".to_owned(),
        duration: 3_663.5,
    }
}

#[test]
fn json_is_what_readers_rely_on() {
    let json = String::from_utf8(transcript().to_json()).unwrap();
    assert_eq!(
        json,
        r#"{"text":"Mind the <b>gap</b> & go. ¿Qué?","language":"en","segments":[{"start":0.0,"end":1.25,"text":"Mind the <b>gap</b> & go."},{"start":3661.04,"end":3662.9996,"text":"¿Qué?\n\n --> no"}],"model":"base","duration":3663.5}"#
    );
    assert_eq!(serde_json::from_str::<Transcript>(&json).unwrap(), transcript());
}

#[test]
fn vtt_is_valid_whatever_was_said() {
    let wanted = "WEBVTT\n\n\
                  00:00:00.000 --> 00:00:01.250\nMind the &lt;b&gt;gap&lt;/b&gt; &amp; go.\n\n\
                  01:01:01.040 --> 01:01:03.000\n¿Qué? --&gt; no\n";
    assert_eq!(transcript().to_vtt(), wanted);
    assert_eq!(Transcript { segments: vec![], ..transcript() }.to_vtt(), "WEBVTT\n");
}

#[test]
fn the_text_is_not_in_what_is_logged() {
    let logged = format!("{:?}", transcript());
    assert!(!logged.contains("gap") && !logged.contains("Qué"), "{logged}");
}
