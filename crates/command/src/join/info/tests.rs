use super::info;
use proptest::prelude::*;

fn merged(texts: &[&str]) -> String {
    let parts: Vec<Vec<u8>> = texts
        .iter()
        .map(|text| {
            let mut part = Vec::new();
            resp::write::bulk(&mut part, text.replace('\n', "\r\n").as_bytes());
            part
        })
        .collect();
    let parts: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
    let mut out = Vec::new();
    info(&parts, &mut out);
    let text = String::from_utf8(out).unwrap();
    let (header, body) = text.split_once("\r\n").unwrap();
    let body = body.strip_suffix("\r\n").unwrap();
    assert_eq!(header, format!("${}", body.len()));
    body.replace("\r\n", "\n")
}

#[test]
fn sections_keep_their_order_and_unknown_metrics_stay() {
    let one = "# Server\nredis_version:7.0.15\nredis_mode:cluster\nnew_thing:x\nuptime_in_seconds:10\n\n# Stats\nnew_counter:1\n";
    let two = "# Server\nredis_version:7.0.14\nredis_mode:cluster\nuptime_in_seconds:30\n\n# Novel\na:1\n\n# Stats\nnew_counter:2\n";
    let all = "# Server\nredis_version:7.0.15\nredis_mode:cluster\nnew_thing:x\nuptime_in_seconds:30\n\n# Stats\nnew_counter:3\n\n# Novel\na:1\n";
    assert_eq!(merged(&[one, two]), all);
}

#[test]
fn amounts_are_summed_and_floats_keep_their_digits() {
    let one = "# CPU\nused_cpu_sys:0.782643\nused_cpu_user:1.100000\n\n# Stats\ninstantaneous_input_kbps:0.05\nexpired_stale_perc:0.10\n";
    let two = "# CPU\nused_cpu_sys:1.000001\nused_cpu_user:2.000000\n\n# Stats\ninstantaneous_input_kbps:1.50\nexpired_stale_perc:0.07\n";
    let all = "# CPU\nused_cpu_sys:1.782644\nused_cpu_user:3.100000\n\n# Stats\ninstantaneous_input_kbps:1.55\nexpired_stale_perc:0.10\n";
    assert_eq!(merged(&[one, two]), all);
}

#[test]
fn figures_that_follow_from_others_are_computed_again() {
    let one = "# Memory\nused_memory:1048576\nused_memory_human:1.00M\nused_memory_rss:2097152\nused_memory_peak:2097152\nused_memory_peak_perc:50.00%\nused_memory_startup:1000000\nused_memory_dataset:48576\nused_memory_dataset_perc:100.00%\nmaxmemory:0\nmaxmemory_human:0B\nmem_fragmentation_ratio:2.00\nmem_fragmentation_bytes:1048576\nmem_allocator:jemalloc-5.3.0\n";
    let two = "# Memory\nused_memory:524288\nused_memory_human:512.00K\nused_memory_rss:524288\nused_memory_peak:524288\nused_memory_peak_perc:100.00%\nused_memory_startup:500000\nused_memory_dataset:24288\nused_memory_dataset_perc:100.00%\nmaxmemory:1000\nmaxmemory_human:1000B\nmem_fragmentation_ratio:1.00\nmem_fragmentation_bytes:0\nmem_allocator:jemalloc-5.3.0\n";
    let all = "# Memory\nused_memory:1572864\nused_memory_human:1.50M\nused_memory_rss:2621440\nused_memory_peak:2621440\nused_memory_peak_perc:60.00%\nused_memory_startup:1500000\nused_memory_dataset:72864\nused_memory_dataset_perc:100.00%\nmaxmemory:1000\nmaxmemory_human:1000B\nmem_fragmentation_ratio:1.67\nmem_fragmentation_bytes:1048576\nmem_allocator:jemalloc-5.3.0\n";
    assert_eq!(merged(&[one, two]), all);
}

#[test]
fn the_mean_time_to_live_is_weighted() {
    let one = "# Keyspace\ndb0:keys=10,expires=3,avg_ttl=1000\ndb3:keys=1,expires=0,avg_ttl=0\n";
    let two = "# Keyspace\ndb0:keys=5,expires=1,avg_ttl=5000,subexpiry=2\n";
    let none = "# Keyspace\n";
    let all = "# Keyspace\ndb0:keys=15,expires=4,avg_ttl=2000,subexpiry=2\ndb3:keys=1,expires=0,avg_ttl=0\n";
    assert_eq!(merged(&[one, none, two]), all);
}

