use super::*;

#[test]
fn a_password_is_neither_shown_nor_serialised() {
    for url in [
        "postgres://app:s3cret@db.example:5432/relais",
        "postgresql://app:s3c@s3cret@db.example/relais?sslmode=require",
        "postgres://app@db.example/relais?password=s3cret&sslmode=require",
    ] {
        let config = Config { url: url.to_owned(), connections_max: 4 };
        for shown in [format!("{config:?}"), serde_json::to_string(&config).unwrap()] {
            assert!(
                !shown.contains("s3c") && shown.contains("app") && shown.contains("db.example"),
                "{shown}"
            );
        }
    }
}

#[test]
fn a_file_is_shown_as_it_is() {
    let url = "sqlite:///var/lib/relais/catalog.db?mode=rwc";
    assert_eq!(without_password(url), url);
}
