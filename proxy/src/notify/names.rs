//! Names of events, as notifications write them, and the wildcards that stand for several.
//!
//! The names are those of "Supported event types for SQS, SNS, and Lambda" in the Amazon S3 user guide, and of the SDKs. Some
//! relais never raises: they are understood, and never match. A star stands for all of a group, and only there where S3 has it.

use relais_model::EventKind;

/// A set of names of events.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct EventNames(u32);

/// A name that S3 does not know.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct UnknownName(pub(crate) String);

/// Every name. The place of each is its bit.
const NAMES: [&str; 24] = [
    "s3:ObjectCreated:Put",
    "s3:ObjectCreated:Post",
    "s3:ObjectCreated:Copy",
    "s3:ObjectCreated:CompleteMultipartUpload",
    "s3:ObjectRemoved:Delete",
    "s3:ObjectRemoved:DeleteMarkerCreated",
    "s3:ObjectTagging:Put",
    "s3:ObjectTagging:Delete",
    "s3:ObjectAcl:Put",
    "s3:Replication:OperationFailedReplication",
    "s3:Replication:OperationMissedThreshold",
    "s3:Replication:OperationReplicatedAfterThreshold",
    // From here on what relais never raises.
    "s3:Replication:OperationNotTracked",
    "s3:ReducedRedundancyLostObject",
    "s3:ObjectRestore:Post",
    "s3:ObjectRestore:Completed",
    "s3:ObjectRestore:Delete",
    "s3:LifecycleExpiration:Delete",
    "s3:LifecycleExpiration:DeleteMarkerCreated",
    "s3:LifecycleTransition",
    "s3:IntelligentTiering",
    "s3:ObjectAnnotation:Put",
    "s3:ObjectAnnotation:Delete",
    "s3:ObjectRetention:Put",
];

/// The wildcards that S3 has.
const WILDCARDS: [&str; 7] = [
    "s3:ObjectCreated:*",
    "s3:ObjectRemoved:*",
    "s3:ObjectTagging:*",
    "s3:ObjectRestore:*",
    "s3:Replication:*",
    "s3:LifecycleExpiration:*",
    "s3:ObjectAnnotation:*",
];

impl EventNames {
    /// Every name.
    pub(crate) const ALL: Self = Self(u32::MAX);

    /// What a list of names and wildcards stands for.
    pub(crate) fn parse(texts: &[String]) -> Result<Self, UnknownName> {
        let mut names = Self(0);
        for text in texts {
            names.0 |= bits(text).ok_or_else(|| UnknownName(text.clone()))?;
        }
        Ok(names)
    }

    /// Whether an event of this kind is meant.
    pub(crate) fn contains(self, kind: EventKind) -> bool {
        self.0 & bit(|name| name.strip_prefix("s3:") == Some(kind.name())) != 0
    }

    /// Whether there is a name in both.
    pub(crate) fn overlaps(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

/// What there is to choose from, for those who wrote something else.
pub(crate) fn known() -> String {
    [&WILDCARDS[..], &NAMES[..]].concat().join(", ")
}

fn bits(text: &str) -> Option<u32> {
    let found = match text.strip_suffix('*') {
        Some(group) if WILDCARDS.contains(&text) => bit(|name| name.starts_with(group)),
        _ => bit(|name| name == text),
    };
    (found != 0).then_some(found)
}

fn bit(wanted: impl Fn(&str) -> bool) -> u32 {
    let chosen = (0..).zip(NAMES).filter(|(_, name)| wanted(name));
    chosen.fold(0, |bits, (place, _): (u32, _)| bits | 1 << place)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(texts: &[&str]) -> EventNames {
        EventNames::parse(&texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn every_kind_has_its_name_and_no_other() {
        for kind in EventKind::ALL {
            let own = format!("s3:{}", kind.name());
            for name in NAMES {
                assert_eq!(names(&[name]).contains(kind), name == own, "{name}, {kind:?}");
            }
            assert!(EventNames::ALL.contains(kind) && !names(&[]).contains(kind));
        }
    }

    #[test]
    fn a_star_stands_for_its_group() {
        for wildcard in WILDCARDS {
            let group = wildcard.strip_suffix('*').unwrap();
            for name in NAMES {
                assert_eq!(
                    names(&[wildcard]).overlaps(names(&[name])),
                    name.starts_with(group),
                    "{wildcard}, {name}"
                );
            }
        }
    }

    #[test]
    fn no_other_name_is_taken() {
        let unknown = [
            "",
            "*",
            "s3:*",
            "s3:Object*",
            "s3:ObjectCreated",
            "s3:ObjectCreated:",
            "s3:ObjectCreated:P*",
            "s3:objectcreated:put",
            "ObjectCreated:Put",
            "s3:ObjectAcl:*",
            "s3:ReducedRedundancyLostObject*",
            "s3:TestEvent",
            "s3:ObjectAccessed:*",
            " s3:ObjectCreated:*",
        ];
        for text in unknown {
            let parsed = EventNames::parse(&["s3:ObjectCreated:*".to_owned(), text.to_owned()]);
            assert_eq!(parsed, Err(UnknownName(text.to_owned())));
            assert!(!known().split(", ").any(|name| name == text));
        }
    }

    #[test]
    fn what_is_never_raised_is_understood() {
        let never = names(&[
            "s3:ReducedRedundancyLostObject",
            "s3:ObjectRestore:*",
            "s3:LifecycleExpiration:*",
            "s3:LifecycleTransition",
            "s3:IntelligentTiering",
            "s3:Replication:OperationNotTracked",
        ]);
        assert!(EventKind::ALL.into_iter().all(|kind| !never.contains(kind)));
    }
}
