"""The three outputs of a project: code, documentation, deployment configuration; told apart by path."""

import re
from collections.abc import Iterable, Mapping
from enum import StrEnum


class Output(StrEnum):
    """What a changed file is part of."""

    code = "Code"
    documentation = "Documentation"
    configuration = "Deployment configuration"


DOCUMENTATION = re.compile(
    r"(^|/)(docs?|documentation)/|\.(md|mdx|rst|adoc)$|(^|/)(README|CHANGELOG|CONTRIBUTING|LICENSE|NOTICE)[^/]*$",
    re.IGNORECASE,
)
CONFIGURATION = re.compile(
    r"(^|/)(deploy(ment)?|infra(structure)?|k8s|kubernetes|helm|charts|terraform|ansible|\.ci|\.circleci|\.github)/"
    r"|(^|/)(Dockerfile|Containerfile|docker-compose|compose)[^/]*$|\.dockerfile$|(^|/)\.dockerignore$"
    r"|\.(tf|tfvars|service|nomad)$|(^|/)(Procfile|Vagrantfile|Jenkinsfile|fly\.toml|\.gitlab-ci\.ya?ml|[^/]*nginx[^/]*\.conf)$",
    re.IGNORECASE,
)


def output_of(path: str) -> Output:
    """Return what a file is part of; what deploys goes before what describes, and the rest is code."""
    if CONFIGURATION.search(path):
        return Output.configuration
    return Output.documentation if DOCUMENTATION.search(path) else Output.code


def apart(paths: Iterable[str]) -> Mapping[Output, list[str]]:
    """Return the paths of each output that there is something of, in the order of the outputs."""
    ordered = sorted(set(paths))
    found = {output: [path for path in ordered if output_of(path) is output] for output in Output}
    return {output: listed for output, listed in found.items() if listed}
