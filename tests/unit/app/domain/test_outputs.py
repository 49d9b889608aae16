"""Code, documentation and deployment configuration are told apart by path, and can be asked of roles."""

import pytest

from app.domain.outputs import Output, apart, output_of
from app.domain.plan import Kind, PlannedTask
from app.domain.ports import Step
from app.domain.roles import AgentRole
from workers.agents.prompts import system_prompt
from workers.agents.roster import assign


@pytest.mark.parametrize(
    ("output", "paths"),
    [
        (Output.code, ["a.py", "src/docker.py", "tests/test_docs.py", "package.json", "web/deploy.ts", "compose/x.py"]),
        (Output.documentation, ["README", "readme.md", "docs/conf.py", "doc/a.txt", "CHANGELOG.rst", "x/LICENSE.txt"]),
        (
            Output.configuration,
            ["Dockerfile", "a/Dockerfile.dev", "docker-compose.yml", "compose.yaml", ".dockerignore", "deploy/run.sh",
             "infra/main.tf", "k8s/app.yaml", ".github/workflows/ci.yml", "deploy/README.md", "ops/site.nginx.conf",
             "app.service", "Procfile"],
        ),
    ],
)  # fmt: skip
def test_a_path_says_what_it_is_part_of(output, paths):
    assert {path: output_of(path) for path in paths} == dict.fromkeys(paths, output)


def test_only_outputs_that_there_is_something_of_are_listed_in_their_order():
    assert apart(["Dockerfile", "b.py", "a.py", "a.py"]) == {
        Output.code: ["a.py", "b.py"],
        Output.configuration: ["Dockerfile"],
    }


@pytest.mark.parametrize(
    ("kind", "footprint", "role"),
    [
        (Kind.backend, ["app/a.py"], AgentRole.backend),
        (Kind.documentation, ["docs/guide.md"], AgentRole.documentation),
        (Kind.devops, ["Dockerfile", "docker-compose.yml"], AgentRole.devops),
    ],
)
def test_each_output_has_a_role_that_the_planner_can_ask(kind, footprint, role):
    planned = PlannedTask(key="t1", title="Do it", kind=kind, footprint=tuple(footprint))
    assert assign(planned.kind, planned.footprint, planned.title) is role
    assert kind.value in system_prompt(Step.plan, AgentRole.maestro)
