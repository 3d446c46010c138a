//! The real `slotmesh control` with the arguments and the webhook configuration of `deploy/`, beside a simulated API server.

use super::api::Api;
use super::plane::{PATIENT, Plane, example, tutorial};
use kube::api::PostParams;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde_json::{Value, json};
use testkit::wait;

/// The documents of a file in `deploy/`, as JSON.
fn deployed(file: &str) -> Vec<Value> {
    let documents = config::text::documents(&example(&format!("../deploy/{file}"), "", ""), false).unwrap();
    documents.iter().map(config::dynamic::json).collect()
}

/// The arguments of the container, on free ports of this machine.
fn arguments() -> Vec<String> {
    let control = deployed("control.yaml");
    let args = control[0]["spec"]["template"]["spec"]["containers"][0]["args"].as_array().unwrap().clone();
    assert_eq!((&args[0], args.iter().any(|arg| arg == "--kube")), (&json!("control"), true));
    let here = |arg: &Value| match arg.as_str().unwrap().split_once("=0.0.0.0:") {
        Some((flag, _)) => format!("{flag}=127.0.0.1:0"),
        None => arg.as_str().unwrap().to_owned(),
    };
    // What the test has elsewhere is named already.
    let is_named = |arg: &String| ["--files=", "--xds=", "--http="].iter().any(|flag| arg.starts_with(flag));
    args[1..].iter().map(here).filter(|arg| !is_named(arg)).collect()
}

/// A cluster with the tutorial's services, and the configuration as it is applied.
fn cluster() -> Api {
    let files = tutorial(true).into_iter().filter(|(name, _)| !name.starts_with("envoyfilter"));
    let api = Api::start(&files.collect::<Vec<_>>());
    let [mut configuration] = deployed("webhook.yaml").try_into().unwrap();
    configuration["metadata"]["resourceVersion"] = "1".into();
    api.put(configuration);
    api
}

/// Asks as an API server does: by the Service's name, trusting what the configuration says.
async fn asker(plane: &Plane, client: &Value) -> Client {
    let service = &client["service"];
    let name = format!("{}.{}.svc", service["name"].as_str().unwrap(), service["namespace"].as_str().unwrap());
    let text = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "here", "users": [{"name": "me", "user": {}}],
        "contexts": [{"name": "here", "context": {"cluster": "hook", "user": "me"}}],
        "clusters": [{"name": "hook", "cluster": {
            "server": format!("https://{}", plane.address("webhook")), "tls-server-name": name,
            "certificate-authority-data": client["caBundle"],
        }}],
    });
    let options = KubeConfigOptions::default();
    let config = Config::from_custom_kubeconfig(Kubeconfig::from_yaml(&text.to_string()).unwrap(), &options).await;
    Client::try_from(config.unwrap()).unwrap()
}

async fn asked(client: &Client, path: &str, spec: Value) -> Value {
    let kind = json!({"group": "slotmesh.io", "version": "v1alpha1", "kind": "RedisService"});
    let object = json!({
        "apiVersion": "slotmesh.io/v1alpha1", "kind": "RedisService",
        "metadata": {"name": "cache", "namespace": "redis"}, "spec": spec,
    });
    let review = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {
        "uid": "705ab4f5", "kind": kind, "name": "cache", "namespace": "redis", "operation": "CREATE",
        "object": object, "oldObject": null, "dryRun": false,
    }});
    let request = kube::core::Request::new(path).create(&PostParams::default(), review.to_string().into_bytes());
    let mut answer: Value = client.request(request.unwrap()).await.unwrap();
    assert_eq!((&answer["kind"], &answer["response"]["uid"]), (&json!("AdmissionReview"), &json!("705ab4f5")));
    answer["response"].take()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_manifests_arguments_and_configuration_make_a_webhook_that_judges() {
    let api = cluster();
    let kubeconfig = api.kubeconfig();
    let args: Vec<String> = arguments().into_iter().chain(["--kubeconfig".to_owned(), kubeconfig]).collect();
    let files: [(&str, &str); 0] = [];
    let plane = Plane::start_with(&files, &args.iter().map(String::as_str).collect::<Vec<_>>());
    plane.logged("the webhook's authority was written");
    wait::until_true("it is ready", PATIENT, || Ok(testkit::http::get(plane.address("http"), "/ready")?.status == 200))
        .unwrap_or_else(|error| panic!("{error}\n{}", plane.log()));
    let configuration = api.object("validatingwebhookconfigurations", "slotmesh").unwrap();
    let trusted = &configuration["webhooks"][0]["clientConfig"];
    let (client, path) = (asker(&plane, trusted).await, trusted["service"]["path"].as_str().unwrap());

    assert_eq!(
        asked(&client, path, json!({"host": "redis-cluster"})).await,
        json!({"uid": "705ab4f5", "allowed": true})
    );
    let bad = asked(&client, path, json!({"host": "redis-cluster", "settings": {"redPolicy": "ANY"}})).await;
    assert_eq!(bad["allowed"], false);
    assert_eq!(
        bad["status"]["message"],
        "spec.settings.redPolicy: is no field of RedisService; did you mean readPolicy?"
    );
    let later = asked(&client, path, json!({"host": "redis-clutser"})).await;
    assert_eq!(later["allowed"], true);
    assert!(later["warnings"][0].as_str().unwrap().contains("near: redis-cluster.redis.svc"), "{later}");

    let (status, log) = plane.end();
    assert!(status.success() && log.contains("refused at admission"), "{status}\n{log}");
    // Nobody wrote on top of what is well.
    assert_eq!(log.matches("the webhook's authority was written").count(), 1, "{log}");
}
