//! The known name that a misspelt one most likely stands for.

/// The least likeness (0 to 1) at which a field's name is worth suggesting.
const LEAST: f64 = 0.75;

/// The same for the name of a type: all types share most of their long packages.
const LEAST_FOR_TYPES: f64 = 0.93;

/// The field or value among `known` that is most like `written`, if one is like it at all.
pub(crate) fn name<'a>(written: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    most_like(written, known, LEAST)
}

/// The type among `known` that is most like `written`, if one is like it at all.
pub(super) fn type_name<'a>(written: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    most_like(written, known, LEAST_FOR_TYPES)
}

fn most_like<'a>(written: &str, known: impl Iterator<Item = &'a str>, least: f64) -> Option<&'a str> {
    let plain = |name: &str| name.to_ascii_lowercase().replace(['_', '-'], "");
    let wanted = plain(written);
    let likeness = |name: &'a str| (strsim::normalized_damerau_levenshtein(&wanted, &plain(name)), name);
    let best = known.map(likeness).max_by(|a, b| a.0.total_cmp(&b.0))?;
    (best.0 >= least).then_some(best.1)
}

#[cfg(test)]
mod tests {
    use super::name;

    #[test]
    fn suggests_only_what_is_like() {
        let known = ["op_timeout", "enable_redirection", "read_policy"];
        for (written, meant) in
            [("op_timout", "op_timeout"), ("opTimeOut", "op_timeout"), ("readpolicy", "read_policy")]
        {
            assert_eq!(name(written, known.into_iter()), Some(meant));
        }
        assert_eq!(name("cluster", known.into_iter()), None);
        assert_eq!(name("x", std::iter::empty()), None);
    }
}
