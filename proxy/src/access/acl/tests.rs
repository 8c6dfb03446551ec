//! Lists from names, headers and documents, and what they allow.

use s3s::dto;

use super::*;

const EVERY: [Permission; 5] =
    [Permission::Read, Permission::Write, Permission::ReadAcp, Permission::WriteAcp, Permission::FullControl];

fn resolve(name: &GranteeName<'_>) -> Option<String> {
    match name {
        GranteeName::Id(id @ ("ada" | "bob")) => Some((*id).to_owned()),
        GranteeName::Email("bob@example.com") => Some("bob".to_owned()),
        _ => None,
    }
}

fn canned(name: &str) -> Acl {
    Acl::canned(name, "ada", "bea").unwrap()
}

fn grants(acl: &Acl) -> Vec<(Grantee, Permission)> {
    acl.grants.iter().map(|grant| (grant.grantee.clone(), grant.permission)).collect()
}

fn account(id: &str) -> Grantee {
    Grantee::Owner(id.to_owned())
}

fn allowed(acl: &Acl, who: Who<'_>) -> Vec<Permission> {
    EVERY.into_iter().filter(|permission| acl.allows(who, *permission)).collect()
}

#[test]
fn canned_names_grant_what_s3_says() {
    use Permission::{FullControl, Read, ReadAcp, Write};
    let cases = [
        ("private", vec![]),
        ("aws-exec-read", vec![]),
        ("public-read", vec![(Grantee::AllUsers, Read)]),
        ("public-read-write", vec![(Grantee::AllUsers, Read), (Grantee::AllUsers, Write)]),
        ("authenticated-read", vec![(Grantee::AuthenticatedUsers, Read)]),
        ("bucket-owner-read", vec![(account("bea"), Read)]),
        ("bucket-owner-full-control", vec![(account("bea"), FullControl)]),
        ("log-delivery-write", vec![(Grantee::LogDelivery, Write), (Grantee::LogDelivery, ReadAcp)]),
    ];
    for (name, others) in cases {
        let acl = canned(name);
        let mut expected = vec![(account("ada"), FullControl)];
        expected.extend(others);
        assert_eq!(acl.owner, "ada");
        assert_eq!(grants(&acl), expected, "{name}");
    }
    for unknown in ["", "Private", "public", "public-write"] {
        assert_eq!(Acl::canned(unknown, "ada", "bea"), None);
    }
}

#[test]
fn a_bucket_owner_gets_nothing_twice() {
    for name in ["bucket-owner-read", "bucket-owner-full-control"] {
        assert_eq!(Acl::canned(name, "ada", "ada").unwrap(), Acl::private("ada"), "{name}");
    }
}

#[test]
fn an_account_may_do_what_it_is_granted() {
    use Permission::{Read, ReadAcp, Write, WriteAcp};
    let table = [
        ("private", vec![], vec![], vec![]),
        ("public-read", vec![Read], vec![Read], vec![Read]),
        ("public-read-write", vec![Read, Write], vec![Read, Write], vec![Read, Write]),
        ("authenticated-read", vec![], vec![Read], vec![Read]),
        ("bucket-owner-read", vec![], vec![], vec![Read]),
        ("bucket-owner-full-control", vec![], vec![], EVERY.to_vec()),
        ("log-delivery-write", vec![], vec![], vec![]),
    ];
    for (name, anonymous, other, bucket_owner) in table {
        let acl = canned(name);
        assert_eq!(allowed(&acl, Who::Account("ada")), EVERY, "{name}");
        assert_eq!(allowed(&acl, Who::Anonymous), anonymous, "{name}");
        assert_eq!(allowed(&acl, Who::Account("bob")), other, "{name}");
        assert_eq!(allowed(&acl, Who::Account("bea")), bucket_owner, "{name}");
    }
    for permission in [Read, Write, ReadAcp, WriteAcp] {
        let acl = Acl { owner: "ada".to_owned(), grants: vec![Grant::to("bob", permission)] };
        assert_eq!(allowed(&acl, Who::Account("bob")), [permission]);
        assert_eq!(allowed(&acl, Who::Account("bo")), []);
        assert_eq!(allowed(&acl, Who::Anonymous), []);
    }
}

