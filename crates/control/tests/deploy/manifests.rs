//! What `kubectl apply -k deploy` applies fits together.

use crate::{folder, one, read, texts};
use control::webhook::{KINDS, PATH, Settings};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;

/// Applied by hand, if at all, and what is no manifest.
const OTHERS: [&str; 5] =
    ["Dockerfile", "Dockerfile.dockerignore", "README.md", "kustomization.yaml", "rbac-secrets.yaml"];

#[test]
fn the_kustomization_lists_every_manifest_of_the_folder() {
    let mut present = BTreeSet::new();
    for (place, folder) in [("", folder()), ("crds/", folder().join("crds"))] {
        for entry in fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_file() {
                present.insert(format!("{place}{}", entry.file_name().to_str().unwrap()));
            }
        }
    }
    for other in OTHERS {
        assert!(present.remove(other), "{other} is missing");
    }
    let kustomization = one("kustomization.yaml", "Kustomization");
    let listed: BTreeSet<String> = texts(&kustomization["resources"]).into_iter().map(str::to_owned).collect();
    assert_eq!(listed, present);
    let image = one("control.yaml", "Deployment")["spec"]["template"]["spec"]["containers"][0]["image"].clone();
    assert_eq!(kustomization["images"][0]["name"], image);
}

#[test]
fn everything_is_in_one_namespace_that_is_made() {
    let namespace = one("namespace.yaml", "Namespace")["metadata"]["name"].clone();
    let kustomization = one("kustomization.yaml", "Kustomization");
    let files: Vec<&str> = texts(&kustomization["resources"]).into_iter().chain(["rbac-secrets.yaml"]).collect();
    for resource in files.into_iter().flat_map(read) {
        let kind = resource["kind"].as_str().unwrap();
        let is_wide = matches!(
            kind,
            "Namespace"
                | "CustomResourceDefinition"
                | "ClusterRole"
                | "ClusterRoleBinding"
                | "ValidatingWebhookConfiguration"
        );
        let stands = &resource["metadata"]["namespace"];
        assert_eq!(stands, if is_wide { &Value::Null } else { &namespace }, "{resource}");
        for subject in resource["subjects"].as_array().into_iter().flatten() {
            assert_eq!((&subject["name"], &subject["namespace"]), (&json!("slotmesh-control"), &namespace));
        }
    }
}

#[test]
fn ports_flags_and_probes_agree() {
    let pod = one("control.yaml", "Deployment")["spec"]["template"].clone();
    let container = &pod["spec"]["containers"][0];
    let flags = texts(&container["args"]);
    assert_eq!(flags[..2], ["control", "--kube"]);
    for port in container["ports"].as_array().unwrap() {
        let (name, number) = (port["name"].as_str().unwrap(), &port["containerPort"]);
        assert!(flags.contains(&format!("--{name}=0.0.0.0:{number}").as_str()), "{port}");
    }
    let service = one("control.yaml", "Service");
    assert_eq!(
        pod["metadata"]["labels"]["app.kubernetes.io/name"],
        service["spec"]["selector"]["app.kubernetes.io/name"]
    );
    let targets: Vec<&Value> =
        service["spec"]["ports"].as_array().unwrap().iter().map(|port| &port["targetPort"]).collect();
    let names: Vec<&Value> = container["ports"].as_array().unwrap().iter().map(|port| &port["name"]).collect();
    assert_eq!(targets, names);
    assert_eq!(container["readinessProbe"]["httpGet"], json!({"path": "/ready", "port": "http"}));
    assert_eq!(container["livenessProbe"]["httpGet"], json!({"path": "/", "port": "http"}));
}

#[test]
fn the_pod_has_no_privilege() {
    let pod = one("control.yaml", "Deployment")["spec"]["template"]["spec"].clone();
    let own = &pod["containers"][0]["securityContext"];
    let expected = json!({
        "allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "capabilities": {"drop": ["ALL"]},
    });
    assert_eq!(*own, expected);
    assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
    assert_eq!(pod["securityContext"]["seccompProfile"]["type"], "RuntimeDefault");
    let labels = &one("namespace.yaml", "Namespace")["metadata"]["labels"];
    assert_eq!(labels["pod-security.kubernetes.io/enforce"], "restricted");
    let image = fs::read_to_string(folder().join("Dockerfile")).unwrap();
    let user = format!("USER {}:{}", pod["securityContext"]["runAsUser"], pod["securityContext"]["runAsGroup"]);
    assert!(image.contains(&user), "{user}");
}