#[test]
fn commands_are_counted_over_all_shards() {
    let one = "# Commandstats\ncmdstat_get:calls=3,usec=30,usec_per_call=10.00,rejected_calls=0,failed_calls=1\n\n# Errorstats\nerrorstat_ERR:count=5\n\n# Latencystats\nlatency_percentiles_usec_get:p50=1.003,p99=9.023,p99.9=9.023\n";
    let two = "# Commandstats\ncmdstat_get:calls=1,usec=50,usec_per_call=50.00,rejected_calls=2,failed_calls=0\ncmdstat_set:calls=0,usec=0,usec_per_call=0.00,rejected_calls=1,failed_calls=0\n\n# Errorstats\nerrorstat_MOVED:count=1\nerrorstat_ERR:count=2\n\n# Latencystats\nlatency_percentiles_usec_get:p50=2.003,p99=3.023,p99.9=10.023\n";
    let all = "# Commandstats\ncmdstat_get:calls=4,usec=80,usec_per_call=20.00,rejected_calls=2,failed_calls=1\ncmdstat_set:calls=0,usec=0,usec_per_call=0.00,rejected_calls=1,failed_calls=0\n\n# Errorstats\nerrorstat_ERR:count=7\nerrorstat_MOVED:count=1\n\n# Latencystats\nlatency_percentiles_usec_get:p50=2.003,p99=9.023,p99.9=10.023\n";
    assert_eq!(merged(&[one, two]), all);
}

#[test]
fn replicas_of_all_shards_are_numbered_through_and_a_module_is_named_once() {
    let one = "# Replication\nrole:master\nconnected_slaves:2\nslave0:ip=a,port=1\nslave1:ip=b,port=2\nmaster_replid:x\n\n# Modules\nmodule:name=bf,ver=1\n";
    let two = "# Replication\nrole:master\nconnected_slaves:1\nslave0:ip=c,port=3\nmaster_replid:y\n\n# Modules\nmodule:name=bf,ver=1\nmodule:name=js,ver=2\n";
    let text = merged(&[one, two]);
    assert!(text.contains("connected_slaves:3\n"), "{text}");
    for line in ["slave0:ip=a,port=1\n", "slave1:ip=b,port=2\n", "slave2:ip=c,port=3\n", "master_replid:x\n"] {
        assert!(text.contains(line), "{line} in {text}");
    }
    assert!(text.ends_with("# Modules\nmodule:name=bf,ver=1\nmodule:name=js,ver=2\n"), "{text}");
}

#[test]
fn one_bad_status_is_the_status() {
    let text = "# Persistence\nloading:LOAD\nrdb_last_save_time:TIME\nrdb_last_bgsave_status:STATUS\n";
    let shard = |load, time, status: &str| text.replace("LOAD", load).replace("TIME", time).replace("STATUS", status);
    let (a, b) = (shard("0", "200", "ok"), shard("1", "100", "err"));
    assert_eq!(merged(&[&a, &b]), shard("1", "100", "err"));
}

#[test]
fn a_whole_reply_of_one_server_comes_out_as_it_was_but_for_the_cluster() {
    let captured = include_str!("captured.txt");
    let expected = captured
        .replace("redis_mode:standalone", "redis_mode:cluster")
        .replace("cluster_enabled:0", "cluster_enabled:1");
    assert_eq!(merged(&[captured]), expected);
}

#[test]
fn an_error_and_what_is_no_text() {
    let mut out = Vec::new();
    info(&[b"$0\r\n\r\n", b"-LOADING wait\r\n"], &mut out);
    assert_eq!(out, b"-LOADING wait\r\n");
    out.clear();
    info(&[b":1\r\n"], &mut out);
    assert_eq!(out, b"-non-bulk-string response received from shard\r\n");
    assert_eq!(merged(&["", ""]), "");
}

proptest! {
    #[test]
    fn any_text_is_merged(texts in proptest::collection::vec("((# )?[A-Za-z_0-9]{0,8}:?[a-z0-9=,.:%-]{0,12}\n){0,12}", 0..4)) {
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        if !texts.is_empty() {
            merged(&texts);
        }
    }
}