#[test]
fn an_owner_without_grants_still_rules_the_list() {
    let acl = Acl { owner: "ada".to_owned(), grants: Vec::new() };
    assert_eq!(allowed(&acl, Who::Account("ada")), [Permission::ReadAcp, Permission::WriteAcp]);
    assert_eq!(allowed(&acl, Who::Anonymous), []);
}

#[test]
fn full_control_must_itself_be_granted() {
    let grants = [Permission::Read, Permission::Write, Permission::ReadAcp, Permission::WriteAcp]
        .map(|permission| Grant::to("bob", permission));
    let acl = Acl { owner: "ada".to_owned(), grants: grants.to_vec() };
    assert!(!acl.allows(Who::Account("bob"), Permission::FullControl));
}

#[test]
fn public_grants_are_seen_and_taken_away() {
    for (name, public) in [
        ("private", false),
        ("public-read", true),
        ("public-read-write", true),
        ("authenticated-read", true),
        ("bucket-owner-full-control", false),
        ("log-delivery-write", false),
    ] {
        let acl = canned(name);
        assert_eq!(acl.is_public(), public, "{name}");
        let rest = acl.clone().without_public();
        assert!(!rest.is_public());
        assert_eq!(rest == acl, !public, "{name}");
        assert_eq!(allowed(&rest, Who::Account("ada")), EVERY);
    }
}

#[test]
fn a_store_hears_the_nearest_canned_name() {
    for (name, nearest) in [
        ("private", "private"),
        ("public-read", "public-read"),
        ("public-read-write", "public-read-write"),
        ("authenticated-read", "authenticated-read"),
        ("bucket-owner-full-control", "private"),
        ("log-delivery-write", "private"),
    ] {
        assert_eq!(canned(name).nearest_canned(), nearest);
    }
    let to_all = |permission| {
        let grant = Grant { grantee: Grantee::AllUsers, permission };
        Acl { owner: "ada".to_owned(), grants: vec![grant] }.nearest_canned()
    };
    assert_eq!(to_all(Permission::FullControl), "public-read-write");
    assert_eq!(to_all(Permission::Write), "private");
    assert_eq!(to_all(Permission::ReadAcp), "private");
}

