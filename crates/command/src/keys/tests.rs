use crate::invocation::Invocation;
use crate::{BadKeys, Command, TABLE, get, lookup};
use proptest::prelude::*;

fn command(line: &str) -> &'static Command {
    get(lookup(line.split(' ').next().unwrap().as_bytes()).unwrap())
}

fn keys(line: &str) -> Result<Vec<usize>, BadKeys> {
    let mut keys = Vec::new();
    command(line).for_each_key(&Invocation::new(line).request(), |i| keys.push(i))?;
    Ok(keys)
}

fn first(line: &str) -> Option<usize> {
    command(line).first_key(&Invocation::new(line).request())
}

#[test]
fn arity_is_exact_or_at_least() {
    let get = command("get");
    assert!(!get.arity_fits(1) && get.arity_fits(2) && !get.arity_fits(3));
    let mget = command("mget");
    assert!(!mget.arity_fits(1) && mget.arity_fits(2) && mget.arity_fits(100_000));
}

#[test]
fn ranges() {
    assert_eq!(keys("get a"), Ok(vec![1]));
    assert_eq!(keys("rename a b"), Ok(vec![1, 2]));
    assert_eq!(keys("del a b c"), Ok(vec![1, 2, 3]));
    assert_eq!(keys("blpop a b 0"), Ok(vec![1, 2]));
    assert_eq!(keys("bitop and d a b"), Ok(vec![2, 3, 4]));
    assert_eq!(keys("object encoding a"), Ok(vec![2]));
    assert_eq!(keys("mset a 1 b 2"), Ok(vec![1, 3]));
    assert_eq!(keys("ping"), Ok(vec![]));
}

#[test]
fn too_few_arguments_have_no_keys_and_do_no_harm() {
    for command in TABLE {
        assert_eq!(first(command.name), None, "{}", command.name);
        assert!(keys(command.name).unwrap_or_default().is_empty(), "{}", command.name);
    }
    assert_eq!(keys("object help"), Ok(vec![]));
    assert_eq!((keys("blpop 0"), first("blpop 0")), (Ok(vec![]), None));
    assert_eq!(keys("rename a"), Ok(vec![1]));
}

#[test]
fn a_pair_without_a_value_is_refused() {
    assert_eq!(keys("mset a 1 b"), Err(BadKeys::Unpaired));
    assert_eq!(keys("msetnx a"), Err(BadKeys::Unpaired));
    assert_eq!(first("mset a 1 b"), Some(1));
}

#[test]
fn a_count_of_keys_must_be_one_that_a_server_takes() {
    assert_eq!(keys("eval s 0 a"), Ok(vec![]));
    assert_eq!(keys("eval s 1 a b"), Ok(vec![3]));
    assert_eq!(keys("eval s 3 a b"), Err(BadKeys::TooMany));
    for bad in ["-1", "x", "+1", "01", "1.0", "99999999999999999999", ""] {
        assert_eq!(keys(&format!("eval s {bad} a b")), Err(BadKeys::NotANumber), "{bad:?}");
        assert_eq!(first(&format!("eval s {bad} a b")), None, "{bad:?}");
    }
    assert_eq!(first("eval s 0 a"), None);
    assert_eq!(first("eval s 1 a"), Some(3));
}

#[test]
fn a_destination_comes_first_and_is_counted_apart() {
    assert_eq!(keys("zunionstore d 2 a b weights 1 2"), Ok(vec![1, 3, 4]));
    assert_eq!(first("zunionstore d 2 a b"), Some(1));
}

#[test]
fn counted_pairs() {
    assert_eq!(keys("msetex 2 a 1 b 2 nx ex 5"), Ok(vec![2, 4]));
    assert_eq!(keys("msetex 2 a 1 b"), Err(BadKeys::TooMany));
}

#[test]
fn streams_are_found_behind_options_that_look_like_them() {
    assert_eq!(keys("xread count 2 streams a b 0 0"), Ok(vec![4, 5]));
    assert_eq!(keys("xread count streams streams a 0"), Ok(vec![4]));
    assert_eq!(keys("xread maxcount 5 maxsize 9 streams a 0"), Ok(vec![6]));
    assert_eq!(keys("xreadgroup group streams streams claim 5 noack streams a >"), Ok(vec![8]));
    assert_eq!(keys("xread streams a b 0"), Err(BadKeys::Unbalanced));
    assert_eq!(keys("xread streams"), Err(BadKeys::Unbalanced));
    assert_eq!(keys("xread nonsense streams a 0"), Err(BadKeys::Unbalanced));
}

#[test]
fn a_stored_result_is_a_key() {
    assert_eq!(keys("sort a by w_* get # limit 0 5 store d"), Ok(vec![1, 10]));
    assert_eq!(keys("sort a get store"), Ok(vec![1]));
    // A key may be named like an option: Redis reads the word behind STORE as the key and goes on behind it.
    assert_eq!(keys("sort a store get store d"), Ok(vec![1, 5]));
    assert_eq!(keys("sort a store"), Ok(vec![1]));
    assert_eq!(keys("georadiusbymember a store 1 km"), Ok(vec![1]));
    assert_eq!(keys("georadius a 1 2 3 km storedist d store e"), Ok(vec![1, 7, 9]));
}

#[test]
fn migrate_names_one_key_or_many() {
    assert_eq!(keys("migrate h 1 a 0 5 copy"), Ok(vec![3]));
    assert_eq!(keys("migrate h 1  0 5 auth keys keys a b"), Ok(vec![9, 10]));
    assert_eq!(keys("migrate h 1 a 0 5 keys b"), Err(BadKeys::KeyAndKeys));
}

proptest! {
    #[test]
    fn any_words_are_taken_and_the_first_key_is_the_first(
        row in 0..TABLE.len(),
        words in proptest::collection::vec("[0-4]|store|streams|keys|get|group|a|", 0..12),
    ) {
        let line = std::iter::once(TABLE[row].name.to_owned()).chain(words).collect::<Vec<_>>().join(" ");
        let len = line.split(' ').count();
        match keys(&line) {
            Ok(keys) => {
                prop_assert_eq!(first(&line), keys.first().copied());
                prop_assert!(keys.windows(2).all(|pair| pair[0] < pair[1]), "{:?}", keys);
                prop_assert!(keys.iter().all(|key| (1..len).contains(key)), "{:?}", keys);
            }
            Err(BadKeys::Unpaired) => {}
            Err(_) => prop_assert_eq!(first(&line), None),
        }
    }
}