#[test]
fn the_webhook_is_asked_about_what_it_judges_and_holds_nobody_up() {
    let configuration = one("webhook.yaml", "ValidatingWebhookConfiguration");
    let webhook = &configuration["webhooks"][0];
    assert_eq!(configuration["webhooks"].as_array().unwrap().len(), 1);
    let mut asked: BTreeSet<(String, String)> = BTreeSet::new();
    for rule in webhook["rules"].as_array().unwrap() {
        assert_eq!(texts(&rule["operations"]), ["CREATE", "UPDATE"]);
        for resource in texts(&rule["resources"]) {
            asked.insert((rule["apiGroups"][0].as_str().unwrap().to_owned(), resource.to_owned()));
        }
    }
    let judged = KINDS.map(|(group, kind)| (group.to_owned(), format!("{}s", kind.to_lowercase())));
    assert_eq!(asked, judged.into_iter().collect());
    assert_eq!((&webhook["failurePolicy"], &webhook["sideEffects"]), (&json!("Ignore"), &json!("None")));
    assert_eq!(webhook["admissionReviewVersions"], json!(["v1"]));
    // It answers, or says that it cannot, within 4 s.
    assert_eq!(webhook["timeoutSeconds"], 5);
    let service = &webhook["clientConfig"]["service"];
    let (name, namespace) = (service["name"].as_str().unwrap(), service["namespace"].as_str().unwrap());
    assert_eq!(service["path"], PATH);
    assert!(webhook["clientConfig"].get("caBundle").is_none(), "an empty one would undo what was written");
    let own = one("control.yaml", "Service");
    assert_eq!((&own["metadata"]["name"], &own["metadata"]["namespace"]), (&json!(name), &json!(namespace)));
    let port = own["spec"]["ports"].as_array().unwrap().iter().find(|port| port["targetPort"] == "webhook").unwrap();
    assert_eq!(service["port"], port["port"]);
    assert_eq!(Settings::of_service(name, namespace, "x").names, [format!("{name}.{namespace}.svc")]);
}

#[test]
fn who_writes_the_bundle_may_do_that_and_no_more() {
    let role = one("rbac-webhook.yaml", "ClusterRole");
    let configuration = one("webhook.yaml", "ValidatingWebhookConfiguration");
    // What is asked: `webhook::the_bundle_is_mended_whatever_happens_to_it` in `tests/kube` counts only these two.
    let rule = json!({
        "apiGroups": ["admissionregistration.k8s.io"], "resources": ["validatingwebhookconfigurations"],
        "resourceNames": [configuration["metadata"]["name"]], "verbs": ["get", "patch"],
    });
    assert_eq!(role["rules"], json!([rule]));
    assert_eq!(one("rbac-webhook.yaml", "ClusterRoleBinding")["roleRef"]["name"], role["metadata"]["name"]);
}

#[test]
fn the_client_of_the_tutorial_has_a_sidecar_that_finds_the_control_plane() {
    let file = "tutorial/redis-client.yaml";
    let bootstrap = one(file, "ConfigMap")["data"]["bootstrap.yaml"].as_str().unwrap().replace("POD_IP", "10.0.0.7");
    let read = config::load_text(&bootstrap, "bootstrap.yaml");
    assert!(read.is_ok(), "{:?}", read.err());
    let service = one("control.yaml", "Service");
    let name = |key: &str| service["metadata"][key].as_str().unwrap().to_owned();
    let host = format!("{}.{}.svc.cluster.local", name("name"), name("namespace"));
    assert!(bootstrap.contains(&format!("address: {host}")), "{host}");
    let port = &service["spec"]["ports"][0];
    assert!(port["name"] == "grpc-xds" && bootstrap.contains(&format!("port_value: {}", port["port"])));
    // The rules let the sidecar's own connections out, by the user that it runs as.
    let pod = one(file, "Deployment")["spec"]["template"]["spec"].clone();
    let user = &pod["containers"][1]["securityContext"]["runAsUser"];
    let rules = texts(&pod["initContainers"][0]["command"])[2].to_owned();
    assert!(rules.contains(&format!("--uid-owner {user} -j RETURN")), "{rules}");
    // Until the sidecar has listeners, every connection of the client is refused.
    let probed = pod["containers"][1]["readinessProbe"]["tcpSocket"]["port"].clone();
    assert!(rules.contains(&format!("REDIRECT --to-ports {probed}\n")), "{probed}: {rules}");
    let kustomization = one("tutorial/kustomization.yaml", "Kustomization");
    assert_eq!(kustomization["resources"], json!(["redis-client.yaml"]));
    // The image is named in both folders, which people are told.
    assert_eq!(kustomization["images"], one("kustomization.yaml", "Kustomization")["images"]);
    assert_eq!(kustomization["images"][0]["name"], pod["containers"][1]["image"]);
    let told = fs::read_to_string(folder().join("README.md")).unwrap();
    assert!(
        told.contains("for folder in deploy deploy/tutorial; do (cd $folder && kustomize edit set image slotmesh=")
    );
    assert_eq!(fs::read_dir(folder().join("tutorial")).unwrap().count(), 2);
}