#[test]
fn headers_describe_a_list() {
    let headers = GrantHeaders {
        read: Some(r#"id="ada", emailAddress="bob@example.com""#),
        full_control: Some("id=bob,ID = \"ada\""),
        write_acp: Some(r#" uri="http://acs.amazonaws.com/groups/global/AllUsers" , id="bob" "#),
        write: Some(r#"uri="http://acs.amazonaws.com/groups/s3/LogDelivery", id=bob, id="bob""#),
        read_acp: Some("uri=http://acs.amazonaws.com/groups/global/AuthenticatedUsers"),
    };
    use Permission::{FullControl, Read, ReadAcp, Write, WriteAcp};
    let acl = Acl::from_grants("ada", &headers, &resolve).unwrap();
    let expected = [
        (account("ada"), Read),
        (account("bob"), Read),
        (Grantee::LogDelivery, Write),
        (account("bob"), Write),
        (Grantee::AuthenticatedUsers, ReadAcp),
        (Grantee::AllUsers, WriteAcp),
        (account("bob"), WriteAcp),
        (account("bob"), FullControl),
        (account("ada"), FullControl),
    ];
    assert_eq!(grants(&acl), expected);
    assert!(!headers.are_absent() && GrantHeaders::default().are_absent());
}

#[test]
fn headers_that_name_nobody_are_refused() {
    use S3ErrorCode::{InvalidArgument, UnresolvableGrantByEmailAddress};
    for (text, code) in [
        (r#"id="eve""#, InvalidArgument),
        (r#"emailAddress="eve@example.com""#, UnresolvableGrantByEmailAddress),
        (r#"uri="http://acs.amazonaws.com/groups/global/Others""#, InvalidArgument),
        ("ada", InvalidArgument),
        ("id=", InvalidArgument),
        (r#"id="""#, InvalidArgument),
        (r#"id="ada"#, InvalidArgument),
        (r#"id="ada" id="bob""#, InvalidArgument),
        (r#"id="ada","#, InvalidArgument),
        (r#"name="ada""#, InvalidArgument),
        (r#", id="ada""#, InvalidArgument),
        ("=", InvalidArgument),
    ] {
        let headers = GrantHeaders { read: Some(text), ..GrantHeaders::default() };
        let error = Acl::from_grants("ada", &headers, &resolve).expect_err(text);
        assert_eq!(error.code(), code, "{text}: {error}");
    }
}

#[test]
fn headers_without_text_grant_nothing() {
    let headers = GrantHeaders { read: Some(""), ..GrantHeaders::default() };
    assert_eq!(Acl::from_grants("ada", &headers, &resolve).unwrap().grants, []);
}

fn grantee(kind: &'static str, value: Option<&str>) -> dto::Grantee {
    let value = value.map(str::to_owned);
    let mut grantee = dto::Grantee {
        display_name: None,
        email_address: None,
        id: None,
        type_: dto::Type::from_static(kind),
        uri: None,
    };
    match kind {
        "Group" => grantee.uri = value,
        "AmazonCustomerByEmail" => grantee.email_address = value,
        _ => grantee.id = value,
    }
    grantee
}

fn document(owner: Option<&str>, grants: Vec<(dto::Grantee, &'static str)>) -> dto::AccessControlPolicy {
    dto::AccessControlPolicy {
        owner: owner.map(|id| dto::Owner { id: Some(id.to_owned()), display_name: None }),
        grants: Some(
            grants
                .into_iter()
                .map(|(grantee, permission)| dto::Grant {
                    grantee: Some(grantee),
                    permission: Some(dto::Permission::from_static(permission)),
                })
                .collect(),
        ),
    }
}

#[test]
fn a_document_describes_a_list() {
    let all = "http://acs.amazonaws.com/groups/global/AllUsers";
    let document = document(
        Some("ada"),
        vec![
            (grantee("CanonicalUser", Some("ada")), "FULL_CONTROL"),
            (grantee("AmazonCustomerByEmail", Some("bob@example.com")), "READ_ACP"),
            (grantee("Group", Some(all)), "WRITE"),
        ],
    );
    let acl = Acl::from_dto("ada", &document, &resolve).unwrap();
    let expected = [
        (account("ada"), Permission::FullControl),
        (account("bob"), Permission::ReadAcp),
        (Grantee::AllUsers, Permission::Write),
    ];
    assert_eq!(grants(&acl), expected);
}

#[test]
fn a_document_may_revoke_all_and_leave_out_the_owner() {
    let empty = dto::AccessControlPolicy { owner: None, grants: None };
    for document in [empty, document(None, vec![]), document(Some("ada"), vec![])] {
        let acl = Acl::from_dto("ada", &document, &resolve).unwrap();
        assert_eq!(acl, Acl { owner: "ada".to_owned(), grants: Vec::new() });
    }
}

#[test]
fn a_document_with_a_fault_is_refused() {
    use S3ErrorCode::{AccessDenied, InvalidArgument, MalformedACLError, UnresolvableGrantByEmailAddress};
    let one = |grantee, permission| document(Some("ada"), vec![(grantee, permission)]);
    let mut nobody = one(grantee("CanonicalUser", Some("ada")), "READ");
    nobody.grants.as_mut().unwrap()[0].grantee = None;
    let mut nothing = one(grantee("CanonicalUser", Some("ada")), "READ");
    nothing.grants.as_mut().unwrap()[0].permission = None;
    let many = (0..101).map(|_| (grantee("CanonicalUser", Some("ada")), "READ")).collect();
    assert!(Acl::from_dto("ada", &document(None, many), &resolve).is_ok(), "the same grant counts once");
    for (document, code) in [
        (document(Some("bob"), vec![]), AccessDenied),
        (one(grantee("CanonicalUser", Some("_foo")), "READ"), InvalidArgument),
        (one(grantee("Group", Some("http://example.com/group")), "READ"), InvalidArgument),
        (
            one(grantee("AmazonCustomerByEmail", Some("no@example.com")), "READ"),
            UnresolvableGrantByEmailAddress,
        ),
        (one(grantee("CanonicalUser", None), "READ"), MalformedACLError),
        (one(grantee("Group", None), "READ"), MalformedACLError),
        (one(grantee("AmazonCustomerByEmail", None), "READ"), MalformedACLError),
        (one(grantee("Robot", Some("ada")), "READ"), MalformedACLError),
        (one(grantee("CanonicalUser", Some("ada")), "read"), MalformedACLError),
        (nobody, MalformedACLError),
        (nothing, MalformedACLError),
    ] {
        let error = Acl::from_dto("ada", &document, &resolve).unwrap_err();
        assert_eq!(error.code(), code, "{error}");
    }
}

#[test]
fn more_than_a_hundred_grants_are_refused() {
    let grants = (0..101).map(|_| (grantee("CanonicalUser", Some("x")), "READ")).collect();
    let counter = std::cell::Cell::new(0);
    let anybody = |_: &GranteeName<'_>| {
        counter.set(counter.get() + 1);
        Some(format!("account-{}", counter.get()))
    };
    let error = Acl::from_dto("ada", &document(None, grants), &anybody).unwrap_err();
    assert_eq!(error.to_string(), "there are 101 grants; at most 100 are allowed");
    assert_eq!(error.code(), S3ErrorCode::MalformedACLError);
}

#[test]
fn a_list_goes_into_a_document_and_back() {
    let name_of = |id: &str| (id == "ada").then(|| "Ada".to_owned());
    for name in
        ["private", "public-read-write", "authenticated-read", "bucket-owner-read", "log-delivery-write"]
    {
        let acl = Acl::canned(name, "ada", "bob").unwrap();
        let (owner, grants) = acl.to_dto(&name_of);
        assert_eq!((owner.id.as_deref(), owner.display_name.as_deref()), (Some("ada"), Some("Ada")));
        let document = dto::AccessControlPolicy { owner: Some(owner), grants: Some(grants) };
        let back = Acl::from_dto("ada", &document, &resolve).unwrap();
        assert_eq!(back.grants.len(), acl.grants.len());
        assert!(acl.grants.iter().all(|grant| back.grants.contains(grant)), "{name}");
    }
}

#[test]
fn a_document_names_groups_first_and_accounts_by_name() {
    let name_of = |id: &str| Some(id.to_uppercase());
    let (_, grants) = Acl::canned("public-read", "ada", "bob").unwrap().to_dto(&name_of);
    let group = grants[0].grantee.as_ref().unwrap();
    assert_eq!(group.type_.as_str(), "Group");
    assert_eq!(group.uri.as_deref(), Some("http://acs.amazonaws.com/groups/global/AllUsers"));
    assert_eq!((&group.id, &group.display_name), (&None, &None));
    let owner = grants[1].grantee.as_ref().unwrap();
    assert_eq!(owner.type_.as_str(), "CanonicalUser");
    assert_eq!((owner.id.as_deref(), owner.display_name.as_deref()), (Some("ada"), Some("ADA")));
    assert_eq!(owner.uri, None);
    assert_eq!(grants[1].permission.as_ref().unwrap().as_str(), "FULL_CONTROL");
}

#[test]
fn a_list_is_kept_as_a_short_line_of_json() {
    let acl = canned("public-read");
    let line = serde_json::to_string(&acl).unwrap();
    assert_eq!(
        line,
        r#"{"owner":"ada","grants":[{"to":{"id":"ada"},"may":"FULL_CONTROL"},{"to":"all","may":"READ"}]}"#
    );
    for name in
        ["private", "public-read-write", "authenticated-read", "bucket-owner-read", "log-delivery-write"]
    {
        let acl = canned(name);
        let line = serde_json::to_string(&acl).unwrap();
        assert_eq!(serde_json::from_str::<Acl>(&line).unwrap(), acl);
    }
    assert!(serde_json::from_str::<Acl>(r#"{"owner":"ada","grants":[],"more":1}"#).is_err());
    assert!(serde_json::from_str::<Acl>(r#"{"owner":"ada","grants":[{"to":"some","may":"READ"}]}"#).is_err());
}
