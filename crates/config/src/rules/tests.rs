use super::text::UNCHECKED;
use crate::schema::Schema;
use std::collections::BTreeSet;

/// The rules that `order`, `text` and `field` check.
const CHECKED: [&str; 26] = [
    "const",
    "lt",
    "lte",
    "gt",
    "gte",
    "in",
    "not_in",
    "len",
    "min_len",
    "max_len",
    "len_bytes",
    "min_bytes",
    "max_bytes",
    "prefix",
    "suffix",
    "contains",
    "not_contains",
    "ip",
    "ipv4",
    "ipv6",
    "defined_only",
    "required",
    "min_items",
    "max_items",
    "min_pairs",
    "unique",
];

/// Rules that are followed to what they hold.
const FOLLOWED: [&str; 2] = ["items", "ignore_empty"];

#[test]
fn every_rule_of_the_api_is_checked_or_listed_as_unchecked() {
    let schema = Schema::load().unwrap();
    let extension = schema.pool().get_extension_by_name("validate.rules").unwrap();
    let mut unknown = BTreeSet::new();
    let mut fields = 0;
    for field in schema.pool().all_messages().flat_map(|message| message.fields().collect::<Vec<_>>()) {
        let options = field.options();
        if !options.has_extension(&extension) {
            continue;
        }
        fields += 1;
        let rules = options.get_extension(&extension).as_message().unwrap().clone();
        for (_, rules) in rules.fields() {
            for (rule, _) in rules.as_message().unwrap().fields() {
                let name = rule.name().to_owned();
                if !CHECKED.iter().chain(&FOLLOWED).chain(&UNCHECKED).any(|known| *known == name) {
                    unknown.insert(name);
                }
            }
        }
    }
    assert!(fields > 300, "{fields}");
    assert_eq!(unknown, BTreeSet::new());
}
