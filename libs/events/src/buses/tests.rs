use super::*;
use crate::tests::servers::plain_config;

fn bus(name: &str, kind: Kind, key: &str) -> BusConfig {
    BusConfig {
        name: name.to_owned(),
        kind,
        redis_url: None,
        redis: None,
        key: key.to_owned(),
        length_max: None,
        partitions: None,
    }
}

fn built(config: &Config) -> Result<Vec<String>, String> {
    let publishers = publishers(config, "us-east-1").map_err(|error| error.to_string())?;
    Ok(publishers.iter().map(|publisher| publisher.name().to_owned()).collect())
}

#[tokio::test]
async fn the_default_stream_comes_first_and_needs_its_own_url() {
    let mut config = plain_config("redis://127.0.0.1:1", 10);
    config.buses = vec![bus("audit", Kind::Stream, "audit"), bus("mirror", Kind::Namespace, "mirror")];
    assert_eq!(built(&config).unwrap(), ["redis", "audit", "mirror"]);

    config.redis_url = None;
    assert_eq!(
        built(&config).unwrap_err(),
        "events: bus audit: set its redis_url, or events.redis_url (REDIS_URL)"
    );
    for bus in &mut config.buses {
        bus.redis_url = Some("redis://127.0.0.1:2".to_owned());
    }
    assert_eq!(built(&config).unwrap(), ["audit", "mirror"]);
}

#[tokio::test]
async fn what_contradicts_itself_is_said() {
    for (wrong, said) in [
        (vec![bus("two words", Kind::Stream, "k")], "the name \"two words\" must have"),
        (vec![bus("redis", Kind::Stream, "k")], "there is another bus redis"),
        (vec![bus("a", Kind::Access, "k"), bus("a", Kind::Access, "l")], "there is another bus a"),
        (vec![bus("a", Kind::Access, "")], "bus a: `key` must not be empty"),
        (
            vec![bus("a", Kind::Access, "relais:events")],
            "two of them write to \"relais:events\" of one redis",
        ),
        (vec![BusConfig { partitions: Some(2), ..bus("a", Kind::Channel, "k") }], "are for a stream"),
        (
            vec![BusConfig { partitions: Some(0), ..bus("a", Kind::Stream, "k") }],
            "partitions of bus a: from 1 to 64",
        ),
        (
            vec![BusConfig { redis_url: Some("mackerel".to_owned()), ..bus("a", Kind::Stream, "k") }],
            "redis_url of bus a is not the URL of a Redis",
        ),
    ] {
        let config = Config { buses: wrong, ..plain_config("redis://127.0.0.1:1", 10) };
        let error = built(&config).unwrap_err();
        assert!(error.contains(said) && !error.contains("mackerel"), "{error}");
    }
}

#[tokio::test]
async fn what_is_said_of_a_redis_must_make_sense() {
    let file = std::path::PathBuf::from("/nowhere/file");
    let none = RedisConfig::default;
    for (url, wrong, said) in [
        ("redis://h", RedisConfig { ca_file: Some(file.clone()), ..none() }, "has a rediss:// URL"),
        ("rediss://h", RedisConfig { ca_file: Some(file.clone()), ..none() }, "cannot read /nowhere/file"),
        ("rediss://h", RedisConfig { key_file: Some(file.clone()), ..none() }, "set both, or neither"),
        ("redis://h", RedisConfig { password_file: Some(file), ..none() }, "cannot read /nowhere/file"),
        ("redis://h", RedisConfig { nodes: vec!["h2".to_owned()], ..none() }, "\"h2\" is not the host:port"),
    ] {
        let config = Config { redis: wrong, ..plain_config(url, 10) };
        let error = built(&config).unwrap_err();
        assert!(error.contains(said), "{error}");
    }
}

#[tokio::test]
async fn a_failure_names_what_was_set_for_that_bus() {
    let of_its_own = "redis://127.0.0.1:2".to_owned();
    let options = RedisConfig::default();
    for (own_url, own_options, url, keys) in [
        (None, None, "events.redis_url (REDIS_URL)", "[events.redis]"),
        (None, Some(&options), "events.redis_url (REDIS_URL)", "[events.buses.redis] of bus a"),
        (Some(&of_its_own), None, "redis_url of bus a", "[events.buses.redis] of bus a"),
        (Some(&of_its_own), Some(&options), "redis_url of bus a", "[events.buses.redis] of bus a"),
    ] {
        let (redis_url, redis) = (own_url.cloned(), own_options.cloned());
        let bus = BusConfig { redis_url, redis, ..bus("a", Kind::Channel, "k") };
        let link = link(&plain_config("redis://127.0.0.1:1", 10), &bus).unwrap();

        let refused = |code: &str| {
            link.failure("ping", &redis::make_extension_error(code.to_owned(), None)).to_string()
        };
        assert!(refused("READONLY").ends_with(&format!("let {url} name the primary")));
        assert!(refused("NOAUTH").ends_with(&format!("the password in {url} and {keys}")));
        let away = link.command::<()>(&redis::cmd("PING")).await.unwrap_err();
        let told = link.failure("ping", &away).to_string();
        assert!(told.ends_with(&format!("see that it runs there and that {url} is right")), "{told}");
    }
}
