"""Checks manifests against published schemas, and typed resources against our CRDs: see manifests.sh.

A resource of ours passes if its CRD's schema allows it, every field is one of the schema's (as `kubectl apply` demands), and
every CEL rule on the way holds. The files that are named as arguments hold resources that must not pass, each with an
annotation `refused` with a part of what is told.
"""

import glob
import re
import sys
import warnings

warnings.filterwarnings("ignore")

import celpy
import jsonschema
import kubernetes_validate
import yaml
from celpy.adapter import json_to_cel

RELEASE = "1.36"
# Kinds that others define and nobody publishes a JSON schema of in that package.
FOREIGN = {"Kustomization", "EnvoyFilter"}
ENVIRONMENT = celpy.Environment()


def documents(text):
    return [one for one in yaml.safe_load_all(text) if isinstance(one, dict) and "kind" in one]


def read(pattern):
    for path in sorted(glob.glob(pattern)):
        with open(path, encoding="utf-8") as file:
            yield path, file.read()


def strict(schema):
    """The same schema, which refuses fields that it does not name."""
    schema = dict(schema)
    if "properties" in schema:
        schema["properties"] = {name: strict(inner) for name, inner in schema["properties"].items()}
        schema.setdefault("additionalProperties", False)
    if isinstance(schema.get("items"), dict):
        schema["items"] = strict(schema["items"])
    return schema


def rules(schema, value, path):
    """What CEL rules have against a value."""
    for rule in schema.get("x-kubernetes-validations", []):
        program = ENVIRONMENT.program(ENVIRONMENT.compile(rule["rule"]))
        if not program.evaluate({"self": json_to_cel(value)}):
            yield f"{path}{rule.get('fieldPath', '')}: {rule['message']}"
    if isinstance(value, dict):
        for name, inner in schema.get("properties", {}).items():
            if name in value:
                yield from rules(inner, value[name], f"{path}.{name}")
    if isinstance(value, list):
        for index, inner in enumerate(value):
            yield from rules(schema["items"], inner, f"{path}[{index}]")


def faults_of(crd, resource):
    schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    outer = strict(schema)
    outer["properties"]["metadata"] = {"type": "object"}
    found = [f"{error.json_path[2:]}: {error.message}" for error in jsonschema.Draft202012Validator(outer).iter_errors(resource)]
    return found or list(rules(schema["properties"]["spec"], resource["spec"], "spec"))


def main(refused):
    faults, counts = [], {"Kubernetes": 0, "ours": 0, "refused": 0}
    crds = {}
    for _, text in read("deploy/crds/*.yaml"):
        for crd in documents(text):
            crds[crd["spec"]["names"]["kind"]] = crd

    def check(place, one):
        group, kind = one["apiVersion"].rpartition("/")[0], one["kind"]
        if group == "slotmesh.io":
            counts["ours"] += 1
            faults.extend(f"{place}: {kind}: {fault}" for fault in faults_of(crds[kind], one))
        elif kind not in FOREIGN:
            counts["Kubernetes"] += 1
            try:
                kubernetes_validate.validate(one, RELEASE, strict=True)
            except kubernetes_validate.ValidationError as error:
                faults.append(f"{place}: {kind}: {error}")

    for pattern in ["deploy/*.yaml", "deploy/*/*.yaml", "examples/tutorial*/*.yaml"]:
        for path, text in read(pattern):
            for one in documents(text):
                check(path, one)
    for path, text in [*read("docs/*.md"), *read("*.md"), *read("deploy/*.md")]:
        for block in re.findall(r"^```yaml\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
            if re.search(r"^kind: ", block, re.MULTILINE):
                for one in documents(block):
                    check(path, one)
    for kind, crd in crds.items():
        check(f"the example of {kind}", crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["example"])

    for path in refused:
        for _, text in read(path):
            for one in documents(text):
                counts["refused"] += 1
                expected = one["metadata"].pop("annotations")["refused"]
                told = "; ".join(faults_of(crds[one["kind"]], one))
                if expected not in told:
                    faults.append(f"{path}: {one['metadata']['name']}: not refused with {expected!r} but: {told or 'passed'}")

    for fault in faults:
        print(fault, file=sys.stderr)
    told = ", ".join(f"{count} {name}" for name, count in counts.items())
    print(f"manifests: {told}; {len(faults)} faults")
    return 1 if faults else 0


sys.exit(main(sys.argv[1:]))
